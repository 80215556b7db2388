"""What a client needs of Convene: REST requests, and one socket in the nexus dialect. It knows nothing of keys."""

import asyncio
import json
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass

import websockets

PASSWORD = "correct horse battery staple"


@dataclass
class User:
    """A user who is signed in."""

    origin: str
    id: str
    name: str
    token: str

    @classmethod
    async def sign_in(cls, origin, name):
        """Registers the user if necessary, and signs in."""
        account = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
        try:
            await request(origin, "POST", "/api/auth/register", account)
        except urllib.error.HTTPError as error:
            if error.code != 409:  # there is such a user already
                raise
        session = await request(origin, "POST", "/api/auth/login", {"username": name, "password": PASSWORD})
        return cls(origin, session["user"]["id"], name, session["access_token"])

    async def ask(self, method, path, body=None):
        """Sends a request as this user and returns the JSON of the response."""
        return await request(self.origin, method, path, body, self.token)

    async def open_socket(self):
        """Opens a socket in the nexus dialect and skips its greeting."""
        address = self.origin.replace("http", "ws", 1) + f"/ws?user_id={urllib.parse.quote(self.id)}"
        socket = await websockets.connect(address, additional_headers={"Authorization": f"Bearer {self.token}"})
        await expect(socket, "system.message")
        return socket


async def request(origin, method, path, body=None, token=None):
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    sent = urllib.request.Request(origin + path, data=data, headers=headers, method=method)

    def perform():
        with urllib.request.urlopen(sent, timeout=30) as response:
            return json.loads(response.read() or b"null")

    return await asyncio.to_thread(perform)


async def expect(socket, kind):
    """The next frame of that kind; other frames are skipped."""
    while True:
        frame = json.loads(await asyncio.wait_for(socket.recv(), timeout=30))
        if frame["event_type"] == kind:
            return frame
        if frame["event_type"] == "error":
            raise RuntimeError(frame["error"])
