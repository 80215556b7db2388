// A real WebRTC connection that clients on two nodes set up, and a real TURN server that accepts the credentials that the
// server hands out. The peers are those of werift; the STUN and TURN server is coturn, whose own client tries the credentials.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { after, before, test } from "node:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RTCPeerConnection } from "werift";
import WebSocket from "ws";

import { Server } from "../browser/server.mjs";
import { freePort, signIn, startProgram } from "./stage.mjs";

const TURN_SECRET = "shared with the TURN server";
const SECRET = "a-secret-of-the-calls-of-forty-characters";
const STEP_MS = 20_000;
let folder, redis, turn, turnPort, nodes, alice, bob;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "convene-calls-"));
  const redisPort = await freePort();
  turnPort = await freePort();
  redis = await startProgram("redis-server", ["--port", redisPort, "--bind", "127.0.0.1", "--save", "", "--dir", folder], /Ready to accept/);
  turn = await startProgram("turnserver", [
    "-n", "--use-auth-secret", `--static-auth-secret=${TURN_SECRET}`, "--realm=example.org", "--listening-ip=127.0.0.1",
    "--relay-ip=127.0.0.1", `--listening-port=${turnPort}`, "--no-tls", "--no-dtls", "--no-cli", "--allow-loopback-peers",
    "--log-file=stdout", `--pidfile=${folder}/turn.pid`, `--userdb=${folder}/turn.db`,
  ], /DB connection success/);
  const settings = {
    DATABASE_URL: `sqlite://${folder}/convene.db`, REDIS_URL: `redis://127.0.0.1:${redisPort}`, JWT_SECRET_KEY: SECRET,
    ICE_STUN_URLS: `stun:127.0.0.1:${turnPort}`, ICE_TURN_URLS: `turn:127.0.0.1:${turnPort}`, ICE_TURN_SECRET: TURN_SECRET,
  };
  nodes = [await Server.start(settings), await Server.start(settings)];
  alice = await user(nodes[0].url, "alice");
  bob = await user(nodes[1].url, "bob");
});

after(async () => {
  for (const node of nodes ?? []) await node.remove();
  await turn?.stop();
  await redis?.stop();
  await rm(folder, { recursive: true, force: true });
  // timers that werift leaves behind would keep the process alive
  setTimeout(() => process.exit(), 1_000).unref();
});

/** A signed-in user and the node that the user connects to. */
async function user(url, username) {
  const token = await signIn(url, username);
  const get = async (path) => (await fetch(url + path, { headers: { Authorization: `Bearer ${token}` } })).json();
  return { url, token, id: (await get("/api/auth/me")).id, get };
}

/** Rejects if something does not happen in time. */
function within(what, promise) {
  let timer;
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error(`timed out: ${what}`)), STEP_MS); });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** A nexus socket, whose messages wait until somebody asks for them. */
class Socket {
  #messages = [];
  #waiting = [];

  static async open(user) {
    const socket = new Socket();
    socket.ws = new WebSocket(`${user.url.replace("http", "ws")}/ws?token=${user.token}`);
    socket.ws.on("message", (text) => {
      socket.#messages.push(JSON.parse(text));
      socket.#waiting.splice(0).forEach((wake) => wake());
    });
    await socket.next("system.message");
    return socket;
  }

  send(event_type, target, call_id, rest = {}) {
    this.ws.send(JSON.stringify({ event_type, target_user_id: target.id, call_id, ...rest }));
  }

  #message() {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** The next message of that type. Errors of the server fail the test. */
  next(type) {
    const find = async () => {
      for (;;) {
        const error = this.#messages.find((message) => message.event_type === "error");
        if (error) throw new Error(`${error.code}: ${error.error}`);
        const at = this.#messages.findIndex((message) => message.event_type === type);
        if (at >= 0) return this.#messages.splice(at, 1)[0];
        await this.#message();
      }
    };
    return within(type, find());
  }

