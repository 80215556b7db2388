// The text of a message as nodes: addresses become links. Text always stays text; no markup is parsed.

import { el } from "./dom.js";

const ADDRESS = /\bhttps?:\/\/[^\s<>"']+/g;
// Punctuation behind an address belongs to the sentence.
const TRAILING = /[.,;:!?)\]}…]+$/;

/** The parts of a text: strings and links. */
export function withLinks(text) {
  const parts = [];
  let from = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const address = match[0].replace(TRAILING, "");
    if (!URL.canParse(address)) continue;
    parts.push(text.slice(from, match.index));
    parts.push(el("a", { href: address, target: "_blank", rel: "noopener noreferrer" }, address));
    from = match.index + address.length;
  }
  return [...parts, text.slice(from)].filter((part) => part !== "");
}
