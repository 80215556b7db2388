"""One device of a user: its keys, its sessions with other devices, and the messages between them.

The cryptography is that of Olm, by vodozemac: an authenticated key exchange (3DH) with a prekey of the other device, and a
double ratchet from then on. This file decides whom to trust, and what is in the ciphertext that the server carries:

    {"sender_key": …, "for": [{"user": …, "device": …, "type": 0 or 1, "body": …}, …]}

with one body for each device. In each body are the names and signing keys of both ends, so that nobody can pass it off as
another one's message.
"""

import base64
import json

from vodozemac import Account, AnyOlmMessage, Curve25519PublicKey, Ed25519PublicKey, Ed25519Signature, Session

PREKEYS = 50


class Untrusted(Exception):
    """Keys or messages that are not what they pretend to be."""


def canonical(value):
    """The one text of a JSON value, for signatures."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


class Device:
    """A device with its keys. Everything here stays on the device, but for what `publish` sends."""

    def __init__(self, user, device_id, account=None, sessions=None, known=None):
        self.user = user
        self.id = device_id
        self.account = account or Account()
        # sessions with other devices, by their curve25519 key
        self.sessions = sessions or {}
        # the ed25519 keys of devices that this one has seen: "user/device" -> key
        self.known = known or {}

    # ---- keys ----

    def fingerprint(self):
        """What people compare to be sure that they talk to each other."""
        return self.account.ed25519_key.to_base64()

    async def publish(self):
        """Publishes the public keys and further prekeys."""
        self.account.generate_one_time_keys(PREKEYS)
        prekeys = [
            {"key_id": key_id, "key": self._signed(key.to_base64())}
            for key_id, key in self.account.one_time_keys.items()
        ]
        body = {"name": self.id, "keys": self._public_keys(), "one_time_prekeys": prekeys}
        await self.user.ask("PUT", f"/api/users/me/devices/{self.id}", body)
        self.account.mark_keys_as_published()

    def _public_keys(self):
        keys = {
            "user_id": self.user.id,
            "device_id": self.id,
            "curve25519": self.account.curve25519_key.to_base64(),
            "ed25519": self.fingerprint(),
        }
        return keys | {"signature": self.account.sign(canonical(keys)).to_base64()}

    def _signed(self, key):
        return f"{key}.{self.account.sign(key.encode()).to_base64()}"

    def _verified(self, user_id, device):
        """The keys of another device, if they are signed by it and are those that this device has seen before."""
        keys = dict(device["keys"])
        signature = keys.pop("signature")
        verify(keys["ed25519"], canonical(keys), signature)
        if (keys["user_id"], keys["device_id"]) != (user_id, device["device_id"]):
            raise Untrusted(f"the keys of {device['device_id']} are another device's")
        name = f"{user_id}/{device['device_id']}"
        if self.known.setdefault(name, keys["ed25519"]) != keys["ed25519"]:
            raise Untrusted(f"{name} has other keys than before: compare fingerprints before you trust it again")
        return keys

    # ---- sending ----

    async def encrypt(self, text, user_ids):
        """The ciphertext of a message for all devices of these users, and the other devices of the own user."""
        bodies = []
        for user_id in {*user_ids, self.user.id}:
            listed = await self.user.ask("GET", f"/api/users/{user_id}/devices")
            devices = [(device, self._verified(user_id, device)) for device in listed["devices"]]
            others = [(device, keys) for device, keys in devices if keys["ed25519"] != self.fingerprint()]
            await self._open_sessions(user_id, others)
            for device, keys in others:
                bodies.append(self._body(text, user_id, device["device_id"], keys))
        return json.dumps({"sender_key": self.account.curve25519_key.to_base64(), "for": bodies})

    async def _open_sessions(self, user_id, devices):
        """Claims a prekey of each device with which there is no session yet."""
        new = {device["device_id"]: keys for device, keys in devices if keys["curve25519"] not in self.sessions}
        if not new:
            return
        claimed = await self.user.ask("POST", f"/api/users/{user_id}/prekeys/claim", {"devices": list(new)})
        for one in claimed["devices"]:
            keys, prekey = new[one["device_id"]], one["one_time_prekey"]
            if prekey is None:
                raise Untrusted(f"{one['device_id']} has no prekey left")
            key, signature = prekey["key"].split(".")
            verify(keys["ed25519"], key.encode(), signature)
            self.sessions[keys["curve25519"]] = self.account.create_outbound_session(
                Curve25519PublicKey.from_base64(keys["curve25519"]), Curve25519PublicKey.from_base64(key)
            )

    def _body(self, text, user_id, device_id, keys):
        inside = {
            "text": text,
            "from": [self.user.id, self.id, self.fingerprint()],
            "to": [user_id, device_id, keys["ed25519"]],
        }
        kind, body = self.sessions[keys["curve25519"]].encrypt(canonical(inside)).to_parts()
        return {"user": user_id, "device": device_id, "type": kind, "body": base64.b64encode(body).decode()}

    # ---- receiving ----

    async def decrypt(self, frame):
        """The text of a received message. Each message can be decrypted once: a client stores what it has decrypted."""
        ciphertext = json.loads(frame["ciphertext"])
        own = [one for one in ciphertext["for"] if (one["user"], one["device"]) == (self.user.id, self.id)]
        if not own:
            raise Untrusted("the message is not encrypted for this device")
        message = AnyOlmMessage.from_parts(own[0]["type"], base64.b64decode(own[0]["body"]))
        inside = json.loads(self._open(ciphertext["sender_key"], message))
        sender_id, device_id, fingerprint = inside["from"]
        if sender_id != frame["user_id"] or inside["to"] != [self.user.id, self.id, self.fingerprint()]:
            raise Untrusted("the message was not written by its sender, or not to this device")
        # the keys of the device that signed them must be those of the session
        listed = await self.user.ask("GET", f"/api/users/{sender_id}/devices")
        for device in listed["devices"]:
            if device["device_id"] == device_id:
                keys = self._verified(sender_id, device)
                if (keys["curve25519"], keys["ed25519"]) == (ciphertext["sender_key"], fingerprint):
                    return inside["text"]
        raise Untrusted(f"{device_id} is no device of the sender")

    def _open(self, sender_key, message):
        session = self.sessions.get(sender_key)
        first = message.to_pre_key()
        if first is not None and (session is None or not session.session_matches(first)):
            key = Curve25519PublicKey.from_base64(sender_key)
            self.sessions[sender_key], plaintext = self.account.create_inbound_session(key, first)
            return plaintext
        if session is None:
            raise Untrusted("the message belongs to no session of this device")
        return session.decrypt(message)

    # ---- keeping ----

    def save(self, secret):
        """The state of the device, encrypted with a secret of 32 bytes, for the next start."""
        sessions = {key: session.pickle(secret) for key, session in self.sessions.items()}
        return json.dumps({"account": self.account.pickle(secret), "sessions": sessions, "known": self.known})

    @classmethod
    def load(cls, user, device_id, saved, secret):
        """The device as it was saved."""
        state = json.loads(saved)
        sessions = {key: Session.from_pickle(pickle, secret) for key, pickle in state["sessions"].items()}
        return cls(user, device_id, Account.from_pickle(state["account"], secret), sessions, state["known"])


def verify(ed25519, message, signature):
    """Raises if the message was not signed with that key."""
    try:
        Ed25519PublicKey.from_base64(ed25519).verify_signature(message, Ed25519Signature.from_base64(signature))
    except ValueError as error:
        raise Untrusted(f"the signature is wrong: {error}") from error
