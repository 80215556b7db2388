"""Checks what schemas can't: that the resources in kubernetes/ refer to each other correctly, and that the kustomization
lists all of them."""

import re

from common import DEPLOY, ROOT, finish, read_yaml

# Not applied to the cluster: a list of files, Helm chart values, and an example without values.
NOT_APPLIED = {"kustomization.yaml", "prometheus-adapter.yaml", "secret.example.yaml"}
# max_connections (100) minus the connections that PostgreSQL reserves for superusers.
POSTGRES_CONNECTIONS = 97
# Without these, uploads are limited to 1 MiB and an interrupted upload keeps nothing.
UPLOADS_PASS = {"proxy-body-size": "0", "proxy-request-buffering": "off"}


def main() -> None:
    faults = []

    def same(what: str, one, other) -> None:
        if one != other:
            faults.append(f"kubernetes/: {what} differ: {one} and {other}")

    listed = set(read_yaml("kubernetes/kustomization.yaml")["resources"])
    there = {path.name for path in (DEPLOY / "kubernetes").glob("*.yaml")} - NOT_APPLIED
    same("resources of kustomization.yaml and files", sorted(listed), sorted(there))

    deployment = read_yaml("kubernetes/deployment.yaml")
    name, pod = deployment["metadata"]["name"], deployment["spec"]["template"]
    labels = pod["metadata"]["labels"]
    [container] = pod["spec"]["containers"]
    service = read_yaml("kubernetes/service.yaml")
    disruption = read_yaml("kubernetes/disruption.yaml")
    autoscaling = read_yaml("kubernetes/autoscaling.yaml")

    same("labels of the deployment's selector", deployment["spec"]["selector"]["matchLabels"], labels)
    for spread in pod["spec"]["topologySpreadConstraints"]:
        same(f"labels of the spread over {spread['topologyKey']}", spread["labelSelector"]["matchLabels"], labels)
    same("labels of the service", service["spec"]["selector"], labels)
    same("labels of the disruption budget", disruption["spec"]["selector"]["matchLabels"], labels)
    same("the autoscaler's target and the deployment", autoscaling["spec"]["scaleTargetRef"]["name"], name)

    [port] = container["ports"]
    [service_port] = service["spec"]["ports"]
    same("the service's port", service_port["targetPort"], port["name"])
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        same(f"the port of {probe}", container[probe]["httpGet"]["port"], port["name"])
    same("the scraped port", pod["metadata"]["annotations"]["prometheus.io/port"], str(port["containerPort"]))
    configuration = read_yaml("kubernetes/configmap.yaml")
    same("the port of the settings", configuration["data"]["WS_PORT"], str(port["containerPort"]))

    sources = {source[kind]["name"] for source in container["envFrom"] for kind in source}
    secret = read_yaml("kubernetes/secret.example.yaml")
    same("sources of settings", sources, {configuration["metadata"]["name"], secret["metadata"]["name"]})
    ingress = read_yaml("kubernetes/ingress.yaml")
    for wish, value in UPLOADS_PASS.items():
        same(f"{wish} of the ingress", ingress["metadata"]["annotations"].get(f"nginx.ingress.kubernetes.io/{wish}"), value)
    for rule in ingress["spec"]["rules"]:
        for path in rule["http"]["paths"]:
            backend = path["backend"]["service"]
            same(f"the service of {path['path']}", backend["name"], service["metadata"]["name"])
            same(f"the port of {path['path']}", backend["port"]["name"], service_port["name"])

    limits = (ROOT / "src/limits/mod.rs").read_text(encoding="utf-8")
    [connections] = re.findall(r"STORE_CONNECTIONS_MAX: usize = (\d+);", limits)
    pods = autoscaling["spec"]["maxReplicas"] + deployment["spec"]["strategy"]["rollingUpdate"]["maxSurge"]
    if pods * int(connections) > POSTGRES_CONNECTIONS:
        faults.append(f"kubernetes/: {pods} pods open {connections} connections each, more than PostgreSQL allows by default")

    [wanted] = [metric["pods"]["metric"]["name"] for metric in autoscaling["spec"]["metrics"] if "pods" in metric]
    adapter = read_yaml("kubernetes/prometheus-adapter.yaml")
    offered = [rule["name"]["as"] for rule in adapter["rules"]["custom"]]
    same("the autoscaler's metric and the adapter's metrics", [wanted], offered)
    finish(faults)


main()
