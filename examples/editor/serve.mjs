// Bundles one of the two editors and serves it on this machine: node serve.mjs codemirror|tiptap
//
// CONVENE_URL   the server, by default http://127.0.0.1:8000
// PORT          the port of the page, by default 5173 (CodeMirror) or 5174 (Tiptap)

import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const PORTS = { codemirror: 5173, tiptap: 5174 };
const editor = process.argv[2];
if (!(editor in PORTS)) {
  console.error("usage: node serve.mjs codemirror|tiptap");
  process.exit(2);
}

const convene = (process.env.CONVENE_URL ?? "http://127.0.0.1:8000").replace(/\/$/, "");
const port = Number(process.env.PORT ?? PORTS[editor]);
const origin = `http://localhost:${port}`;

// The bundle is kept in memory and built again at each request, so changed files need only a reload of the page.
const context = await esbuild.context({
  absWorkingDir: fileURLToPath(new URL(".", import.meta.url)),
  entryPoints: [`${editor}/main.js`],
  outfile: `${editor}/bundle.js`,
  bundle: true,
  write: false,
  format: "esm",
  define: { CONVENE_URL: JSON.stringify(convene) },
  logLevel: "warning",
});
await context.rebuild();
await context.serve({ host: "localhost", port, servedir: editor });
console.log(`The editor is at ${origin}/?document=notes`);

// It only matters that the server is there and accepts this page.
const answer = await fetch(`${convene}/`, { headers: { Origin: origin } }).catch(() => null);
if (answer === null) {
  console.error(`There is no server at ${convene}. Start one with: ALLOWED_ORIGINS=${origin} cargo run`);
} else if (!answer.headers.has("access-control-allow-origin")) {
  console.error(`The server refuses pages of ${origin}. Start it with: ALLOWED_ORIGINS=${origin}`);
}
