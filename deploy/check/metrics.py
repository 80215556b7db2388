"""Checks that rules, dashboard and autoscaler use metrics that exist in the server, and that the dashboard's expressions parse.

The names are read from the code that registers them, so renaming a metric there makes this check fail.
"""

import json
import re
import subprocess
import tempfile
from pathlib import Path

import yaml
from common import ROOT, finish, read, read_yaml

REGISTERED = re.compile(r'\.register\(\s*"(\w+)",\s*"[^"]*",\s*(?:self\.)?(?:\w+\.)*(\w+)\.clone\(\),?\s*\)')
FIELD = re.compile(r"^\s*(?:pub(?:\([a-z]+\))? )?(\w+): (?:Family<[^,]+, )?(Gauge|Counter|Histogram)\b", re.MULTILINE)
SUFFIXES = {"Gauge": [""], "Counter": ["_total"], "Histogram": ["_bucket", "_sum", "_count"]}
USED_IN = [
    "prometheus/rules.yml",
    "prometheus/rules_test.yml",
    "grafana/convene.json",
    "kubernetes/autoscaling.yaml",
    "kubernetes/prometheus-adapter.yaml",
]
DOCUMENTS = ["../docs/deployment.md", "../docs/operations.md"]


def names_of_the_server() -> tuple[set[str], set[str]]:
    """The names of samples, and the base names of histograms, which documents use although Prometheus has no such sample."""
    samples, histograms = set(), set()
    for path in (ROOT / "src").rglob("*.rs"):
        text = path.read_text(encoding="utf-8")
        kinds: dict[str, set[str]] = {}
        for field, kind in FIELD.findall(text):
            kinds.setdefault(field, set()).add(kind)
        for name, field in REGISTERED.findall(text):
            for kind in kinds.get(field, ()):
                samples.update(f"convene_{name}{suffix}" for suffix in SUFFIXES[kind])
                if kind == "Histogram":
                    histograms.add(f"convene_{name}")
    return samples, histograms


def unknown_names(paths: list[str], known: set[str]) -> list[str]:
    faults = []
    for path in paths:
        for name in sorted(set(re.findall(r"\bconvene_\w+", read(path))) - known):
            faults.append(f"{path}: the server has no metric {name}")
    return faults


def expressions(dashboard: dict) -> list[str]:
    found = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    found += [annotation["expr"] for annotation in dashboard["annotations"]["list"]]
    return [expression.replace("$__rate_interval", "1m") for expression in found]


def unparsable(dashboard: dict) -> list[str]:
    """promtool parses expressions only in rules, so each expression is turned into a recording rule."""
    rules = [{"record": f"panel_{number}", "expr": text} for number, text in enumerate(expressions(dashboard))]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "dashboard.yml"
        path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}), encoding="utf-8")
        checked = subprocess.run(["promtool", "check", "rules", str(path)], capture_output=True, text=True)
    return [] if checked.returncode == 0 else [f"grafana/convene.json: {checked.stderr.strip()}"]


def panels_without_description(dashboard: dict) -> list[str]:
    numbers = [panel["id"] for panel in dashboard["panels"]]
    faults = [] if len(set(numbers)) == len(numbers) else ["grafana/convene.json: two panels have the same id"]
    for panel in dashboard["panels"]:
        if panel["type"] != "row" and not panel.get("description"):
            faults.append(f"grafana/convene.json: the panel \"{panel['title']}\" has no description")
    return faults


def incomplete_alerts() -> list[str]:
    """Every alert has a severity, a summary and an action, and is tested."""
    faults = []
    tests = read("prometheus/rules_test.yml")
    for group in read_yaml("prometheus/rules.yml")["groups"]:
        for rule in group["rules"]:
            name = rule["alert"]
            if rule["labels"].get("severity") not in ("critical", "warning"):
                faults.append(f"prometheus/rules.yml: {name} has no severity")
            if not {"summary", "action"} <= rule["annotations"].keys():
                faults.append(f"prometheus/rules.yml: {name} has no summary or no action")
            if f'"{name}"' not in tests:
                faults.append(f"prometheus/rules_test.yml: nothing makes {name} fire")
    return faults


def main() -> None:
    samples, histograms = names_of_the_server()
    if not {"convene_connections", "convene_connections_total"} <= samples:
        finish(["src/: no metric is found where the server registers them; adapt deploy/check/metrics.py"])
    dashboard = json.loads(read("grafana/convene.json"))
    unknown = unknown_names(USED_IN, samples) + unknown_names(DOCUMENTS, samples | histograms)
    finish(unknown + unparsable(dashboard) + panels_without_description(dashboard) + incomplete_alerts())


main()
