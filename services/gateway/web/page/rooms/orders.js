// The blotter: every order, what becomes of it as it happens, and all that happened to one beside it.

import { get, may, part } from "../api.js";
import { choice, el, panel, toast } from "../dom.js";
import { actsColumn, column, grid } from "../grid.js";
import { compare } from "../numbers.js";
import { use } from "../tables.js";
import { account, isChosen, onChoice } from "../shell/chosen.js";
import { onKey } from "../shell/keys.js";
import { amend, cancel, cancelAll, isOpen } from "./order_actions.js";
import { orderPanel } from "./order_panel.js";

const STATES = { Filled: "up", Rejected: "down", Canceled: "quiet", Expired: "quiet" };

/** The columns of an order, for every room that lists them. */
const orderColumns = () => [
  column.text("order_id", "Order", { width: 90, comparator: compare, cellClass: "number" }),
  column.time("received_time", "Received"),
  column.text("account", "Account"),
  column.text("symbol", "Symbol", { width: 96 }),
  column.side(),
  column.text("order_type", "Type", { width: 112 }),
  column.number("quantity", "Quantity"),
  column.number("price", "Price"),
  column.number("stop_price", "Stop", { width: 92 }),
  column.number("cum_qty", "Filled", { width: 92, enableCellChangeFlash: true }),
  column.number("leaves_qty", "Leaves", { width: 92 }),
  column.number("avg_px", "Average", { width: 96 }),
  column.text("ord_status", "Status", {
    width: 122, enableCellChangeFlash: true,
    cellClassRules: Object.fromEntries(["up", "down", "quiet"].map((of) => [of, ({ value }) => STATES[value] === of])),
  }),
  column.text("time_in_force", "TIF", { width: 76 }),
  column.text("venue", "Venue", { width: 86 }),
  column.text("strategy", "Strategy"),
  column.text("client_order_id", "Client's id", { width: 130 }),
  column.text("text", "Why", { width: 260 }),
  actions(),
];

/** The column in which an order is amended and canceled. */
function actions() {
  return actsColumn(132, {
    cellRenderer: ({ data }) => (isOpen(data) && may("orders:write") ? el("span", { class: "row acts" },
      el("button", { class: "tiny", "aria-label": `Amend order ${data.order_id}`, tabindex: "-1", onclick: () => amend(data) }, "Amend"),
      el("button", { class: "tiny", "aria-label": `Cancel order ${data.order_id}`, tabindex: "-1", onclick: () => cancel(data) }, "Cancel")) : ""),
    // drawn anew only when what can be done changes
    valueGetter: ({ data }) => isOpen(data),
  });
}

/** Return a grid of orders in a box, kept up to date: `keeps(row)` says which, `columns` what of them. */
export function blotter(box, { keeps = () => true, keepsAll = () => false, opened, label = "Orders", columns = orderColumns() }) {
  const made = grid(box, {
    columns, key: (row) => row.order_id, label, sort: ["received_time", "desc"],
    lasting: ["order_id", "received_time", "account", "symbol", "side", "order_type", "client_order_id", "strategy"],
    keeps: (row) => isChosen(row) && keeps(row), keepsAll: () => account() === "" && keepsAll(), opened, keys: { c: (row) => may("orders:write") && isOpen(row) && cancel(row), a: (row) => may("orders:write") && isOpen(row) && amend(row) },
  });
  const rows = use("orders", (changed, isAll) => made.put(changed, isAll));
  const end = onChoice(() => made.refilter());
  return { ...made, rows, end() { end(); rows.end(); made.end(); } };
}

const SHOWN = [["working", "working"], ["all", "all"], ["filled", "filled"], ["rejected", "rejected"]];
const KEEPS = {
  working: isOpen, all: () => true, filled: (row) => compare(row.cum_qty, "0") > 0, rejected: (row) => row.ord_status === "Rejected",
};

export const orders = {
  name: "orders", title: "Orders", key: "o", scope: "orders:read",
  mount(box, [shown]) {
    box.classList.add("fills-height");
    let which = "all";
    const show = choice(SHOWN, { value: which, "aria-label": "Which orders", onchange: () => { which = show.value; made.refilter(); } });
    const find = el("input", { type: "search", placeholder: "find (/)", "aria-label": "Find orders", oninput: () => made.quick(find.value) });
    const older = el("button", { onclick: () => more() }, "Older…");
    const every = el("button", { hidden: !may("orders:write"), onclick: cancelAll }, "Cancel all…");
    const gridBox = el("div");
    const list = panel("Orders", { tools: [show, find, older, every], bare: true });
    list.body.replaceWith(gridBox);
    const side = orderPanel(() => { location.hash = "/orders"; made.focus(); });
    box.append(el("div", { class: "beside" }, list, side.element));
    const made = blotter(gridBox, { keeps: (row) => KEEPS[which](row), keepsAll: () => which === "all", opened: (row) => { location.hash = `/orders/${row.order_id}`; } });
    const ends = [onKey("/", "find", () => find.focus()), onKey("Escape", "close what is open", () => { location.hash = "/orders"; }), onKey("j", "to the table", () => made.focus())];
    let cursor = null;
    async function more() {
      try {
          const found = await get(`/v1/orders?limit=1000${cursor ? `&cursor=${part(cursor)}` : ""}`);
        made.put(found.orders);
        cursor = found.next;
        toast(found.orders.length ? `${found.orders.length} older orders` : "there are no older orders that the gateway keeps");
        older.disabled = cursor === null;
      } catch (error) {
        toast(error.message, "bad");
      }
    }
    const end = () => { for (const each of ends) each(); side.end(); made.end(); };
    end.show = ([order]) => side.show(order);
    end.show([shown]);
    return end;
  },
};
