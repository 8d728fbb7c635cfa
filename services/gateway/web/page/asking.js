// What a room asks for: now and then, as long as it is shown and looked at; or once, and then what comes behind it.

import { follow } from "./stream.js";

const AGAIN_MS = 3_000;

/**
 * Read what there is, and hear what comes behind it without a gap; anew where its place is gone, or it cannot be read.
 * `read()` returns the answer whose `as_of` it goes on from. Returns what ends it.
 */
export function behind(topic, read, changes, failed) {
  let unfollow = () => {};
  let timer = null;
  let isOver = false;
  async function begin() {
    unfollow();
    unfollow = () => {};
    try {
      const found = await read();
      if (!isOver) unfollow = follow(topic, {}, { changes, gap: begin }, { after: found.as_of });
    } catch (error) {
      if (isOver) return;
      failed(error);
      timer = setTimeout(begin, AGAIN_MS);
    }
  }
  begin();
  return () => {
    isOver = true;
    clearTimeout(timer);
    unfollow();
  };
}

/** Call `ask(isLast)` at once and every `ms`; an error goes to `failed`, and it goes on. `isLast()` says whether nobody has
 * asked since. Returns `{now, end}`. */
export function every(ms, ask, failed) {
  let timer = null;
  let ended = false;
  let turns = 0;
  async function turn() {
    clearTimeout(timer);
    const mine = ++turns;
    const isLast = () => !ended && mine === turns;
    try {
      if (!document.hidden) await ask(isLast);
    } catch (error) {
      if (isLast()) failed(error);
    }
    if (isLast()) timer = setTimeout(turn, ms);
  }
  turn();
  return { now: turn, end() { ended = true; clearTimeout(timer); } };
}
