"""Checks that the server reads every environment variable that deploy/ sets, that no drain is cut short, and that deployments
with several nodes share a file storage."""

import re

from common import ROOT, finish, read, read_yaml

# Read by the C library, by tools, or by other programs.
NOT_OURS = {"PATH", "TMPDIR", "CARGO_TARGET_DIR"}


def known_variables() -> set[str]:
    """All strings that look like a variable name in the code that reads the environment."""
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "src/config").glob("*.rs")]
    return set(re.findall(r'"([A-Z][A-Z0-9_]+)"', "\n".join(texts)))


def assigned(text: str) -> set[str]:
    """Names in `NAME=value`, also in comments, because examples should work too."""
    return set(re.findall(r"(?:^|[\s#=(])([A-Z][A-Z0-9_]{3,})=", text, re.MULTILINE))


def used_variables() -> dict[str, set[str]]:
    used = {}
    for name, service in read_yaml("compose.yaml")["services"].items():
        if name.startswith("node-"):
            used[f"compose.yaml, {name}"] = set(service["environment"])
    used["kubernetes/configmap.yaml"] = set(read_yaml("kubernetes/configmap.yaml")["data"])
    used["kubernetes/secret.example.yaml"] = set(read_yaml("kubernetes/secret.example.yaml")["stringData"])
    used["kubernetes/deployment.yaml"] = {variable["name"] for variable in container()["env"]}
    used["Dockerfile"] = set(re.findall(r"^(?:ENV|   ) ([A-Z_]+)=", read("Dockerfile"), re.MULTILINE))
    for path in ("systemd/convene.env", "systemd/convene.service", "cluster/run.sh"):
        used[path] = assigned(read(path)) - NOT_OURS
    return used


def container() -> dict:
    [only] = pod()["containers"]
    return only


def pod() -> dict:
    return read_yaml("kubernetes/deployment.yaml")["spec"]["template"]["spec"]


def default_drain_seconds() -> int:
    code = (ROOT / "src/config/node.rs").read_text(encoding="utf-8")
    [seconds] = re.findall(r'"SHUTDOWN_TIMEOUT_SECONDS", [^,]+, (\d+)\)', code)
    return int(seconds)


def requests_end_seconds() -> int:
    """How long a drained node waits for open HTTP connections, including a balancer's idle ones."""
    code = (ROOT / "src/limits/mod.rs").read_text(encoding="utf-8")
    [seconds] = re.findall(r"REST_SHUTDOWN_SECONDS: u64 = (\d+);", code)
    return int(seconds)


def short_graces() -> list[str]:
    """Places that would kill a node before it has exited."""
    spare = requests_end_seconds() + 5
    faults = []

    def grace(where: str, given: int, needed: int) -> None:
        if given < needed + spare:
            faults.append(f"{where}: allows {given} s, but a drain may take {needed} s and the exit another {spare} s")

    for name, service in read_yaml("compose.yaml")["services"].items():
        if name.startswith("node-"):
            given = int(service["stop_grace_period"].removesuffix("s"))
            grace(f"compose.yaml, {name}", given, int(service["environment"]["SHUTDOWN_TIMEOUT_SECONDS"]))
    [_, before_seconds] = container()["lifecycle"]["preStop"]["exec"]["command"]
    drain_seconds = int(read_yaml("kubernetes/configmap.yaml")["data"]["SHUTDOWN_TIMEOUT_SECONDS"])
    given = pod()["terminationGracePeriodSeconds"]
    grace("kubernetes/deployment.yaml", given, drain_seconds + int(before_seconds))
    [given] = re.findall(r"^TimeoutStopSec=(\d+)$", read("systemd/convene.service"), re.MULTILINE)
    grace("systemd/convene.service", int(given), default_drain_seconds())
    return faults


def private_files() -> list[str]:
    """Deployments with several nodes whose file storage is not shared."""
    composition = read_yaml("compose.yaml")
    nodes = {name: node for name, node in composition["services"].items() if name.startswith("node-")}
    places = {name: shared_place(node, composition["volumes"]) for name, node in nodes.items()}
    faults = [f"compose.yaml, {name}: the file storage is not shared by the nodes" for name in places if not places[name]]
    if len(set(places.values())) > 1:
        faults.append(f"compose.yaml: the nodes keep files in different places: {places}")
    if not read_yaml("kubernetes/configmap.yaml")["data"].get("FILES_S3_BUCKET"):
        faults.append("kubernetes/configmap.yaml: without FILES_S3_BUCKET every pod would keep its own files")
    if "FILES_DIR" not in assigned(read("cluster/run.sh")):
        faults.append("cluster/run.sh: sets no shared FILES_DIR")
    return faults


def shared_place(node: dict, volumes: dict) -> str | None:
    """The bucket or the named volume in which a node of the Compose file keeps files, if there is one."""
    settings = node["environment"]
    if bucket := settings.get("FILES_S3_BUCKET"):
        return f"bucket {bucket}"
    mounted = dict(reversed(volume.split(":")[:2]) for volume in node.get("volumes", []))
    volume = mounted.get(settings.get("FILES_DIR"))
    return f"volume {volume}" if volume in volumes else None


def main() -> None:
    known = known_variables()
    faults = []
    for where, names in used_variables().items():
        faults += [f"{where}: the server reads no variable {name}" for name in sorted(names - known)]
    finish(faults + short_graces() + private_files())


main()
