// The keyboard: every key that does something is registered here, so that the help lists them all.

import { el, table } from "../dom.js";

const known = new Map();

/** Let a key (`n`, `?`, `Escape`, or `g o` one after the other) do something; returns what ends that. */
export function onKey(key, says, act) {
  known.set(key, { says, act });
  return () => known.get(key)?.act === act && known.delete(key);
}

const WRITES = /^(INPUT|SELECT|TEXTAREA)$/;
let first = null;
let forgets = 0;

// The second key of a pair is nobody else's: tables and the ladder have keys of the same names, which do things.
document.addEventListener("keydown", (event) => {
  if (!first || event.ctrlKey || event.metaKey || event.altKey) return;
  if (document.querySelector("dialog[open]") || WRITES.test(event.target.tagName)) return;
  const found = known.get(`${first} ${event.key}`);
  if (!found) return;
  first = null;
  event.preventDefault();
  event.stopPropagation();
  found.act();
}, true);

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (document.querySelector("dialog[open]")) return;
  const writes = WRITES.test(event.target.tagName);
  if (writes && event.key !== "Escape") return;
  first = null;
  const found = known.get(event.key);
  if (found) {
    event.preventDefault();
    found.act();
  } else if ([...known.keys()].some((each) => each.startsWith(`${event.key} `))) {
    first = event.key;
    clearTimeout(forgets);
    forgets = setTimeout(() => { first = null; }, 1_200);
  }
});

/** Show every key that does something now. */
export function help() {
  const dialog = el("dialog", { "aria-label": "Keys" }, el("div", { class: "body" }, el("h2", {}, "Keys"),
    table(["key", "does"], [...known].map(([key, { says }]) => [el("code", {}, key), says]), "Keys and what they do"),
    el("p", { class: "quiet" }, "In a table: arrows move, Enter opens the row."),
    el("div", { class: "row" }, el("button", { onclick: () => dialog.close() }, "Close"))));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
