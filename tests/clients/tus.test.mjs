// The real tus clients, tus-js-client and tuspy, over a connection that breaks and with a server that dies.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tus from "tus-js-client";

import { Server } from "../browser/server.mjs";
import { breakingLine, content, pattern, runPython, signIn, startS3 } from "./stage.mjs";

const BYTES = pattern(20_000_000);
const BUCKET = "files";
let server, bucketServer, s3, folder;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "convene-clients-"));
  s3 = await startS3(BUCKET);
  server = await Server.start();
  bucketServer = await Server.start({
    FILES_S3_BUCKET: BUCKET, FILES_S3_ENDPOINT: s3.url, FILES_S3_ACCESS_KEY_ID: "id", FILES_S3_SECRET_ACCESS_KEY: "secret",
  });
});

after(async () => {
  await server?.remove();
  await bucketServer?.remove();
  await s3?.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Uploads a file completely. Returns the URL and the errors on the way. */
function upload(url, token, bytes, options = {}) {
  return new Promise((resolve, reject) => {
    const run = new tus.Upload(bytes, {
      endpoint: `${url}/api/v1/files`,
      headers: { Authorization: `Bearer ${token}` },
      metadata: { filename: "from node.bin", filetype: "application/octet-stream" },
      retryDelays: [0, 200, 500, 1000, 2000, 4000],
      onSuccess: () => resolve(run),
      onError: reject,
      ...options,
    });
    run.start();
  });
}

test("tus-js-client uploads a file at once and in chunks", async () => {
  const token = await signIn(server.url, "ann");
  for (const options of [{}, { chunkSize: 3_000_000 }, { uploadDataDuringCreation: true }]) {
    const run = await upload(server.url, token, BYTES, options);
    const { status, bytes } = await content(server.url, run.url, token);
    assert.equal(status, 200);
    assert.ok(bytes.equals(BYTES), JSON.stringify(options));
  }
});

/** Waits until the server has stored bytes of the upload, so that there is something to continue from. */
async function storedBytes(location, token) {
  const url = server.url + new URL(location, `${server.url}/api/v1/files`).pathname;
  const deadline = Date.now() + 20_000;
  for (;;) {
    const answer = await fetch(url, { method: "HEAD", headers: { Authorization: `Bearer ${token}`, "Tus-Resumable": "1.0.0" } });
    const stored = Number(answer.headers.get("Upload-Offset"));
    if (stored > 1_000_000) return;
    assert.ok(Date.now() < deadline, `the server has stored ${stored} bytes only (status ${answer.status})`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Uploads through a connection that breaks. Returns the upload, the offset at which it continued, and the proxy. */
async function uploadThroughBreak(token, afterStoring = async () => {}) {
  const line = await breakingLine(server.url, 7_000_000);
  let location;
  let continuedAt = 0;
  line.onBreak = async () => {
    await storedBytes(location, token);
    await afterStoring();
  };
  const run = await upload(line.url, token, BYTES, {
    onAfterResponse: (request, response) => {
      if (request.getMethod() === "POST") location = response.getHeader("Location");
      if (request.getMethod() === "HEAD") continuedAt = Number(response.getHeader("Upload-Offset"));
    },
  });
  line.close();
  assert.equal(line.breaks, 1);
  return { run, continuedAt };
}

test("tus-js-client continues after its connection was cut", async () => {
  const token = await signIn(server.url, "bea");
  const { run, continuedAt } = await uploadThroughBreak(token);
  assert.ok(continuedAt > 1_000_000, `what had arrived was kept, and it went on at ${continuedAt}`);
  assert.ok((await content(server.url, run.url, token)).bytes.equals(BYTES));
});

test("tus-js-client continues after the server was killed and restarted", async () => {
  const token = await signIn(server.url, "cleo");
  const { run, continuedAt } = await uploadThroughBreak(token, async () => {
    await server.kill();
    await server.restart();
  });
  assert.ok(continuedAt > 1_000_000, `what a checkpoint had kept outlived the crash, and it went on at ${continuedAt}`);
  assert.ok((await content(server.url, run.url, token)).bytes.equals(BYTES));
});

test("tus-js-client deletes an upload", async () => {
  const token = await signIn(server.url, "dora");
  const run = await upload(server.url, token, BYTES.subarray(0, 1000));
  await tus.Upload.terminate(run.url, { headers: { Authorization: `Bearer ${token}` }, retryDelays: [] });
  assert.equal((await content(server.url, run.url, token)).status, 404);
});

test("tuspy uploads with checksums, and continues after the server was killed", async () => {
  const token = await signIn(server.url, "emma");
  const file = join(folder, "from-python.bin");
  const bytes = BYTES.subarray(0, 2_000_000);
  await writeFile(file, bytes);
  const location = await runPython("tuspy_client.py", "begin", file, `${server.url}/api/v1/files`, token, "3");
  await server.kill();
  await server.restart();
  await runPython("tuspy_client.py", "resume", file, location, token);
  assert.ok((await content(server.url, location, token)).bytes.equals(bytes));
});

test("files in a bucket arrive, go on, are read in ranges and deleted", async () => {
  const token = await signIn(bucketServer.url, "fay");
  const whole = await upload(bucketServer.url, token, BYTES);
  assert.ok((await content(bucketServer.url, whole.url, token)).bytes.equals(BYTES));

  const line = await breakingLine(bucketServer.url, 9_000_000);
  const cut = await upload(line.url, token, BYTES, { retryDelays: [0, 500, 2000, 4000, 4000] });
  line.close();
  assert.equal(line.breaks, 1);
  const location = new URL(cut.url).pathname;
  assert.ok((await content(bucketServer.url, location, token)).bytes.equals(BYTES));
  for (const [from, to] of [[0, 10], [8_388_600, 8_388_620], [19_999_990, 20_000_000]]) {
    const range = await content(bucketServer.url, location, token, `bytes=${from}-${to - 1}`);
    assert.equal(range.status, 206);
    assert.ok(range.bytes.equals(BYTES.subarray(from, to)), `${from} to ${to}`);
  }
  // Bytes stored before one node's death are available on the next: nothing is on a node's own disk.
  const chunked = await upload(bucketServer.url, token, BYTES.subarray(0, 3_000_000), { chunkSize: 1_000_000 });
  assert.ok((await content(bucketServer.url, chunked.url, token)).bytes.equals(BYTES.subarray(0, 3_000_000)));
  for (const url of [whole.url, location, chunked.url]) {
    const answer = await fetch(bucketServer.url + new URL(url, bucketServer.url).pathname, {
      method: "DELETE", headers: { Authorization: `Bearer ${token}`, "Tus-Resumable": "1.0.0" },
    });
    assert.equal(answer.status, 204);
  }
  assert.deepEqual(await s3.keys(), []);
});
