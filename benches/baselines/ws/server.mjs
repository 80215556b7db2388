// A plain broadcast server on npm ws: no store, no tokens, no limits. GET /ws/channel/<room>?user=<id> upgrades; JSON
// text is broadcast to everybody in the room with a seq added.

import { WebSocketServer } from 'ws';

const rooms = new Map();

function enter(socket, name) {
  const room = rooms.get(name) ?? { members: new Set(), seq: 0 };
  rooms.set(name, room);
  room.members.add(socket);
  socket.on('message', (data) => broadcast(room, data));
  socket.on('close', () => room.members.delete(socket));
  socket.on('error', () => socket.terminate());
  socket.send('{"type":"joined"}');
}

function broadcast(room, data) {
  const message = JSON.parse(data);
  message.seq = ++room.seq;
  // One buffer for all receivers.
  const text = Buffer.from(JSON.stringify(message));
  for (const member of room.members) member.send(text, { binary: false });
}

const server = new WebSocketServer({
  host: '127.0.0.1',
  port: 0,
  backlog: 4096,
  clientTracking: false,
  perMessageDeflate: false,
  maxPayload: 64 * 1024,
});
server.on('connection', (socket, request) => enter(socket, request.url.split('?')[0]));
server.on('listening', () => console.log(`ws is listening on http://127.0.0.1:${server.address().port}`));
process.on('SIGTERM', () => process.exit(0));
