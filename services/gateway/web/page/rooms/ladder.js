// The price ladder: bids and asks by price around the touch, my own orders among them. A click fills the ticket or, once
// it is armed, sends a limit order at that price; a click on an own order cancels it. Only cells that changed are written.

import { may } from "../api.js";
import { choice, el, panel, toast } from "../dom.js";
import { compare, shown, sum } from "../numbers.js";
import { use } from "../tables.js";
import { follow, watch } from "../stream.js";
import { onChoice, symbol } from "../shell/chosen.js";
import { chooseVenue, priceOf, priceShown, standing, tickOf, ticksOf, venueOf, venuesOf, whole } from "./market.js";
import { cancel, isOpen } from "./order_actions.js";

const ROW_PX = 22;
const HEAD_PX = 25;
const FEWEST = 15;
const MOST = 25;
const MOVED_MS = 400; // a click so soon after the ladder moved was meant for another price
const COLUMNS = [
  ["mine-bid", "Mine"],
  ["bid", "Bid"],
  ["price", "Price"],
  ["ask", "Ask"],
  ["mine-ask", "Mine"],
];
const HELP =
  "Arrows choose a price. B buys and S sells there: into the ticket, or at once where one-click orders are on. " +
  "C or Delete cancels own orders there. Home goes back to the market.";

let made = 0;

/** Return steps of a ladder in ticks: 1, 2, 5, 10 …, all below a million. */
const STEPS = [0, 1, 2, 3, 4, 5].flatMap((power) => [1n, 2n, 5n].map((each) => each * 10n ** BigInt(power)));

