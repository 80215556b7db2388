"""Runs the shipped HAProxy and nginx configurations in front of a backend that reports what it receives, and checks what a client
gets: TLS only, Strict-Transport-Security, no X-Forwarded-For of its own choice, no metrics, and bodies that are buffered except
those of uploads. All on loopback, with a certificate that deploy/setup.sh makes."""

import contextlib
import json
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from http.client import HTTPConnection, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from common import DEPLOY, finish, read

FORGED = "203.0.113.9"
# Long enough for any start, short enough that a broken check ends.
PATIENCE_S = 20


class Server(ThreadingHTTPServer):
    """Does not report health checks that end early."""

    def handle_error(self, *_details) -> None:
        pass


class Backend(BaseHTTPRequestHandler):
    """Answers with the headers of the request."""

    protocol_version = "HTTP/1.1"
    heads: list[str] = []

    def do_GET(self) -> None:
        Backend.heads.append(self.path)
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = json.dumps({name.lower(): self.headers.get_all(name) for name in self.headers}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_PATCH = do_GET

    def log_message(self, *_words) -> None:
        pass


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def await_port(port: int, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise RuntimeError("does not listen")


def haproxy(folder: Path, backend: int, plain: int, encrypted: int) -> list[str]:
    text = read("haproxy/haproxy.cfg")
    text = re.sub(r"bind :8080", f"bind 127.0.0.1:{plain}", text)
    text = re.sub(r"bind :8443 ssl crt \S+", f"bind 127.0.0.1:{encrypted} ssl crt {folder}/convene.pem", text)
    text = re.sub(r"bind 127.0.0.1:8081", f"bind 127.0.0.1:{free_port()}", text)
    text = re.sub(r"(server node-\d\S*) node-\d:8000", rf"\1 127.0.0.1:{backend}", text)
    (folder / "haproxy.cfg").write_text(text, encoding="utf-8")
    return ["haproxy", "-db", "-f", str(folder / "haproxy.cfg")]


def nginx(folder: Path, backend: int, plain: int, encrypted: int) -> list[str]:
    text = read("nginx/convene.conf")
    # One address for each, because this machine may have no IPv6.
    text = re.sub(r"^ *listen \[::\].*\n", "", text, flags=re.MULTILINE)
    text = text.replace("listen 80;", f"listen 127.0.0.1:{plain};").replace("listen 443", f"listen 127.0.0.1:{encrypted}")
    text = re.sub(r"server node-\d:8000", f"server 127.0.0.1:{backend}", text, count=1)
    text = re.sub(r"^ *server node-\d:8000.*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"/etc/nginx/tls/convene\.(pem|key)", f"{folder}/convene.pem", text).replace("/var/log/nginx", str(folder))
    (folder / "convene.conf").write_text(text, encoding="utf-8")
    paths = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "nginx.conf").write_text(
        f"pid {folder}/pid; error_log {folder}/errors; daemon off; events {{}} http {{ {paths} include {folder}/convene.conf; }}",
        encoding="utf-8",
    )
    return ["nginx", "-p", str(folder), "-e", f"{folder}/errors", "-c", str(folder / "nginx.conf")]


def over_tls(port: int, folder: Path) -> HTTPSConnection:
    trusted = ssl.create_default_context(cafile=str(folder / "convene.pem"))
    return HTTPSConnection("localhost", port, timeout=PATIENCE_S, context=trusted)


def reached_before_its_body(port: int, folder: Path, path: str) -> bool:
    """Whether the backend got the head of a request whose body is still on its way."""
    Backend.heads.clear()
    connection = over_tls(port, folder)
    connection.putrequest("POST", path)
    connection.putheader("Content-Length", "10")
    connection.endheaders()
    connection.send(b"12345")
    deadline = time.monotonic() + 1
    while path not in Backend.heads and time.monotonic() < deadline:
        time.sleep(0.05)
    reached = path in Backend.heads
    connection.send(b"67890")
    if connection.getresponse().status != 200:
        raise RuntimeError(f"POST {path} fails")
    connection.close()
    return reached


def faults_of(name: str, folder: Path, plain: int, encrypted: int) -> list[str]:
    faults = []

    def expect(what: str, one, other) -> None:
        if one != other:
            faults.append(f"{name}: {what}: {one!r} instead of {other!r}")

    connection = HTTPConnection("127.0.0.1", plain, timeout=PATIENCE_S)
    connection.request("GET", "/api/auth/me", headers={"Host": "convene.example.org"})
    answer = connection.getresponse()
    location = answer.getheader("Location")
    expect("plain text", (answer.status, location), (308, "https://convene.example.org/api/auth/me"))

    # The certificate is verified, host name included.
    connection = over_tls(encrypted, folder)
    connection.request("GET", "/x", headers={"X-Forwarded-For": FORGED, "Forwarded": f"for={FORGED}"})
    answer = connection.getresponse()
    headers = json.loads(answer.read())
    expect("Strict-Transport-Security", answer.getheader("Strict-Transport-Security"), "max-age=31536000")
    expect("X-Forwarded-For", headers.get("x-forwarded-for"), ["127.0.0.1"])
    expect("Forwarded", headers.get("forwarded"), None)
    for path in ("/metrics", "/%6detrics"):
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        expect(path, answer.status, 404)
        expect(f"Strict-Transport-Security of {path}", answer.getheader("Strict-Transport-Security"), "max-age=31536000")
    expect("a body is buffered", reached_before_its_body(encrypted, folder, "/api/auth/login"), False)
    expect("an upload is passed on as it arrives", reached_before_its_body(encrypted, folder, "/api/v1/files"), True)
    return faults


def check(name: str, command_of) -> list[str]:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        subprocess.run(["bash", str(DEPLOY / "setup.sh"), "--folder", temporary], check=True, stdout=sys.stderr)
        folder.chmod(0o755)
        backend = Server(("127.0.0.1", 0), Backend)
        threading.Thread(target=backend.serve_forever, daemon=True).start()
        plain, encrypted = free_port(), free_port()
        with (folder / "output").open("w", encoding="utf-8") as output:
            process = subprocess.Popen(
                command_of(folder, backend.server_port, plain, encrypted), stdout=output, stderr=output
            )
            try:
                await_port(encrypted, process)
                return faults_of(name, folder, plain, encrypted)
            except Exception as fault:
                said = "".join(path.read_text(encoding="utf-8") for path in (folder / "output", folder / "errors") if path.exists())
                return [f"{name}: {fault!r}; it said: {said}"]
            finally:
                process.terminate()
                process.wait(timeout=PATIENCE_S)
                backend.shutdown()


finish(check("haproxy/haproxy.cfg", haproxy) + check("nginx/convene.conf", nginx))
