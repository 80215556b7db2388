"""docs/deployment.md leads to files that exist, and tells of every alert and of no other."""

import re

from common import ROOT, finish, read_yaml


def main() -> None:
    faults = []
    text = (ROOT / "docs/deployment.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        if not (ROOT / "docs" / target).exists():
            faults.append(f"docs/deployment.md: the link to {target} leads nowhere")
    for path in re.findall(r"(?<![/\w])deploy/[\w./-]*\w", text):
        # deploy/.env is the reader's own
        if not (ROOT / path).exists() and path != "deploy/.env":
            faults.append(f"docs/deployment.md: there is no {path}")
    told = set(re.findall(r"`(Convene[A-Z]\w+)`", text))
    rules = {rule["alert"] for group in read_yaml("prometheus/rules.yml")["groups"] for rule in group["rules"]}
    faults += [f"docs/deployment.md: the alert {name} is not told" for name in sorted(rules - told)]
    faults += [f"docs/deployment.md: there is no alert {name}" for name in sorted(told - rules)]
    finish(faults)


main()
