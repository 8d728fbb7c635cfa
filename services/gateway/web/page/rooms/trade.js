// The room to trade in: ticket, ladder and chart of one instrument, below them what works and what is held.

import { may } from "../api.js";
import { choice, el, panel } from "../dom.js";
import { actsColumn, column, grid } from "../grid.js";
import { sign } from "../numbers.js";
import { use } from "../tables.js";
import { choose, desk, isChosen, onChoice, symbol } from "../shell/chosen.js";
import { onKey } from "../shell/keys.js";
import { chart } from "./chart.js";
import { ladder } from "./ladder.js";
import { cancel, isOpen } from "./order_actions.js";
import { blotter } from "./orders.js";
import { close, positionColumns } from "./positions.js";
import { ticket } from "./ticket.js";

/** There is no room for a filter in the heads of narrow columns. */
const SMALL = { filter: false, minWidth: 48 };

/** The columns of a working order, those first that there is room for beside what is held. */
const workingColumns = () => [
  column.text("symbol", "Symbol", { width: 68, ...SMALL }),
  column.side("side", "Side", { width: 52, ...SMALL }),
  column.number("leaves_qty", "Leaves", { width: 58, ...SMALL }),
  column.number("price", "Price", { width: 76, ...SMALL, valueGetter: ({ data }) => data.price ?? data.stop_price }),
  column.text("ord_status", "Status", { width: 110 }),
  column.text("order_type", "Type"),
  column.text("account", "Account"),
  column.text("order_id", "Order", { width: 80 }),
  column.time("received_time", "Received"),
  button("Cancel", (row) => `Cancel order ${row.order_id}`, cancel, isOpen),
];

/** The columns of a position, in the order in which they are looked at here. */
const HELD = [
  ["symbol", 68],
  ["position", 56, "Held"],
  ["unrealized_pnl", 72, "P&L"],
  ["avg_px", 80],
  ["mark_px", 80],
  ["realized_pnl", 92],
  ["day_pnl", 84],
  ["account", 92],
  ["position_id", 104],
];

const heldColumns = () => [
  ...HELD.map(([name, width, head]) => {
    const found = positionColumns(false).find((each) => each.field === name);
    return { ...found, width, ...SMALL, headerName: head ?? found.headerName };
  }),
  button(
    "Close",
    (row) => `Close ${row.symbol} of ${row.account}`,
    close,
    (row) => sign(row.position) !== 0,
  ),
];

/** Return a column of one button. */
function button(label, name, act, keeps) {
  return actsColumn(68, {
    valueGetter: ({ data }) => keeps(data),
    cellRenderer: ({ data }) =>
      keeps(data) && may("orders:write")
        ? el("span", { class: "row acts" }, el("button", { class: "tiny", tabindex: "-1", "aria-label": name(data), onclick: () => act(data) }, label))
        : "",
  });
}

export const trade = {
  name: "trade",
  title: "Trade",
  key: "t",
  scope: "orders:read",
  mount(box) {
    box.classList.add("fills-height");
    const order = ticket();
    const prices = ladder(order);
    const market = chart();
    const [workingBox, heldBox] = [el("div"), el("div")];
    const mayHeld = may("positions:read");
    const what = choice([...desk.instruments.keys()], { value: symbol(), "aria-label": "Symbol of the room", onchange: () => choose({ symbol: what.value }) });
    market.element.querySelector("h2").after(what);
    const only = el("input", { type: "checkbox", onchange: () => refilter() });
    box.append(
      el(
        "div",
        { class: "trade" },
        order.element,
        prices.element,
        market.element,
        list("Working orders", workingBox, [el("label", { class: "row" }, only, "this symbol only")]),
        mayHeld ? list("Positions", heldBox) : null,
      ),
    );
    const fits = (row) => !only.checked || row.symbol === symbol();
    const orders = blotter(workingBox, {
      label: "Working orders",
      columns: workingColumns(),
      keeps: (row) => isOpen(row) && fits(row),
      opened: (row) => {
        location.hash = `/orders/${row.order_id}`;
      },
    });
    const held = mayHeld ? positionsGrid(heldBox, fits) : null;
    const refilter = () => {
      orders.refilter();
      held?.refilter();
    };
    const ends = [
      onKey("l", "the price ladder", prices.focus),
      onKey("j", "to the working orders", orders.focus),
      onChoice((changed) => {
        if (changed.symbol !== undefined) {
          what.value = symbol();
          refilter();
        }
      }),
      orders.end,
      () => held?.end(),
      prices.end,
      market.end,
      order.end,
    ];
    return () => {
      for (const each of ends) each();
    };
  },
};

function list(title, gridBox, tools = []) {
  const made = panel(title, { tools, bare: true });
  made.body.replaceWith(gridBox);
  return made;
}

function positionsGrid(box, fits) {
  const made = grid(box, {
    columns: heldColumns(),
    label: "Positions",
    keeps: (row) => isChosen(row) && sign(row.position) !== 0 && fits(row),
    key: (row) => `${row.account} ${row.symbol} ${row.position_mode ? row.position_id : ""}`,
    opened: (row) => choose({ symbol: row.symbol }),
  });
  const rows = use("positions", (changed, isAll) => made.put(changed, isAll));
  const end = onChoice(() => made.refilter());
  return {
    refilter: made.refilter,
    end() {
      end();
      rows.end();
      made.end();
    },
  };
}
