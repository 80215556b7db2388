// The page's model of a conversation: each message once and in order, whatever order the responses arrive in.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

// The page's files are browser modules without a package.json, so Node would not treat them as modules.
const source = await readFile(new URL("../../src/http/page/timeline.js", import.meta.url), "utf8");
const { Timeline } = await import(`data:text/javascript,${encodeURIComponent(source)}`);

const stored = (seq, content, sender = "ada") => ({
  id: `id-${seq}`, seq, content, sender_id: sender, sender_username: sender, created_at: "2026-11-21T12:00:00.000Z",
});
const shown = (timeline) => timeline.entries.map(({ content, state }) => `${content}:${state}`);

function writing(content, afterSeq = 0) {
  const timeline = new Timeline("ada");
  const entry = timeline.queue(content, "ada", 1);
  timeline.sending(entry, afterSeq);
  return { timeline, entry };
}

test("an echo before the acknowledgement, or after it, or only one of them: one message", () => {
  for (const order of [["echo", "ack"], ["ack", "echo"], ["echo"], ["ack"], ["echo", "ack", "echo"]]) {
    const { timeline, entry } = writing("hello");
    for (const step of order) {
      if (step === "echo") timeline.accept(stored(1, "hello"));
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
  for (const entry of entries) timeline.sending(entry, 0);
  timeline.accept(stored(1, "yes"));
  timeline.acknowledge(entries[0].ref, "id-1", 1);
  assert.deepEqual(shown(timeline), ["yes:sent", "yes:sending"]);
  timeline.acknowledge(entries[1].ref, "id-2", 2);
  timeline.accept(stored(2, "yes"));
  assert.deepEqual(shown(timeline), ["yes:sent", "yes:sent"]);
});

test("an older twin, another person's twin and a refused message's twin are not taken for an echo", () => {
  const older = writing("yes", 5).timeline;
  older.accept(stored(4, "yes"));
  assert.deepEqual(shown(older), ["yes:sent", "yes:sending"]);
  const others = writing("yes").timeline;
  others.accept(stored(1, "yes", "grace"));
  assert.deepEqual(shown(others), ["yes:sent", "yes:sending"]);
  const { timeline, entry } = writing("yes");
  timeline.refuse(entry.ref, "No.");
  timeline.accept(stored(1, "yes"));
  assert.deepEqual(shown(timeline), ["yes:sent", "yes:failed"]);
});

test("what a broken socket carried is found in the replay, or fails when the replay is over", () => {
  const found = writing("hello").timeline;
  found.interrupted();
  found.accept(stored(1, "hello"));
  found.settle();
  assert.deepEqual(shown(found), ["hello:sent"]);
  const { timeline: lost, entry } = writing("hello");
  lost.interrupted();
  lost.settle();
  assert.deepEqual(shown(lost), ["hello:failed"]);
  lost.requeue(entry);
  assert.deepEqual(lost.queued(), [entry]);
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
