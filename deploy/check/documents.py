"""Checks that the links of docs/deployment.md lead to existing files, and that it lists exactly the alerts that exist."""

import re

from common import ROOT, finish, read_yaml


def main() -> None:
    faults = []
    text = (ROOT / "docs/deployment.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        if not (ROOT / "docs" / target).exists():
            faults.append(f"docs/deployment.md: the link to {target} is broken")
    for path in re.findall(r"(?<![/\w])deploy/[\w./-]*\w", text):
        # Users create deploy/.env themselves, and setup.sh makes the secrets.
        if not (ROOT / path).exists() and path != "deploy/.env" and not path.startswith("deploy/secrets"):
            faults.append(f"docs/deployment.md: there is no {path}")
    documented = set(re.findall(r"`(Convene[A-Z]\w+)`", text))
    rules = {rule["alert"] for group in read_yaml("prometheus/rules.yml")["groups"] for rule in group["rules"]}
    faults += [f"docs/deployment.md: the alert {name} is not documented" for name in sorted(rules - documented)]
    faults += [f"docs/deployment.md: there is no alert {name}" for name in sorted(documented - rules)]
    finish(faults)


main()
