// What can be done to an order, wherever it is shown.

import { act, newId, part } from "../api.js";
import { ask, el, field, toast } from "../dom.js";
import { isDone } from "../tables.js";
import { account, desk } from "../shell/chosen.js";

/** Whether something can still become of an order. */
export const isOpen = (row) => Boolean(row) && !isDone(row);

const said = (row) => `${row.side} ${row.quantity} ${row.symbol}${row.price ? ` at ${row.price}` : ""}`;

/** Cancel at once: a cancel that has to be confirmed comes too late. */
export async function cancel(row) {
  try {
    const told = await act("DELETE", `/v1/orders/${part(row.order_id)}`);
    const state = told.order?.ord_status ?? told.ord_status;
    toast(`${row.order_id}: ${said(row)} is ${state ?? "asked to be canceled"}`, "good");
  } catch (error) {
    toast(`${row.order_id}: ${error.message}`, "bad");
  }
}

/** Ask for other terms. */
export function amend(row) {
  const quantity = el("input", { inputmode: "decimal", value: row.quantity, required: true });
  const price = row.price ? el("input", { inputmode: "decimal", value: row.price, required: true }) : null;
  const stop = row.stop_price ? el("input", { inputmode: "decimal", value: row.stop_price, required: true }) : null;
  const changed = () => Object.entries({ quantity, price, stop_price: stop })
    .filter(([name, input]) => input && input.value.trim() !== String(row[name]));
  ask(`Amend order ${row.order_id}`, [el("p", { class: "quiet" }, `${said(row)}, ${row.cum_qty} filled`),
    field("Quantity, with what is filled", quantity), price && field("Price", price), stop && field("Stop price", stop)].filter(Boolean), {
    label: "Amend", ready: () => changed().length > 0,
    act: async () => {
      const body = Object.fromEntries(changed().map(([name, input]) => [name, input.value.trim()]));
      const told = await act("PATCH", `/v1/orders/${part(row.order_id)}`, body);
      toast(`${row.order_id}: ${told.order ? said(told.order) : "asked for"}`, "good");
    },
  });
}

/** Cancel every order of the account that is looked at, of each where all are. */
export function cancelAll() {
  const of = account() ? [account()] : [...desk.accounts.keys()];
  const ids = of.map(newId);
  ask("Cancel all orders", [el("p", {}, `Every working order of ${of.join(", ")} is canceled.`)], {
    label: "Cancel all", danger: true,
    act: async () => {
      const done = await Promise.allSettled(of.map((each, at) => act("DELETE", `/v1/orders?account=${part(each)}`, undefined, ids[at])));
      const bad = of.flatMap((each, at) => (done[at].reason ? [`${each}: ${done[at].reason.message}`] : []));
      if (bad.length) throw new Error(bad.join("; "));
      toast("all orders are asked to be canceled", "good");
    },
  });
}
