// One order: its terms, how it stands, and everything that happened to it with the time each step took.

import { get, may, part } from "../api.js";
import { el, facts, panel } from "../dom.js";
import { shown, span, time } from "../numbers.js";
import { use } from "../tables.js";
import { amend, cancel, isOpen } from "./order_actions.js";

const TERMS = [
  ["account", "Account"], ["symbol", "Symbol"], ["side", "Side"], ["order_type", "Type"], ["time_in_force", "Time in force"],
  ["stop_loss", "Stop loss"], ["take_profit", "Take profit"], ["trailing_stop", "Trailing stop"], ["strategy", "Strategy"], ["venue", "Venue"], ["venue_order_id", "Venue's id"], ["client_order_id", "Client's id"],
  ["signal_id", "Signal"], ["parent_id", "Parent"], ["list_id", "List"], ["algorithm", "Algorithm"], ["position_id", "Position"], ["entered_by", "Entered by"], ["who", "Entered by"], ["reason", "Reason"], ["text", "Why"],
];
const NUMBERS = [["quantity", "Quantity"], ["price", "Price"], ["stop_price", "Stop"], ["cum_qty", "Filled"], ["leaves_qty", "Leaves"], ["avg_px", "Average price"]];
const SAID = ["last_qty", "last_px", "liquidity", "fee", "price", "new_price", "new_quantity", "new_stop_price", "reason", "text"];

/** Return `{element, show(orderId), end}`; hidden until an order is shown. `closed` is called by its button. */
export function orderPanel(closed) {
  const made = panel("Order", { tools: [el("button", { class: "quiet", "aria-label": "Close the order", onclick: closed }, "✕")] });
  made.hidden = true;
  made.classList.add("order-panel");
  let order = null;
  let asked = 0;
  let events = [];
  const rows = use("orders", (changed) => {
    const now = order && changed.find((row) => row.order_id === order);
    if (now) refresh();
  });

  async function refresh() {
    const turn = ++asked;
    const of = order;
    try {
      const [row, said] = await Promise.all([
        rows.get(of) ? { order: rows.get(of) } : get(`/v1/orders/${part(of)}`), get(`/v1/orders/${part(of)}/events`)]);
      if (turn !== asked || of !== order) return;
      events = said.events;
      draw(rows.get(of) ?? row.order);
    } catch (error) {
      if (of === order) made.body.replaceChildren(el("p", { class: "problem", role: "alert" }, error.message));
    }
  }

  function draw(row) {
    made.querySelector("h2").textContent = `Order ${row.order_id}: ${row.ord_status}`;
    const acts = isOpen(row) && may("orders:write") ? el("div", { class: "row" },
      el("button", { onclick: () => amend(row) }, "Amend…"), el("button", { onclick: () => cancel(row) }, "Cancel")) : null;
    made.body.replaceChildren(...[acts,
      facts([...NUMBERS.map(([name, label]) => [label, row[name] === undefined || row[name] === null ? null : shown(row[name])]),
        ...TERMS.map(([name, label]) => [label, typeof row[name] === "object" && row[name] ? JSON.stringify(row[name]) : row[name]]),
        ["Progress", row.progress ? JSON.stringify(row.progress) : null]]),
      timeline(events)].filter(Boolean));
  }

  return {
    element: made,
    show(of) {
      order = of ?? null;
      made.hidden = order === null;
      if (order !== null) refresh();
    },
    end: () => rows.end(),
  };
}

/** Return events one below the other, each with how long after the one before it came. */
function timeline(events) {
  let before = null;
  return el("ol", { class: "timeline", "aria-label": "What happened" }, events.map((event) => {
    const gap = before === null ? null : event.time - before;
    before = event.time;
    const said = SAID.filter((name) => event[name] !== undefined && event[name] !== null)
      .map((name) => `${name} ${typeof event[name] === "object" ? JSON.stringify(event[name]) : event[name]}`);
    return el("li", {}, el("span", { class: "at number" }, time(event.time)), el("span", { class: "gap number quiet" }, gap === null ? "" : `+${span(gap)}`),
      el("span", {}, el("b", {}, event.type), said.length ? ` ${said.join(", ")}` : ""));
  }));
}