/** Return `{element, end}`: a ladder whose orders go by a ticket (`fill`, `place`, `account`, `summary`, `onChange`). */
export function ladder(ticket) {
  const state = { symbol: symbol(), step: 1n, centre: null, chosen: null, isAuto: true, isHeld: false, settles: 0, last: null, rows: [], cells: [] };
  const view = parts(state);
  const { grid, list, note, venues, steps, armed } = view;
  let readers = [];
  let isDue = false;

  /** Draw once, however much has changed. */
  function due() {
    if (isDue) return;
    isDue = true;
    queueMicrotask(() => {
      isDue = false;
      draw();
    });
  }

  function listen() {
    for (const each of readers) each();
    state.symbol = symbol();
    Object.assign(state, { centre: null, chosen: null, last: null });
    const of = { symbol: state.symbol };
    const [quotes, depth] = [use("quotes", due, of), use("depth", due, of)];
    state.quotes = quotes;
    state.depth = depth;
    readers = [quotes.end, depth.end, follow("trades", of, { changes: traded })];
    due();
  }

  function traded(messages) {
    for (const each of messages) if (each.venue === state.venue && each.trades.length > 0) state.last = each.trades.at(-1)[1];
    due();
  }

  function draw() {
    const quotes = state.quotes.rows();
    const venue = venueOf(state.symbol, quotes);
    if (venue !== state.venue) Object.assign(state, { venue, centre: null, last: null });
    const quote = quotes.find((row) => row.venue === venue);
    const market = standing(
      quote,
      state.depth.rows().find((row) => row.venue === venue),
    );
    state.tick = tickOf(state.symbol);
    state.touch = touchOf(market, state.tick);
    view.name(venuesOf(state.symbol, quotes), venue, market.note, quote?.stale);
    place();
    const own = ownOf(orders.rows(), state, ticket.account());
    paint(view, state, levelsOf(market, state), own, state.last ?? quote?.last_px ?? null);
  }

  /** Move the ladder where the market has left its middle, unless a pointer is over it: what is clicked must not move. */
  function place() {
    const mid = midTicks(state);
    if (mid === null) return;
    const away = state.centre === null ? null : state.centre - mid;
    const reach = (BigInt(list.children.length) * state.step * 3n) / 10n;
    if (away !== null && (state.isHeld || (away <= reach && away >= -reach))) return;
    recentre();
  }

  function recentre() {
    const mid = midTicks(state);
    if (mid === null) return;
    if (state.isAuto) state.step = stepFor(state);
    state.centre = whole(mid + state.step / 2n, state.step) * state.step;
    moved();
    steps.title = `a row is ${state.step} tick${state.step > 1n ? "s" : ""} of ${state.tick}`;
    if (state.chosen !== null && !isShown(state, state.chosen)) state.chosen = null;
    state.chosen = state.chosen === null ? null : whole(state.chosen, state.step) * state.step;
  }

  /** Take no click for a while, and show that: it would be meant for another price. */
  function moved() {
    grid.setAttribute("aria-busy", "true");
    clearTimeout(state.settles);
    state.settles = setTimeout(() => grid.removeAttribute("aria-busy"), MOVED_MS);
  }

  function act(side, ticks) {
    const price = priceOf(ticks, state.tick);
    if (armed.checked) ticket.place({ side, price, symbol: state.symbol, venue: state.venue });
    else ticket.fill({ side, price, symbol: state.symbol, order_type: "LIMIT" });
  }

  function cancelAt(ticks, side) {
    const found = ownOf(orders.rows(), state, ticket.account()).get(ticks);
    const mine = side ? (found?.[side]?.orders ?? []) : [...(found?.BUY?.orders ?? []), ...(found?.SELL?.orders ?? [])];
    if (mine.length === 0 || !may("orders:write")) return toast("no own order there that can be canceled");
    return mine.forEach(cancel);
  }

  function clicked(event) {
    const cell = event.target.closest("[data-column]");
    const at = cell ? [...list.children].indexOf(cell.parentElement) : -1;
    if (at < 0 || state.centre === null) return;
    if (grid.hasAttribute("aria-busy")) {
      toast("the ladder has just moved: look again", "bad");
      return;
    }
    const ticks = state.rows[at];
    state.chosen = ticks;
    const column = cell.dataset.column;
    if (column === "bid") act("BUY", ticks);
    else if (column === "ask") act("SELL", ticks);
    else if (column === "price") ticket.fill({ price: priceOf(ticks, state.tick), symbol: state.symbol });
    else if (cell.textContent) cancelAt(ticks, column === "mine-bid" ? "BUY" : "SELL");
    due();
  }

  function pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || state.centre === null) return;
    const { key } = event;
    const move = { ArrowUp: 1n, ArrowDown: -1n, PageUp: 5n, PageDown: -5n }[key];
    const chosen = state.chosen;
    if (move) choosePrice(chosen === null ? state.centre : chosen + move * state.step);
    else if (key === "Home") recentre();
    else if (chosen === null) return;
    else if (key === "b" || key === "s") act(key === "b" ? "BUY" : "SELL", chosen);
    else if (key === "c" || key === "Delete") cancelAt(chosen);
    else return;
    event.preventDefault();
    event.stopPropagation();
    due();
  }

  function choosePrice(ticks) {
    state.chosen = ticks;
    const half = BigInt(list.children.length >> 1) * state.step;
    if (ticks > state.centre + half) state.centre = ticks - half;
    if (ticks < state.centre - half) state.centre = ticks + half;
  }

  function arm() {
    if (armed.checked && !ticket.summary()) {
      armed.checked = false;
      toast("first say in the ticket how many", "bad");
    }
    explain();
  }

  function explain() {
    view.element.classList.toggle("armed", armed.checked);
    view.says.textContent = armed.checked ? `ARMED: a click sends ${ticket.summary()} at once` : `A click fills the ticket`;
    due();
  }

  function disarm() {
    armed.checked = false;
    explain();
  }

  const orders = use("orders", due);
  grid.addEventListener("click", clicked);
  grid.addEventListener("keydown", pressed);
  grid.addEventListener("pointerenter", () => {
    state.isHeld = true;
  });
  grid.addEventListener("pointerleave", () => {
    state.isHeld = false;
    due();
  });
  armed.addEventListener("change", arm);
  venues.addEventListener("change", () => chooseVenue(venues.value));
  steps.addEventListener("change", () => {
    state.isAuto = steps.value === "";
    if (!state.isAuto) state.step = BigInt(steps.value);
    recentre();
    due();
  });
  view.centre.addEventListener("click", () => {
    recentre();
    due();
  });
  const seen = new ResizeObserver(() => {
    if (view.fit()) {
      state.centre = null;
      due();
    }
  });
  seen.observe(view.element);
  const ends = [
    // another account, symbol or venue is another thing than what was armed
    onChoice((what) => {
      if (what.symbol !== undefined) listen();
      disarm();
    }),
    ticket.onChange((what) => {
      if (what === "account" || (armed.checked && !ticket.summary())) disarm();
      else explain();
    }),
    watch((now) => {
      if (now !== "live") disarm();
    }),
    () => seen.disconnect(),
    () => clearTimeout(state.settles),
    () => orders.end(),
  ];
  view.fit();
  listen();
  explain();
  return { element: view.element, focus: () => grid.focus(), end: () => [...ends, ...readers].forEach((each) => each()) };
}

