// Sending an order, once: a LIVE account asks before its first one, and what nobody knows the outcome of goes again
// under the id that it had, so that the same click never makes two orders.

import { act, newId } from "../api.js";
import { ask, el, facts, toast } from "../dom.js";
import { shown } from "../numbers.js";
import { modeOf } from "../shell/chosen.js";

const confirmed = new Set(); // accounts whose first real order was said yes to, until the page is loaded again
const unknown = new Map(); // orders whose outcome is not known: the id of each, by its text

/** Return an order in words. */
export function said(order) {
  const size = order.quantity
    ? shown(order.quantity)
    : (Object.entries(order)
        .filter(([name]) => /^(notional|risk_amount|equity_percent|risk_percent)$/.test(name))
        .map(([name, value]) => `${name.replace("_", " ")} ${value}`)[0] ?? "");
  const price = [order.price && `at ${order.price}`, order.stop_price && `stop ${order.stop_price}`].filter(Boolean).join(" ");
  return [order.side, size, order.symbol, order.algorithm ?? order.order_type, price].filter(Boolean).join(" ");
}

/** Send an order; return the gateway's answer, null where somebody said no. Raises what the desk refused it with. */
export async function sendOrder(order) {
  if (modeOf(order.account) === "LIVE" && !confirmed.has(order.account) && !(await isMeant(order))) return null;
  const text = JSON.stringify(order);
  const id = unknown.get(text) ?? newId();
  try {
    const told = await act("POST", "/v1/orders", order, id);
    unknown.delete(text);
    const state = told.order?.ord_status ?? told.ord_status;
    toast(
      state ? `${told.order_id ? `${told.order_id}: ` : ""}${said(order)} is ${state}` : `${said(order)} is sent; the desk has not answered yet`,
      state ? "good" : "",
    );
    return told;
  } catch (error) {
    if (error.status === 0 || error.status >= 500) unknown.set(text, id);
    else unknown.delete(text);
    throw error;
  }
}

/** Ask before the first order with real money: resolves to whether it is meant. */
function isMeant(order) {
  return new Promise((done) => {
    const dialog = ask(
      "The first order with real money",
      [
        el("p", {}, `${order.account} is a LIVE account: this order goes to a real venue.`),
        facts([
          ["Account", order.account],
          ["Order", said(order)],
          ["Time in force", order.time_in_force],
        ]),
        el("p", { class: "quiet" }, "You are asked once, until this page is loaded again."),
      ],
      {
        label: `${order.side} LIVE`,
        danger: true,
        act: async () => {
          confirmed.add(order.account);
        },
      },
    );
    dialog.addEventListener("close", () => done(confirmed.has(order.account)));
  });
}
