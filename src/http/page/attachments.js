// Files of messages: uploading with the tus protocol, and showing them. A file is read with the session's token, which never
// appears in an address; images are shown from memory.

import { fetchSigned } from "./api.js";
import { el, toast } from "./dom.js";

const CHUNK_BYTES = 4 * 1024 * 1024;
const PREVIEWED = /^image\/(png|jpeg|gif|webp|avif)$/;
const PREVIEW_BYTES_MAX = 10 * 1024 * 1024;
const TUS = { "Tus-Resumable": "1.0.0" };

const base64 = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));

/** Uploads a file and returns its id. `onProgress` gets the share that has arrived, from 0 to 1. */
export async function upload(file, onProgress) {
  const metadata = [`filename ${base64(file.name || "file")}`, file.type && `filetype ${base64(file.type)}`].filter(Boolean).join(",");
  const made = await fetchSigned("POST", "/api/v1/files", { headers: { ...TUS, "Upload-Length": String(file.size), "Upload-Metadata": metadata } });
  const id = made.headers.get("Location").split("/").at(-1);
  for (let offset = 0; offset < file.size; offset += CHUNK_BYTES) {
    await fetchSigned("PATCH", `/api/v1/files/${id}`, {
      headers: { ...TUS, "Upload-Offset": String(offset), "Content-Type": "application/offset+octet-stream" },
      body: file.slice(offset, offset + CHUNK_BYTES),
    });
    onProgress(Math.min(1, (offset + CHUNK_BYTES) / file.size));
  }
  return id;
}

async function contentOf(file) {
  return (await fetchSigned("GET", `/api/v1/files/${encodeURIComponent(file.id)}/content`)).blob();
}

async function save(file) {
  try {
    const address = URL.createObjectURL(await contentOf(file));
    el("a", { href: address, download: file.filename }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
  } catch (error) {
    toast(error.message);
  }
}

function preview(file) {
  const image = el("img", { class: "preview", alt: file.filename });
  contentOf(file)
    .then((bytes) => {
      const address = URL.createObjectURL(bytes);
      image.addEventListener("load", () => URL.revokeObjectURL(address), { once: true });
      image.src = address;
    })
    .catch(() => image.remove());
  return image;
}

/** `12 KB` and so on. */
export function sizeName(bytes) {
  const units = ["bytes", "KB", "MB", "GB"];
  let size = bytes;
  let unit = 0;
  while (size >= 1000 && unit < units.length - 1) { size /= 1000; unit += 1; }
  return `${unit === 0 ? size : size.toFixed(size < 10 ? 1 : 0)} ${units[unit]}`;
}

/** The files of a message; null without any. */
export function fileList(files) {
  if (!files?.length) return null;
  return el("ul", { class: "files" }, ...files.map((file) => {
    const isPreviewed = PREVIEWED.test(file.mime_type) && file.size <= PREVIEW_BYTES_MAX;
    return el("li", {},
      isPreviewed && preview(file),
      el("button", { class: "link", type: "button", title: `Download ${file.filename}`, on: { click: () => save(file) } }, file.filename),
      el("small", {}, ` ${sizeName(file.size)}`));
  }));
}
