"""Checks compose.yaml against the Compose specification, and what it exposes: secrets are files, only TLS is published, the
internal port is not, one proxy is trusted, and every image can be named by its digest."""

import json
import re

import yaml
from common import finish, read
from compose_spec import PyCompose

VARIABLE = re.compile(r"(?<!\$)\$\{(?P<name>\w+)(?::-(?P<default>[^}]*)|:\?(?P<demand>[^}]*))?\}")
SECRET = re.compile(r"(PASSWORD|SECRET|SECRET_KEY|API_KEY|ACCESS_KEY|(DATABASE|REDIS)_URL)$")
LOOPBACK = ("127.0.0.1:", "[::1]:")


def internal_port(environment: dict) -> str:
    return environment.get("INTERNAL_ADDRESS", ":").rpartition(":")[2]


def encrypted_ports() -> set[str]:
    """The ports at which HAProxy accepts TLS only."""
    return set(re.findall(r"^ *bind \S*:(\d+) ssl ", read("haproxy/haproxy.cfg"), re.MULTILINE))


def exposed(services: dict) -> list[str]:
    """What is published, by any service."""
    faults = []
    encrypted = encrypted_ports()
    internal = {internal_port(service.get("environment", {})) for service in services.values()}
    for name, service in services.items():
        for published in service.get("ports", ()):
            target = published.rpartition(":")[2]
            if not published.startswith(LOOPBACK) and (name != "balancer" or target not in encrypted):
                faults.append(f"compose.yaml, {name}: publishes {published} in plain text on all interfaces")
            if target in internal:
                faults.append(f"compose.yaml, {name}: publishes the internal port {target}")
        if service.get("network_mode") == "host":
            faults.append(f"compose.yaml, {name}: is on the host's network, so all its ports are published")
    return faults


def nodes_and_their_proxy(services: dict) -> list[str]:
    faults = []
    balancer = services["balancer"]["networks"]["inside"]["ipv4_address"]
    for name, service in services.items():
        if not name.startswith("node-"):
            continue
        environment = service["environment"]
        if environment["TRUSTED_PROXIES"] != balancer:
            faults.append(f"compose.yaml, {name}: trusts {environment['TRUSTED_PROXIES']} instead of the balancer {balancer} alone")
        if not internal_port(environment):
            faults.append(f"compose.yaml, {name}: has no INTERNAL_ADDRESS, so metrics are public")
    return faults


def secrets(composition: dict) -> list[str]:
    """No secret is a variable; every file that is named is a declared secret that deploy/setup.sh makes."""
    faults = []
    setup = read("setup.sh")
    for name, declared in composition["secrets"].items():
        file = declared["file"].removeprefix("./secrets/")
        if not re.search(rf"\b{re.escape(file)}\b", setup):
            faults.append(f"compose.yaml: setup.sh does not make the secret {name}")
    for name, service in composition["services"].items():
        for variable, value in service.get("environment", {}).items():
            if SECRET.search(variable):
                faults.append(f"compose.yaml, {name}: {variable} is a secret in the environment; use {variable}_FILE")
            if variable.endswith("_FILE") and str(value).removeprefix("/run/secrets/") not in service.get("secrets", ()):
                faults.append(f"compose.yaml, {name}: {variable} names {value}, which is none of its secrets")
    return faults


def main() -> None:
    text = read("compose.yaml")
    faults = []
    for found in VARIABLE.finditer(text):
        if SECRET.search(found["name"]):
            faults.append(f"compose.yaml: {found['name']} is a secret; read it from a file")
    filled_in = VARIABLE.sub(lambda found: found["default"] if found["default"] is not None else "value", text)
    composition = yaml.safe_load(filled_in)
    as_written = yaml.safe_load(text)["services"]
    for name, service in as_written.items():
        if not str(service["image"]).startswith("${"):
            faults.append(f"compose.yaml, {name}: the image can't be pinned; name it by a variable with a default")
    templates = [name for name in composition if name.startswith("x-")]
    for name in templates:
        del composition[name]
    try:
        PyCompose.from_json(json.dumps(composition))
    except Exception as fault:  # the package raises several kinds
        faults.append(f"compose.yaml: {fault}")
    services = composition["services"]
    finish(faults + exposed(services) + nodes_and_their_proxy(services) + secrets(composition))


main()
