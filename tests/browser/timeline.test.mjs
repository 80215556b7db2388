// The page's model of a conversation: each message once and in order, whatever order the responses arrive in.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

// The page's files are browser modules without a package.json, so Node would not treat them as modules.
const source = await readFile(new URL("../../src/http/page/timeline.js", import.meta.url), "utf8");
const { Timeline } = await import(`data:text/javascript,${encodeURIComponent(source)}`);

const stored = (seq, content, sender = "ada", clientMessageId = undefined) => ({
  id: `id-${seq}`, seq, content, sender_id: sender, sender_username: sender, created_at: "2026-11-21T12:00:00.000Z",
  client_message_id: clientMessageId,
});
/** The echo of one of our own messages. */
const echo = (seq, entry) => stored(seq, entry.content, "ada", entry.clientMessageId);
const shown = (timeline) => timeline.entries.map(({ content, state }) => `${content}:${state}`);

function writing(content) {
  const timeline = new Timeline("ada");
  const entry = timeline.queue(content, "ada", 1);
  timeline.sending(entry);
  return { timeline, entry };
}

test("an echo before the acknowledgement, or after it, or only one of them: one message", () => {
  for (const order of [["echo", "ack"], ["ack", "echo"], ["echo"], ["ack"], ["echo", "ack", "echo"]]) {
    const { timeline, entry } = writing("hello");
    for (const step of order) {
      if (step === "echo") timeline.accept(echo(1, entry));
      else timeline.acknowledge(entry.ref, "id-1", 1);
    }
    assert.deepEqual(shown(timeline), ["hello:sent"], order.join());
  }
});

test("messages are ordered by seq, and unsent ones come last", () => {
  const { timeline } = writing("mine");
  for (const seq of [3, 1, 2, 3]) timeline.accept(stored(seq, `n${seq}`, "grace"));
  assert.deepEqual(shown(timeline), ["n1:sent", "n2:sent", "n3:sent", "mine:sending"]);
});

test("the same words said twice are two messages", () => {
  const timeline = new Timeline("ada");
  const entries = [timeline.queue("yes", "ada", 1), timeline.queue("yes", "ada", 2)];
  assert.notEqual(entries[0].clientMessageId, entries[1].clientMessageId);
  for (const entry of entries) timeline.sending(entry);
  timeline.accept(echo(1, entries[1]));
  timeline.acknowledge(entries[1].ref, "id-1", 1);
  assert.deepEqual(timeline.entries.map(({ key, state }) => [key, state]), [[entries[1].key, "sent"], [entries[0].key, "sending"]]);
  timeline.acknowledge(entries[0].ref, "id-2", 2);
  timeline.accept(echo(2, entries[0]));
  assert.deepEqual(shown(timeline), ["yes:sent", "yes:sent"]);
});

test("the same words of another tab, of another person and of the history are not taken for an echo", () => {
  for (const twin of [stored(1, "yes", "ada", "of another tab"), stored(1, "yes", "grace"), stored(1, "yes")]) {
    const { timeline } = writing("yes");
    timeline.accept(twin);
    assert.deepEqual(shown(timeline), ["yes:sent", "yes:sending"]);
  }
});

test("what a broken socket carried is found in the replay, or sent again under the same id", () => {
  const found = writing("hello");
  found.timeline.interrupted();
  found.timeline.accept(echo(1, found.entry));
  found.timeline.settle(2);
  assert.deepEqual(shown(found.timeline), ["hello:sent"]);
  const lost = writing("hello");
  const id = lost.entry.clientMessageId;
  lost.timeline.interrupted();
  lost.timeline.settle(2);
  assert.deepEqual(lost.timeline.queued(), [lost.entry]);
  assert.equal(lost.entry.clientMessageId, id);
  const old = writing("hello");
  old.timeline.interrupted();
  old.timeline.settle(24 * 60 * 60 * 1000);
  assert.deepEqual(shown(old.timeline), ["hello:failed"], "the server has forgotten the id");
});

test("a message that the history showed first is there once, whatever confirms it", () => {
  for (const step of ["echo", "ack"]) {
    const { timeline, entry } = writing("hello");
    timeline.interrupted();
    timeline.accept(stored(1, "hello"));
    if (step === "echo") timeline.accept(echo(1, entry));
    else timeline.acknowledge(entry.ref, "id-1", 1);
    assert.deepEqual(shown(timeline), ["hello:sent"], step);
  }
});

test("a new sequence forgets what was said, not what is still to be said", () => {
  const timeline = new Timeline("ada");
  timeline.accept(stored(7, "old", "grace"));
  timeline.queue("waiting", "ada", 1);
  timeline.reset();
  timeline.accept(stored(1, "new", "grace"));
  assert.deepEqual(shown(timeline), ["new:sent", "waiting:queued"]);
});

test("trimming drops the oldest only, and they can be read again", () => {
  const timeline = new Timeline("ada");
  for (let seq = 1; seq <= 5; seq += 1) timeline.accept(stored(seq, `n${seq}`, "grace"));
  assert.equal(timeline.trim(5), false);
  assert.equal(timeline.trim(3), true);
  assert.equal(timeline.oldest().seq, 3);
  timeline.accept(stored(2, "n2", "grace"));
  assert.deepEqual(shown(timeline), ["n2:sent", "n3:sent", "n4:sent", "n5:sent"]);
});
