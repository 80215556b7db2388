"""Writes a cell over a WebSocket, because REST can't write sheets: seed.py <base> <token> <room> <sheet>."""

import base64
import json
import os
import socket
import sys
from urllib.parse import urlsplit


def frame(text):
    data, mask = text.encode(), os.urandom(4)
    assert len(data) < 65536
    length = bytes([0x80 | len(data)]) if len(data) < 126 else bytes([0x80 | 126]) + len(data).to_bytes(2, "big")
    return b"\x81" + length + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))


def read_frame(stream):
    _, length = stream.read(2)
    if length == 126:
        length = int.from_bytes(stream.read(2), "big")
    return stream.read(length).decode()


base, token, room, sheet = sys.argv[1:]
there = urlsplit(base)
with socket.create_connection((there.hostname, there.port), timeout=10) as line:
    stream = line.makefile("rb")
    key = base64.b64encode(os.urandom(16)).decode()
    head = ["GET /api/v1/ws HTTP/1.1", f"Host: {there.netloc}", "Upgrade: websocket", "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", f"Authorization: Bearer {token}", "", ""]
    line.sendall("\r\n".join(head).encode())
    answer = stream.readline()
    assert b" 101 " in answer, answer
    while stream.readline() != b"\r\n":
        pass
    line.sendall(frame(json.dumps({"type": "join_room", "room_id": room})))
    line.sendall(frame(json.dumps({"type": "cell_update", "sheet_id": sheet, "cell_id": "B2", "value": 7, "ref": "seed"})))
    while (said := json.loads(read_frame(stream))).get("ref") != "seed":
        pass
    assert said["type"] == "ack", said
