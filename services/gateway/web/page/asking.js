// What a room asks for now and then, as long as it is shown and the page is looked at.

/** Call `ask` at once and every `ms`; an error goes to `failed`, and it goes on. Returns `{now, end}`. */
export function every(ms, ask, failed) {
  let timer = null;
  let ended = false;
  async function turn() {
    clearTimeout(timer);
    try {
      if (!document.hidden) await ask();
    } catch (error) {
      if (!ended) failed(error);
    }
    if (!ended) timer = setTimeout(turn, ms);
  }
  turn();
  return { now: turn, end() { ended = true; clearTimeout(timer); } };
}
