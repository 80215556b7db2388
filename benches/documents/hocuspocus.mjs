// @hocuspocus/server without extensions: no store, no rights.

import { Server } from "@hocuspocus/server";

const server = new Server({ quiet: true, port: 0 });
await server.listen();
console.log(`hocuspocus is listening on http://127.0.0.1:${server.address.port}`);
