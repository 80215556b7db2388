"""Checks the bill of materials that deploy/sbom.py writes: it is valid CycloneDX, it names the crates of cargo's tree, each with a
licence and the checksum of Cargo.lock, its references exist, and a second run writes the same."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

ROOT = Path(__file__).resolve().parents[2]


def output(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def crates(*options: str) -> set[str]:
    """The crates of cargo's own tree."""
    tree = output("cargo", "tree", "--locked", "--target", "x86_64-unknown-linux-gnu", "--prefix", "none", *options)
    found = re.findall(r"^(\S+) v(\S+)", tree, re.MULTILINE)
    return {f"pkg:cargo/{name}@{version}" for name, version in found} - {own(tree)}


def own(tree: str) -> str:
    name, version = re.search(r"^(\S+) v(\S+)", tree).groups()
    return f"pkg:cargo/{name}@{version}"


def main() -> None:
    text = output(sys.executable, "deploy/sbom.py")
    faults = []
    if fault := JsonStrictValidator(SchemaVersion.V1_5).validate_str(text):
        faults.append(f"not valid CycloneDX 1.5: {fault}")
    bill = json.loads(text)
    linked = {part["bom-ref"] for part in bill["components"] if part["scope"] == "required"}
    expected = crates("-e", "normal")
    faults += [f"{name} is missing" for name in sorted(expected - linked)]
    faults += [f"{name} is not in the binary" for name in sorted(linked - expected)]
    listed = {part["bom-ref"] for part in bill["components"]}
    faults += [f"{name} is missing" for name in sorted(crates("-e", "normal,build") - listed)]
    for part in bill["components"]:
        faults += [f"{part['bom-ref']} has no {field}" for field in ("licenses", "hashes") if not part.get(field)]
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text(encoding="utf-8"))["package"]
    checksums = {f"pkg:cargo/{package['name']}@{package['version']}": package.get("checksum") for package in lock}
    for part in bill["components"]:
        faults += [f"{part['bom-ref']} has another checksum" for hash in part["hashes"] if hash["content"] != checksums[part["bom-ref"]]]
    for direct in ("actix-web", "diesel", "rustls", "tokio", "libsqlite3-sys"):
        faults += [f"the direct dependency {direct} is missing"] if not any(f"/{direct}@" in name for name in linked) else []
    faults += [f"{name} is of tests only" for name in linked for test in ("proptest", "tempfile") if f"/{test}@" in name]
    references = listed | {bill["metadata"]["component"]["bom-ref"]}
    for entry in bill["dependencies"]:
        faults += [f"{entry['ref']} depends on {name}, which is not listed" for name in entry["dependsOn"] if name not in references]
    if output(sys.executable, "deploy/sbom.py") != text:
        faults.append("a second run gives another bill")
    for fault in faults:
        print(fault, file=sys.stderr)
    print(f"{len(linked)} crates in the binary, {len(listed) - len(linked)} more at its build")
    sys.exit(1 if faults else 0)


main()
