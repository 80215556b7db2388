"""Checks what schemas can't: that the resources in kubernetes/ refer to each other correctly, and that the kustomization
lists all of them."""

import ipaddress
import re

from common import DEPLOY, ROOT, finish, read_yaml

# Not applied to the cluster: a list of files, Helm chart values, and an example without values.
NOT_APPLIED = {"kustomization.yaml", "prometheus-adapter.yaml", "secret.example.yaml"}
# max_connections (100) minus the connections that PostgreSQL reserves for superusers.
POSTGRES_CONNECTIONS = 97
# Without these, uploads are limited to 1 MiB and an interrupted upload keeps nothing. Everything else is buffered.
UPLOADS_PASS = {"proxy-body-size": "0", "proxy-request-buffering": "off"}
OTHERS = {"proxy-body-size": "256k", "proxy-request-buffering": "on"}
UPLOADS = "/api/v1/files"


def policy_faults(labels: dict) -> list[str]:
    """The network policy holds for the pods, admits each kind of traffic from one namespace, and denies the rest."""
    policy = read_yaml("kubernetes/networkpolicy.yaml")["spec"]
    faults = []
    if policy["podSelector"]["matchLabels"] != labels:
        faults.append("kubernetes/networkpolicy.yaml: does not select the pods")
    if sorted(policy["policyTypes"]) != ["Egress", "Ingress"]:
        faults.append("kubernetes/networkpolicy.yaml: must deny both directions by default")
    admitted = {}
    for rule in policy["ingress"]:
        for port in rule.get("ports", [{"port": "any"}]):
            sources = rule.get("from", [])
            if not sources or {} in sources:
                faults.append(f"kubernetes/networkpolicy.yaml: everybody may reach the port {port['port']}")
            names = [source["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] for source in sources]
            admitted.setdefault(port["port"], []).extend(names)
    if admitted != {"http": ["ingress-nginx"], "internal": ["monitoring"]}:
        faults.append(f"kubernetes/networkpolicy.yaml: admits {admitted}")
    if any("ports" not in rule for rule in policy["egress"]):
        faults.append("kubernetes/networkpolicy.yaml: allows the pods to reach every port")
    return faults


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

    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    same("the container's ports", sorted(ports), ["http", "internal"])
    [service_port] = service["spec"]["ports"]
    same("the service's port", service_port["targetPort"], "http")
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        same(f"the port of {probe}", container[probe]["httpGet"]["port"], "http")
    same("the scraped port", pod["metadata"]["annotations"]["prometheus.io/port"], str(ports["internal"]))
    configuration = read_yaml("kubernetes/configmap.yaml")
    settings = configuration["data"]
    same("the port of the settings", settings["WS_PORT"], str(ports["http"]))
    same("the internal port of the settings", settings["INTERNAL_ADDRESS"].rpartition(":")[2], str(ports["internal"]))
    trusted = [ipaddress.ip_network(network.strip()) for network in settings["TRUSTED_PROXIES"].split(",")]
    faults += [f"kubernetes/: TRUSTED_PROXIES {net} is wider than a pod network" for net in trusted if net.prefixlen < 16]

    sources = {source[kind]["name"] for source in container["envFrom"] for kind in source}
    same("sources of settings", sources, {configuration["metadata"]["name"]})
    secret = read_yaml("kubernetes/secret.example.yaml")
    [volume] = [volume for volume in pod["spec"]["volumes"] if "secret" in volume]
    same("the secret of the pod", volume["secret"]["secretName"], secret["metadata"]["name"])
    same("the mode of the secret's files", volume["secret"]["defaultMode"], 0o440)
    [folder] = [mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] == volume["name"]]
    named = {name.removesuffix("_FILE"): path for name, path in settings.items() if name.endswith("_FILE")}
    same("secrets in files and in the example", named, {key: f"{folder}/{key}" for key in secret["stringData"]})

    for file, wishes in (("ingress", OTHERS), ("ingress-uploads", UPLOADS_PASS)):
        ingress = read_yaml(f"kubernetes/{file}.yaml")
        annotations = ingress["metadata"]["annotations"]
        for wish, value in ({"force-ssl-redirect": "true"} | wishes).items():
            same(f"{wish} of {file}", annotations.get(f"nginx.ingress.kubernetes.io/{wish}"), value)
        hosts = {host for tls in ingress["spec"]["tls"] for host in tls["hosts"]}
        for rule in ingress["spec"]["rules"]:
            same(f"hosts of {file} with and without a certificate", {rule["host"]}, hosts)
            for path in rule["http"]["paths"]:
                backend = path["backend"]["service"]
                same(f"the service of {path['path']}", backend["name"], service["metadata"]["name"])
                same(f"the port of {path['path']}", backend["port"]["name"], service_port["name"])
                if (path["path"] == UPLOADS) != (file == "ingress-uploads"):
                    faults.append(f"kubernetes/{file}.yaml: must not lead to {path['path']}")
    faults += policy_faults(labels)

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
