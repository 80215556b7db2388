"""pycrdt as a program: URL TOKEN DOCUMENT EXPECTED ADDED. Waits for the expected text, appends to it, and prints the result."""

import asyncio
import sys
import urllib.parse

import websockets
from pycrdt import Doc, Text, YMessageType, create_sync_message, create_update_message, handle_sync_message

url, token, document, expected, added = sys.argv[1:6]


async def edit():
    doc = Doc()
    doc["content"] = text = Text()
    address = f"{url.replace('http', 'ws', 1)}/yjs/{document}?token={urllib.parse.quote(token)}"
    async with websockets.connect(address) as socket:
        await socket.send(create_sync_message(doc))

        async def receive():
            message = await asyncio.wait_for(socket.recv(), 20)
            if message[0] == YMessageType.SYNC:
                reply = handle_sync_message(message[1:], doc)
                if reply is not None:
                    await socket.send(reply)

        while str(text) != expected:
            await receive()
        updates = []
        subscription = doc.observe(lambda event: updates.append(event.update))
        text += added
        doc.unobserve(subscription)
        for update in updates:
            await socket.send(create_update_message(update))
        # an answer comes after everything that was sent before
        await socket.send(create_sync_message(doc))
        await receive()
        print(str(text))


asyncio.run(edit())
