// Fills as they come, none left out: what traded, at which price, what it cost, and whether it still stands. A fill that
// its venue took back or corrected is read again, so that its row says what counts now.

import { get, part } from "../api.js";
import { behind } from "../asking.js";
import { el, panel, table, toast } from "../dom.js";
import { column, grid } from "../grid.js";
import { money, shown, sum, times } from "../numbers.js";
import { isChosen, onChoice } from "../shell/chosen.js";
import { onKey } from "../shell/keys.js";

const PAGE = 500;

const standing = (row) => (row.busted_time ? "busted" : row.corrected_time ? "corrected" : row.inferred ? "inferred" : "");

const columns = () => [
  column.time("time", "Time"),
  column.text("account", "Account"),
  column.text("symbol", "Symbol", { width: 96 }),
  column.side(),
  column.number("last_qty", "Quantity"),
  column.number("last_px", "Price"),
  column.money("value", "Value", { valueGetter: ({ data }) => times(data.last_qty, data.last_px) }),
  column.number("fee", "Fee", { width: 90 }),
  column.text("currency", "Cur.", { width: 76 }),
  column.text("liquidity", "Liquidity", { width: 92 }),
  column.text("standing", "Stands", {
    width: 100,
    valueGetter: ({ data }) => standing(data),
    cellClassRules: { bad: ({ value }) => value === "busted", warn: ({ value }) => value !== "" && value !== "busted" },
  }),
  column.text("order_id", "Order", {
    width: 90,
    cellRenderer: ({ value }) => el("a", { href: `#/orders/${value}`, tabindex: "-1", "aria-label": `Order ${value}` }, value),
  }),
  column.text("venue", "Venue", { width: 86 }),
  column.text("strategy", "Strategy"),
  column.text("exec_id", "Execution", { width: 140 }),
  column.text("text", "Why", { width: 240 }),
];

/** A venue counts its fills for itself. */
const keyOf = (row) => `${row.venue} ${row.exec_id}`;
const SUMS_MS = 2_000;

export const fills = {
  name: "fills",
  title: "Fills",
  key: "f",
  scope: "orders:read",
  mount(box) {
    box.classList.add("fills-height");
    const find = el("input", { type: "search", placeholder: "find (/)", "aria-label": "Find fills", oninput: () => made.quick(find.value) });
    const older = el("button", { onclick: () => more(), disabled: true }, "Older…");
    const list = panel("Fills", { tools: [find, older], bare: true });
    const gridBox = el("div");
    list.body.replaceWith(gridBox);
    const sums = panel("Traded, of what is shown");
    box.append(el("div", { class: "stacked" }, sums, list));
    const made = grid(gridBox, {
      columns: columns(),
      key: keyOf,
      label: "Fills",
      sort: ["time", "desc"],
      keeps: isChosen,
      opened: (row) => {
        location.hash = `/orders/${row.order_id}`;
      },
    });
    const known = new Map();
    let cursor = null;
    let pending = 0;
    let isOver = false;

    function put(rows) {
      if (isOver) return;
      for (const row of rows) known.set(keyOf(row), row);
      made.put(rows);
      due();
    }

    /** Draw the sums with the next picture, and not again before two seconds have gone: they are of all that is shown. */
    function due() {
      pending ||= setTimeout(() => {
        pending = 0;
        draw();
      }, SUMS_MS);
    }

    function draw() {
      const groups = Map.groupBy(
        [...known.values()].filter((row) => isChosen(row) && !row.busted_time),
        (row) => row.currency,
      );
      const of = (rows, side) => sum(rows.filter((row) => (row.side === "BUY") === (side === "BUY")).map((row) => times(row.last_qty, row.last_px)));
      const lines = [...groups]
        .sort()
        .map(([currency, rows]) => [currency, String(rows.length), money(of(rows, "BUY")), money(of(rows, "SELL")), shown(sum(rows.map((row) => row.fee)))]);
      sums.body.replaceChildren(
        lines.length === 0
          ? el("p", { class: "empty" }, "no fill yet")
          : table(["Currency", ["Fills", true], ["Bought", true], ["Sold", true], ["Fees", true]], lines, "Traded by currency"),
      );
    }

    async function heard(messages) {
      put(messages.filter((each) => each.type === "OrderFilled"));
      const changed = new Set(messages.filter((each) => each.type !== "OrderFilled").map((each) => each.order_id));
      for (const order of changed) {
        try {
          put((await get(`/v1/fills?order_id=${part(order)}&limit=1000`)).fills);
        } catch (error) {
          toast(`order ${order}: ${error.message}`, "bad");
        }
      }
    }

    /** Read the newest, and go on behind them: nothing is missed between the two. */
    async function read() {
      const found = await get(`/v1/fills?limit=${PAGE}`);
      if (isOver) return found;
      known.clear();
      for (const row of found.fills) known.set(keyOf(row), row);
      made.put(found.fills, true);
      draw();
      cursor = found.next;
      older.disabled = cursor === null;
      return found;
    }

    async function more() {
      older.disabled = true;
      try {
        const found = await get(`/v1/fills?limit=${PAGE}&cursor=${part(cursor)}`);
        put(found.fills);
        cursor = found.next;
      } catch (error) {
        toast(error.message, "bad");
      }
      older.disabled = cursor === null;
    }

    const ends = [
      onChoice(() => {
        made.refilter();
        draw();
      }),
      onKey("/", "find", () => find.focus()),
      onKey("j", "to the table", () => made.focus()),
    ];
    const unfollow = behind("fills", read, heard, (error) => sums.body.replaceChildren(el("p", { class: "problem", role: "alert" }, error.message)));
    return () => {
      isOver = true;
      clearTimeout(pending);
      unfollow();
      made.end();
      for (const each of ends) each();
    };
  },
};
