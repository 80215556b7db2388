"""Two users with three devices talk to each other, and the server reads nothing. See README.md.

    python demo.py http://127.0.0.1:8000
"""

import asyncio
import json
import os
import sys
import uuid

from device import Device, Untrusted
from server import User, expect


def check(is_so, what):
    if not is_so:
        raise SystemExit(f"FAILED: {what}")
    print(f"  {what}")


async def send(socket, recipient, ciphertext):
    message = {
        "event_type": "chat.message",
        "recipient_id": recipient.id,
        "content_type": "encrypted",
        "ciphertext": ciphertext,
        "client_message_id": str(uuid.uuid4()),
    }
    await socket.send(json.dumps(message))
    await expect(socket, "chat.delivered")


async def main(origin):
    suffix = uuid.uuid4().hex[:8]
    alice = await User.sign_in(origin, f"alice-{suffix}")
    bob = await User.sign_in(origin, f"bob-{suffix}")

    print("Three devices publish their keys.")
    laptop, phone = Device(alice, "laptop"), Device(alice, "phone")
    desktop = Device(bob, "desktop")
    for device in (laptop, phone, desktop):
        await device.publish()
    # users who share a conversation may read each other's keys: the first request for it creates the direct one
    await alice.ask("GET", f"/api/dm/{bob.id}/messages")

    print("Alice writes while Bob is away; the server queues a ciphertext.")
    at_laptop, at_phone = await alice.open_socket(), await alice.open_socket()
    secret = f"the plans are in the blue folder ({suffix})"
    await send(at_laptop, bob, await laptop.encrypt(secret, [bob.id]))
    at_desktop = await bob.open_socket()
    queued = await expect(at_desktop, "chat.message")
    check(secret not in json.dumps(queued), "what the server sends does not contain the text")
    check(await desktop.decrypt(queued) == secret, "Bob's desktop decrypts it")
    carbon = await expect(at_phone, "chat.message")
    check(await phone.decrypt(carbon) == secret, "Alice's phone decrypts it, too")

    print("Bob answers.")
    await send(at_desktop, alice, await desktop.encrypt("understood", [alice.id]))
    for name, device, socket in (("laptop", laptop, at_laptop), ("phone", phone, at_phone)):
        answer = await expect(socket, "chat.message")
        check(await device.decrypt(answer) == "understood", f"Alice's {name} decrypts it")

    print("The phone restarts.")
    key = os.urandom(32)
    phone = Device.load(alice, "phone", phone.save(key), key)
    await send(at_desktop, alice, await desktop.encrypt("one more thing", [alice.id]))
    again = await expect(at_phone, "chat.message")
    check(await phone.decrypt(again) == "one more thing", "it continues its sessions")

    print("What the server keeps.")
    history = json.dumps(await alice.ask("GET", f"/api/dm/{bob.id}/messages"))
    check(history.count('"encrypted"') == 3, "the history has all messages")
    check(secret not in history and "understood" not in history, "but none of their texts")

    print("What a dishonest server can't do.")
    await send(at_desktop, alice, await desktop.encrypt("from Bob", [alice.id]))
    genuine = await expect(at_phone, "chat.message")
    try:
        await phone.decrypt({**genuine, "user_id": alice.id})
        check(False, "a message is not passed off as another user's")
    except Untrusted as error:
        check("not written by its sender" in str(error), "a message is not passed off as another user's")
    imposter = Device(bob, "desktop")
    await imposter.publish()
    try:
        await laptop.encrypt("for the imposter", [bob.id])
        check(False, "a device whose keys were replaced is not trusted")
    except Untrusted as error:
        check("other keys than before" in str(error), "a device whose keys were replaced is not trusted")
    for socket in (at_laptop, at_phone, at_desktop):
        await socket.close()
    print("Done.")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"))
