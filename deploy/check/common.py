"""Shared by the checks: locates and reads the files, and reports faults."""

import sys
from pathlib import Path

import yaml

DEPLOY = Path(__file__).resolve().parent.parent
ROOT = DEPLOY.parent


def read(path: str) -> str:
    return (DEPLOY / path).read_text(encoding="utf-8")


def read_yaml(path: str):
    return yaml.safe_load(read(path))


def finish(faults: list[str]) -> None:
    """Ends the check: prints one fault per line, and exits with 1 if there was one."""
    for fault in faults:
        print(fault, file=sys.stderr)
    sys.exit(1 if faults else 0)
