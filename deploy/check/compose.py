"""Checks compose.yaml against the Compose specification, and that no secret has a default."""

import json
import re

import yaml
from common import finish, read
from compose_spec import PyCompose

VARIABLE = re.compile(r"(?<!\$)\$\{(?P<name>\w+)(?::-(?P<default>[^}]*)|:\?(?P<demand>[^}]*))?\}")


def main() -> None:
    text = read("compose.yaml")
    faults = []
    for found in VARIABLE.finditer(text):
        if re.search("PASSWORD|SECRET|KEY", found["name"]) and found["demand"] is None:
            faults.append(f"compose.yaml: {found['name']} is a secret and must be required: ${{{found['name']}:?…}}")
    filled_in = VARIABLE.sub(lambda found: found["default"] if found["default"] is not None else "value", text)
    composition = yaml.safe_load(filled_in)
    templates = [name for name in composition if name.startswith("x-")]
    for name in templates:
        del composition[name]
    try:
        PyCompose.from_json(json.dumps(composition))
    except Exception as fault:  # the package raises several kinds
        faults.append(f"compose.yaml: {fault}")
    finish(faults)


main()