/** Make the elements. `fit()` makes as many rows as there is room for, and says whether that changed. */
function parts(state) {
  const id = `ladder${++made}`;
  const venues = el("select", { "aria-label": "Venue of the ladder" });
  const steps = choice([["", "auto"], ...STEPS.map((each) => [String(each), `${each} tick${each > 1n ? "s" : ""}`])], { "aria-label": "Step of the ladder" });
  const armed = el("input", { type: "checkbox", role: "switch", autocomplete: "off" });
  const centre = el("button", { class: "tiny", title: "Back to the market (Home)" }, "Recentre");
  const list = el("div", { class: "ladder-rows", role: "rowgroup" });
  const grid = el(
    "div",
    { class: "ladder", role: "grid", tabindex: "0", "aria-describedby": `${id}help`, "aria-label": "Price ladder" },
    el(
      "div",
      { role: "rowgroup" },
      el(
        "div",
        { class: "ladder-row heads", role: "row" },
        COLUMNS.map(([, title]) => el("span", { role: "columnheader" }, title)),
      ),
    ),
    list,
  );
  const note = el("p", { class: "warn ladder-note", role: "status" });
  const says = el("p", { class: "quiet ladder-says" });
  const element = panel("Ladder", { tools: [venues, steps, centre], label: "Ladder" });
  element.classList.add("ladder-panel");
  element.body.append(grid);
  element.append(
    el(
      "footer",
      {},
      note,
      el("div", { class: "row" }, el("label", { class: "row", hidden: !may("orders:write") }, armed, "One-click orders"), says),
      el("p", { class: "visually-hidden", id: `${id}help` }, HELP),
    ),
  );
  let before = "";

  function fit() {
    const isPhone = matchMedia("(max-width: 760px)").matches; // there the ladder is as high as its rows
    const height = element.body.clientHeight - HEAD_PX;
    const room = Math.floor(height / ROW_PX);
    const count = isPhone ? FEWEST : Math.min(MOST, Math.max(FEWEST, room % 2 === 0 ? room - 1 : room));
    list.style.setProperty("--row", `${Math.max(ROW_PX, Math.min(ROW_PX * 1.5, Math.floor(height / count)))}px`);
    if (count === list.children.length) return false;
    list.replaceChildren(
      ...Array.from({ length: count }, (_, at) =>
        el(
          "div",
          { class: "ladder-row", role: "row" },
          COLUMNS.map(([name]) => el("span", { role: "gridcell", dataset: { column: name }, class: name, ...(name === "price" ? { id: `${id}r${at}` } : {}) })),
        ),
      ),
    );
    state.cells = [...list.children].map((row) => [...row.children].map((node) => ({ node, text: "", name: node.className, share: "" })));
    return true;
  }

  function name(all, venue, text, isStale) {
    const now = JSON.stringify([state.symbol, all, venue, text, isStale]);
    if (now === before) return;
    before = now;
    element.querySelector("h2").textContent = state.symbol;
    grid.setAttribute("aria-label", `Price ladder of ${state.symbol} at ${venue}`);
    venues.replaceChildren(...all.map((each) => el("option", { value: each }, each)));
    venues.value = venue;
    venues.hidden = all.length < 2;
    note.textContent = text;
    element.classList.toggle("stale", Boolean(isStale));
  }
  return { element, grid, list, note, says, venues, steps, armed, centre, fit, name, id };
}

const touchOf = ({ bids, asks }, tick) => ({ bid: ticksOf(bids[0]?.[0], tick), ask: ticksOf(asks[0]?.[0], tick, true) });

function midTicks({ touch, last, tick }) {
  const { bid, ask } = touch;
  if (bid !== null && ask !== null) return (bid + ask) / 2n;
  return bid ?? ask ?? ticksOf(last, tick);
}

/** Return the smallest step with which bid and ask are within the middle third. */
function stepFor({ touch, cells }) {
  if (touch.bid === null || touch.ask === null) return 1n;
  const room = BigInt(Math.floor(cells.length / 3));
  return STEPS.find((each) => (touch.ask - touch.bid) / each <= room) ?? STEPS.at(-1);
}

