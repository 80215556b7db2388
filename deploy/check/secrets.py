"""Runs setup.sh and checks what it makes: secrets that are random, kept at a second run and closed to other users of the host, and a
certificate for the host name."""

import subprocess
import tempfile
from pathlib import Path

from common import DEPLOY, finish, read_yaml


def run(folder: Path) -> None:
    command = ["bash", str(DEPLOY / "setup.sh"), "--host", "chat.example.org", "--folder", str(folder)]
    subprocess.run(command, check=True)


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


def main() -> None:
    faults = []
    with tempfile.TemporaryDirectory() as temporary:
        folder, other = Path(temporary) / "secrets", Path(temporary) / "other"
        run(folder)
        made = contents(folder)
        wanted = {secret["file"].removeprefix("./secrets/") for secret in read_yaml("compose.yaml")["secrets"].values()}
        if set(made) != wanted:
            faults.append(f"setup.sh: makes {sorted(made)}, but compose.yaml needs {sorted(wanted)}")
        if folder.stat().st_mode & 0o777 != 0o700:
            faults.append("setup.sh: other users may look into the folder")
        for name in ("jwt_secret_key", "postgres_password", "redis_password"):
            if len(made[name].strip()) != 64:
                faults.append(f"setup.sh: {name} is not 32 random bytes")
        for url, password in (("database_url", "postgres_password"), ("redis_url", "redis_password")):
            if f":{made[password].strip()}@" not in made[url]:
                faults.append(f"setup.sh: {url} does not contain {password}")
        run(folder)
        if contents(folder) != made:
            faults.append("setup.sh: a second run changes secrets")
        run(other)
        if any(contents(other)[name] == made[name] for name in made):
            faults.append("setup.sh: two runs make the same secret")
        shown = subprocess.run(
            ["openssl", "x509", "-in", str(folder / "convene.pem"), "-noout", "-checkhost", "chat.example.org"],
            capture_output=True, text=True, check=True,
        )
        if "does match certificate" not in shown.stdout:
            faults.append(f"setup.sh: the certificate is for another host: {shown.stdout}")
    finish(faults)


main()
