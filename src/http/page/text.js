// The text of a message as nodes: addresses become links, code is set off, and mentions are marked. Text always stays text; no
// markup is parsed.

import { el } from "./dom.js";

// A line break next to a block belongs to it.
const CODE = /\n?```(?:[\w+-]*\n)?([\s\S]+?)```\n?|`([^`\n]+)`/g;
const ADDRESS = /\bhttps?:\/\/[^\s<>"']+/g;
// Punctuation behind an address belongs to the sentence.
const TRAILING = /[.,;:!?)\]}…]+$/;

/** The pieces of a text, where `pattern` matches by `piece(match)`, which may return null, and by `rest(text)` elsewhere. */
function split(text, pattern, piece, rest) {
  const parts = [];
  let from = 0;
  for (const match of text.matchAll(pattern)) {
    const made = piece(match);
    if (!made) continue;
    parts.push(...rest(text.slice(from, match.index)), made.node);
    from = match.index + made.length;
  }
  return [...parts, ...rest(text.slice(from))].filter((part) => part !== "");
}

/**
 * The positions at which a text mentions a user: `@` and the name, not within a word. A name that continues another one is
 * preferred to it.
 */
export function mentionsIn(text, usernames) {
  const names = [...usernames].sort((a, b) => b.length - a.length).map((name) => name.toLowerCase());
  const lower = text.toLowerCase();
  // Some letters change their length in lower case; positions would then be wrong.
  if (!names.length || lower.length !== text.length) return [];
  const found = [];
  for (let at = lower.indexOf("@"); at >= 0; at = lower.indexOf("@", at + 1)) {
    if (at > 0 && /[\p{L}\p{N}_@]/u.test(text[at - 1])) continue;
    const name = names.find((one) => lower.startsWith(one, at + 1) && !/^[\p{L}\p{N}_]/u.test(text.slice(at + 1 + one.length)));
    if (name) found.push({ at, length: name.length + 1, name });
  }
  return found;
}

function withMentions(text, usernames, ownName) {
  const parts = [];
  let from = 0;
  for (const { at, length, name } of mentionsIn(text, usernames)) {
    parts.push(text.slice(from, at), el("span", { class: name === ownName?.toLowerCase() ? "mention own" : "mention" }, text.slice(at, at + length)));
    from = at + length;
  }
  return [...parts, text.slice(from)].filter((part) => part !== "");
}

function link(match) {
  const address = match[0].replace(TRAILING, "");
  if (!URL.canParse(address)) return null;
  return { node: el("a", { href: address, target: "_blank", rel: "noopener noreferrer" }, address), length: address.length };
}

function code(match) {
  const [all, block, inline] = match;
  const node = block === undefined ? el("code", {}, inline) : el("pre", {}, el("code", {}, block.replace(/\n$/, "")));
  return { node, length: all.length };
}

/** The parts of a text: strings and elements. `usernames` are the users whom it mentions. */
export function formatted(text, usernames = [], ownName = null) {
  const plain = (piece) => split(piece, ADDRESS, link, (rest) => withMentions(rest, usernames, ownName));
  return split(text, CODE, code, plain);
}
