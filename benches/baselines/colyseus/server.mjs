// A room of Colyseus with an avatar for each client, as its documentation shows it: the state is a map of avatars, and each
// client is sent the changes of all of them every 50 ms. POST /matchmake/joinOrCreate/space reserves a seat. A move is the
// message 1 with the text "x,y,direction".

import { createServer } from 'node:http';
import { Room, Server } from '@colyseus/core';
import { Encoder, MapSchema, Schema, defineTypes } from '@colyseus/schema';
import { WebSocketTransport } from '@colyseus/ws-transport';
import express from 'express';

// Without this the encoder warns, and grows its buffer while it is measured.
Encoder.BUFFER_SIZE = 4 * 1024 * 1024;

class Avatar extends Schema {}
defineTypes(Avatar, { x: 'float32', y: 'float32', direction: 'string' });

class Space extends Schema {
  constructor() {
    super();
    this.avatars = new MapSchema();
  }
}
defineTypes(Space, { avatars: { map: Avatar } });

class SpaceRoom extends Room {
  onCreate() {
    this.autoDispose = false;
    this.maxClients = Infinity;
    this.patchRate = 50;
    this.setSeatReservationTime(600);
    this.state = new Space();
    this.onMessage(1, (client, bytes) => {
      const [x, y, direction] = bytes.toString('latin1').split(',');
      const avatar = this.state.avatars.get(client.sessionId);
      avatar.x = Number(x);
      avatar.y = Number(y);
      avatar.direction = direction;
    });
  }

  onJoin(client) {
    const avatar = new Avatar();
    avatar.x = 0;
    avatar.y = 0;
    avatar.direction = 'down';
    this.state.avatars.set(client.sessionId, avatar);
  }

  onLeave(client) {
    this.state.avatars.delete(client.sessionId);
  }
}

const http = createServer(express());
const transport = new WebSocketTransport({ server: http, pingInterval: 0, perMessageDeflate: false });
const colyseus = new Server({ transport, greet: false, gracefullyShutdown: false });
colyseus.define('space', SpaceRoom);
await colyseus.listen(0, '127.0.0.1', 4096);
console.log(`colyseus is listening on http://127.0.0.1:${http.address().port}`);
process.on('SIGTERM', () => process.exit(0));