  /** Passes each candidate of the other side to the peer connection. */
  async relayCandidatesTo(peer) {
    for (;;) {
      const at = this.#messages.findIndex((message) => message.event_type === "call.ice");
      if (at >= 0) await peer.addIceCandidate(this.#messages.splice(at, 1)[0].data);
      else await this.#message();
      if (peer.connectionState === "closed") return;
    }
  }

  close() {
    this.ws.close();
  }
}

/** A peer connection that sends its candidates over the socket. */
function peerOf(socket, target, callId, iceServers) {
  const peer = new RTCPeerConnection({ iceServers, iceUseIpv6: false, iceAdditionalHostAddresses: ["127.0.0.1"] });
  peer.onIceCandidate.subscribe((candidate) => {
    if (candidate) socket.send("call.ice", target, callId, { data: candidate.toJSON() });
  });
  return peer;
}

/** The form in which werift expects what browsers take as it is. */
function iceServers({ ice_servers }) {
  return ice_servers.map(({ urls, ...rest }) => ({ urls: urls[0], ...rest }));
}

test("two clients on two nodes set up a connection that carries data", async (t) => {
  const callId = "call_123";
  const began = performance.now();
  const [caller, callee] = [await Socket.open(alice), await Socket.open(bob)];
  const servers = [iceServers(await alice.get("/api/calls/ice-servers")), iceServers(await bob.get("/api/calls/ice-servers"))];
  const offering = peerOf(caller, bob, callId, servers[0]);
  const channel = offering.createDataChannel("chat");
  const opened = new Promise((resolve) => channel.stateChanged.subscribe((state) => state === "open" && resolve()));
  const echoed = new Promise((resolve) => channel.onMessage.subscribe((data) => resolve(String(data))));
  const offer = await offering.createOffer();
  const gathered = offering.setLocalDescription(offer);
  caller.send("call.offer", bob, callId, { data: { type: offer.type, sdp: offer.sdp }, ref: "offer" });

  const ringing = await callee.next("call.offer");
  assert.deepEqual([ringing.user_id, ringing.call_id], [alice.id, callId]);
  await caller.next("ack");
  const answering = peerOf(callee, alice, callId, servers[1]);
  answering.onDataChannel.subscribe((other) => {
    other.onMessage.subscribe((data) => other.send(Buffer.from(`echo of ${data}`)));
  });
  await answering.setRemoteDescription(ringing.data);
  const answer = await answering.createAnswer();
  const answered = answering.setLocalDescription(answer);
  callee.send("call.answer", alice, callId, { data: { type: answer.type, sdp: answer.sdp } });
  const accepted = await caller.next("call.answer");
  await gathered;
  await offering.setRemoteDescription(accepted.data);
  caller.relayCandidatesTo(offering);
  callee.relayCandidatesTo(answering);
  await within("the data channel", opened);
  channel.send(Buffer.from("hello"));
  assert.equal(await within("the echo", echoed), "echo of hello");
  await answered;
  const took = Math.round(performance.now() - began);

  t.diagnostic(`connected, with data both ways, after ${took} ms`);

  callee.send("call.hangup", alice, callId);
  assert.equal((await caller.next("call.hangup")).reason, "hangup");
  await Promise.all([offering.close(), answering.close()]);
  caller.close();
  callee.close();
});

/** Sends data through the TURN server with these credentials. */
function relay({ username, credential }) {
  return promisify(execFile)("turnutils_uclient",
    ["-u", username, "-w", credential, "-y", "-c", "-m", "1", "-n", "2", "-p", String(turnPort), "127.0.0.1"], { timeout: STEP_MS });
}

test("a TURN server accepts the credentials of a user, and no others", async () => {
  const { ice_servers: [, server], ttl } = await alice.get("/api/calls/ice-servers");
  const { stdout } = await relay(server);
  assert.match(stdout, /tot_send_msgs=4, tot_recv_msgs=4/);
  const later = server.username.replace(/^\d+/, (expiry) => Number(expiry) + ttl);
  for (const forged of [{ ...server, credential: "guessed" }, { ...server, username: later }]) {
    await assert.rejects(relay(forged), { code: 255, stdout: /Cannot complete Allocation/ });
  }
});
