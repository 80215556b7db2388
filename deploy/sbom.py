#!/usr/bin/env python3
"""Prints the bill of materials of the convene binary as CycloneDX 1.5 JSON: every crate that is compiled into it or runs at its
build, with version, licence, checksum and what it depends on. Read from cargo's resolved graph, so it is that of the build.

    deploy/sbom.py [--target TRIPLE] [cargo's feature options] > convene.cdx.json

The same Cargo.lock and options give the same output. Needs Python 3.11 and cargo, nothing else.
"""

import hashlib
import json
import re
import subprocess
import sys
import tomllib
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = "x86_64-unknown-linux-gnu"


def metadata(target: str, options: list[str]) -> dict:
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", target, *options]
    return json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)


def tree(target: str, kinds: str, options: list[str]) -> set[tuple[str, str]]:
    """Names and versions of the crates that are reached by dependencies of these kinds. Cargo's tree, unlike its metadata, leaves out
    what only the features of tests bring in."""
    command = ["cargo", "tree", "--locked", "--target", target, "-e", kinds, "--prefix", "none", *options]
    text = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    return set(re.findall(r"^(\S+) v([^\s()]+)", text, re.MULTILINE))


def url_of(package: dict) -> str:
    return f"pkg:cargo/{package['name']}@{package['version']}"


def component(package: dict, checksums: dict, is_linked: bool) -> dict:
    described = {
        "type": "library",
        "bom-ref": url_of(package),
        "name": package["name"],
        "version": package["version"],
        "purl": url_of(package),
        "scope": "required" if is_linked else "excluded",
    }
    if licence := package["license"]:
        # Old crates write a slash for "or".
        described["licenses"] = [{"expression": licence.replace("/", " OR ")}]
    if checksum := checksums.get((package["name"], package["version"])):
        described["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    if repository := package["repository"]:
        described["externalReferences"] = [{"type": "vcs", "url": repository}]
    return described


def main() -> None:
    options = sys.argv[1:]
    target = TARGET
    if "--target" in options:
        at = options.index("--target")
        target = options[at + 1]
        del options[at : at + 2]
    graph = metadata(target, options)
    lock = (ROOT / "Cargo.lock").read_bytes()
    locked = tomllib.loads(lock.decode())["package"]
    checksums = {(package["name"], package["version"]): package.get("checksum") for package in locked}
    packages = {package["id"]: package for package in graph["packages"]}
    root = graph["resolve"]["root"]
    in_binary, at_build = tree(target, "normal", options), tree(target, "normal,build", options)
    by_name = {name: (package["name"], package["version"]) for name, package in packages.items()}
    linked = {name for name, known in by_name.items() if known in in_binary}
    used = {name for name, known in by_name.items() if known in at_build}
    parts = [component(packages[name], checksums, name in linked) for name in used if name != root]
    dependencies = []
    for node in graph["resolve"]["nodes"]:
        if node["id"] in used:
            kinds = [(dependency["pkg"], dependency["dep_kinds"]) for dependency in node["deps"]]
            direct = {pkg for pkg, kind in kinds if pkg in used and any(one["kind"] in (None, "build") for one in kind)}
            dependencies.append({"ref": url_of(packages[node["id"]]), "dependsOn": sorted(url_of(packages[pkg]) for pkg in direct)})
    own = component(packages[root], checksums, True) | {"type": "application"}
    del own["scope"]
    identity = hashlib.sha256(lock + target.encode() + " ".join(options).encode()).hexdigest()
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, identity)}",
        "version": 1,
        "metadata": {"component": own, "properties": [{"name": "cargo:target", "value": target}]},
        "components": sorted(parts, key=lambda part: part["bom-ref"]),
        "dependencies": sorted(dependencies, key=lambda part: part["ref"]),
    }
    json.dump(bill, sys.stdout, indent=1, sort_keys=False)
    print()


main()