function isShown({ centre, cells, step }, ticks) {
  const half = BigInt(cells.length >> 1) * step;
  return ticks <= centre + half && ticks >= centre - half;
}

/** Return the ticks of the row that a price is in: bids and buyers go down to it, asks and sellers up. */
const rowOf = (price, { tick, step }, isSell) => whole(ticksOf(price, tick, isSell), step, isSell) * step;

/** Return quantities by row: `{bid: Map, ask: Map}`. */
function levelsOf(market, state) {
  const gather = (levels, isSell) => {
    const found = new Map();
    for (const [price, quantity] of levels) {
      const row = rowOf(price, state, isSell);
      found.set(row, sum([found.get(row), quantity]));
    }
    return found;
  };
  return { bid: gather(market.bids, false), ask: gather(market.asks, true) };
}

/** Return what I have at each row: what is left of limit orders, and orders that wait for a price (`waits`). */
function ownOf(orders, state, account) {
  const found = new Map();
  for (const row of orders) {
    if (row.symbol !== state.symbol || row.account !== account || !isOpen(row) || (row.venue && row.venue !== state.venue)) continue;
    const price = row.stop_price ?? row.price;
    if (!price || row.algorithm) continue;
    const at = rowOf(price, state, row.side !== "BUY");
    const side = row.side === "BUY" ? "BUY" : "SELL";
    const here = found.get(at) ?? {};
    const mine = (here[side] ??= { orders: [], quantity: "0", waits: false, moves: false });
    mine.orders.push(row);
    mine.quantity = sum([mine.quantity, row.leaves_qty]);
    mine.waits ||= Boolean(row.stop_price);
    mine.moves ||= /^Pending/.test(row.ord_status);
    found.set(at, here);
  }
  return found;
}

/** Write what changed. */
function paint(view, state, { bid, ask }, own, last) {
  if (state.centre === null) return;
  const half = state.cells.length >> 1;
  const marked = last === null ? null : rowOf(last, state, false);
  const most = [...bid.values(), ...ask.values()].reduce((a, b) => (compare(a, b) < 0 ? b : a), "0");
  const inRow = (ticks, isSell) => (ticks === null ? null : whole(ticks, state.step, isSell) * state.step);
  const [best, offer] = [inRow(state.touch.bid, false), inRow(state.touch.ask, true)];
  state.rows = state.cells.map((_, at) => state.centre + BigInt(half - at) * state.step);
  let active = null;
  state.cells.forEach((cells, at) => {
    const ticks = state.rows[at];
    const here = own.get(ticks);
    const price = priceShown(priceOf(ticks, state.tick), state.tick);
    const isChosen = ticks === state.chosen;
    write(cells[0], mineShown(here?.BUY), `mine-bid${here?.BUY?.moves ? " quiet" : ""}`);
    write(cells[1], bid.has(ticks) ? shown(bid.get(ticks)) : "", `bid${ticks === best ? " touch" : ""}`, share(bid.get(ticks), most));
    write(cells[2], price, `price${ticks === marked ? " last" : ""}${isChosen ? " chosen" : ""}`);
    write(cells[3], ask.has(ticks) ? shown(ask.get(ticks)) : "", `ask${ticks === offer ? " touch" : ""}`, share(ask.get(ticks), most));
    write(cells[4], mineShown(here?.SELL), `mine-ask${here?.SELL?.moves ? " quiet" : ""}`);
    if (isChosen) active = cells[2].node.id;
  });
  const width = `calc(${Math.max(...state.cells.map((cells) => cells[2].text.length)) }ch + 14px)`;
  if (width !== state.width) view.grid.style.setProperty("--price", (state.width = width));
  if (active) view.grid.setAttribute("aria-activedescendant", active);
  else view.grid.removeAttribute("aria-activedescendant");
}

const mineShown = (mine) => (mine ? `${shown(mine.quantity)}${mine.waits ? " stop" : ""}` : "");

/** Return how long a bar is, in per cent of the largest: for the eye, so a float will do. */
const share = (quantity, most) => (quantity && compare(most, "0") > 0 ? `${Math.max(4, Math.round((Number(quantity) / Number(most)) * 100))}%` : "");

function write(cell, text, name, bar = "") {
  if (cell.text !== text) cell.node.textContent = cell.text = text;
  if (cell.name !== name) cell.node.className = cell.name = name;
  if (cell.share !== bar) cell.node.style.setProperty("--share", (cell.share = bar) || "0%");
}
