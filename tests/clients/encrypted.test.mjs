// The example of an end-to-end encrypted conversation: its own checks decide.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Server } from "../browser/server.mjs";
import { runPython } from "./stage.mjs";

let server;

before(async () => { server = await Server.start(); });
after(() => server?.remove());

test("two users with three devices talk, and the server reads nothing", async () => {
  const said = await runPython("../../examples/encrypted/demo.py", server.url);
  assert.match(said, /Done\.$/);
  for (const promise of [
    "Bob's desktop decrypts it", "Alice's phone decrypts it, too", "it continues its sessions", "but none of their texts",
    "a message is not passed off as another user's", "a device whose keys were replaced is not trusted",
  ]) {
    assert.ok(said.includes(`  ${promise}`), `${promise}:\n${said}`);
  }
  assert.ok(!server.log.includes("blue folder"), "nothing of it is logged");
});
