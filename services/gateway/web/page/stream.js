// One WebSocket for the whole page: topics are followed by name, and followed again after it was away.
// Rows come as a snapshot, then as changes. Of messages every one counts: they go on behind the last one that was heard.

const FIRST_AGAIN_MS = 250;
const LAST_AGAIN_MS = 5_000;
const SILENT_MS = 15_000; // the gateway says something every five seconds

const channels = new Map();
const watchers = new Set();
let socket = null;
let again = FIRST_AGAIN_MS;
let heard = 0;
let wanted = false;
let state = "away";
let isDeaf = false;

/** Hear how the connection is: `live` or `away`; called at once. */
export function watch(then) {
  watchers.add(then);
  then(state);
  return () => watchers.delete(then);
}

function become(now) {
  if (now === state) return;
  state = now;
  for (const each of watchers) each(state);
}

/** Follow a topic. `then.snapshot(rows)`, `then.changes(rows, frame)`, `then.gap(text)`. Returns what ends it. */
export function follow(topic, filters, then, { after } = {}) {
  const asked = Object.entries(filters).filter(([, value]) => value);
  const channel = topic + (asked.length ? `?${asked.map((pair) => pair.join("=")).join("&")}` : "");
  let known = channels.get(channel);
  if (!known) {
    known = { say: { topic, ...Object.fromEntries(asked) }, after: after ?? null, readers: new Set() };
    channels.set(channel, known);
    subscribe(known);
  }
  known.readers.add(then);
  return () => {
    known.readers.delete(then);
    if (known.readers.size === 0 && channels.get(channel) === known) {
      channels.delete(channel);
      say({ action: "unsubscribe", ...known.say });
    }
  };
}

function subscribe(known) {
  say({ action: "subscribe", ...known.say, ...(known.after ? { after: known.after } : {}) });
}

function say(what) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(what));
}

/** Connect, and stay so until `close`. */
export function open() {
  wanted = true;
  connect();
}

export function close() {
  wanted = false;
  socket?.close();
  socket = null;
  channels.clear();
  become("away");
}

function connect() {
  const at = new URL("/v1/stream", location.href);
  at.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  const opened = new WebSocket(at);
  socket = opened;
  heard = Date.now();
  opened.onmessage = (event) => {
    heard = Date.now();
    take(JSON.parse(event.data));
  };
  opened.onclose = () => {
    if (socket !== opened) return;
    state = "away";
    for (const each of watchers) each(state); // each time: who was let out meanwhile has to hear of it
    if (wanted) setTimeout(() => wanted && socket === opened && connect(), again * (0.75 + Math.random() / 2));
    again = Math.min(again * 2, LAST_AGAIN_MS);
  };
}

setInterval(() => {
  if (socket?.readyState === WebSocket.OPEN && Date.now() - heard > SILENT_MS) socket.close();
}, 1_000);

function take(frame) {
  if (frame.type === "authorized") {
    again = FIRST_AGAIN_MS;
    become("live");
    for (const each of channels.values()) subscribe(each);
    return;
  }
  if (frame.type === "heartbeat") {
    // the gateway is there, but hears nothing itself: nobody knows how things are until it does, and then all is read anew
    if (frame.live === false) {
      isDeaf = true;
      become("away");
    } else if (isDeaf) {
      isDeaf = false;
      socket?.close();
    }
    return;
  }
  if (frame.type === "snapshot" || frame.type === "changes") {
    const known = channels.get(frame.channel);
    if (!known) return;
    if (MESSAGES.has(frame.topic)) known.after = { ...known.after, ...frame.as_of };
    for (const each of known.readers) each[frame.type]?.(frame.rows, frame);
  } else if (frame.type === "refused" && frame.reason === "place_gone") {
    for (const each of channels.values()) {
      if (each.after === null) continue;
      each.after = null;
      for (const reader of [...each.readers]) reader.gap?.(frame.detail);
      if ([...channels.values()].includes(each)) subscribe(each);
    }
  } else if (frame.type === "refused" && frame.reason !== "followed_already" && frame.reason !== "not_followed") {
    console.warn("stream:", frame.detail);
    if (frame.status === 503 || frame.status === 429) setTimeout(() => socket?.close(), 1_000); // and all is followed again
  }
}

const MESSAGES = new Set(["events", "fills", "closed_positions", "controls", "trades", "dead"]);
