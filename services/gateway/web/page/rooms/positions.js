// What is held, and what it makes: gross and net, of the day and in all, by position and together.

import { act, may, part } from "../api.js";
import { ask, el, field, panel, table, toast } from "../dom.js";
import { actsColumn, column, grid } from "../grid.js";
import { less, money, sign, sum } from "../numbers.js";
import { use } from "../tables.js";
import { isChosen, onChoice } from "../shell/chosen.js";

// What no market marks is not known, and no sum either that it belongs to.
const isKnown = (row) => sign(row.position) === 0 || (row.unrealized_pnl ?? null) !== null;
const gross = (row) => (isKnown(row) ? sum([row.realized_pnl, row.unrealized_pnl]) : null);
const net = (row) => (isKnown(row) ? less(gross(row), row.fees) : null);

export const positionColumns = (acts) => [
  column.text("account", "Account"),
  column.text("symbol", "Symbol"),
  column.number("position", "Position", { cellClassRules: { up: ({ value }) => sign(value) > 0, down: ({ value }) => sign(value) < 0 } }),
  column.number("avg_px", "Average"),
  column.number("mark_px", "Mark", { cellClassRules: { warn: ({ data }) => data.mark_stale === true }, tooltipValueGetter: ({ data }) => (data.mark_stale ? "the venue has not quoted it for too long" : undefined) }),
  column.gain("unrealized_pnl", "Unrealized"),
  column.gain("realized_pnl", "Realized"),
  column.money("fees", "Fees", { width: 90 }),
  column.gain("gross", "Gross", { valueGetter: ({ data }) => gross(data) }),
  column.gain("net", "Net", { valueGetter: ({ data }) => net(data) }),
  column.gain("day_pnl", "Day"),
  column.text("currency", "Cur.", { width: 76 }),
  column.text("position_id", "Position's id", { width: 110 }),
  ...(acts ? [actsColumn(150, {
    valueGetter: ({ data }) => sign(data.position) !== 0,
    cellRenderer: ({ data }) => (sign(data.position) !== 0 && may("orders:write") ? el("span", { class: "row acts" },
      el("button", { class: "tiny", "aria-label": `Protect ${data.symbol}`, tabindex: "-1", onclick: () => protect(data) }, "Protect"),
      el("button", { class: "tiny", "aria-label": `Close ${data.symbol}`, tabindex: "-1", onclick: () => close(data) }, "Close")) : ""),
  })] : []),
];

const named = (row) => ({ account: row.account, ...(row.position_mode ? { position_id: row.position_id } : {}) });

/** Close a position at the market. */
export function close(row) {
  ask(`Close ${row.symbol}`, [el("p", {}, `${row.position} ${row.symbol} of ${row.account} is closed at the market.`)], {
    label: "Close it", danger: true,
    act: async () => {
      const told = await act("POST", `/v1/positions/${part(row.symbol)}/close`, named(row));
      toast(told.text ?? `${row.symbol}: ${told.ord_status ?? told.order?.ord_status ?? "asked for"}`, "good");
    },
  });
}

/** Set a stop, a target or a trailing stop for a position. */
export function protect(row) {
  const inputs = Object.fromEntries([["stop_loss", "Stop loss"], ["take_profit", "Take profit"], ["trailing_stop", "Trailing stop, how far"]]
    .map(([name, label]) => [name, field(label, el("input", { inputmode: "decimal" }))]));
  const given = () => Object.entries(inputs).map(([name, box]) => [name, box.control.value.trim()]).filter(([, value]) => value);
  ask(`Protect ${row.symbol}`, [el("p", { class: "quiet" }, `${row.position} at ${row.avg_px}, marked ${row.mark_px ?? "nowhere"}`), ...Object.values(inputs)], {
    label: "Protect", ready: () => given().length > 0,
    act: async () => {
      await act("POST", `/v1/positions/${part(row.symbol)}/protect`, { ...named(row), ...Object.fromEntries(given()) });
      toast(`${row.symbol} is protected`, "good");
    },
  });
}

const SUMS = [["unrealized_pnl", (row) => row.unrealized_pnl], ["realized_pnl", (row) => row.realized_pnl], ["fees", (row) => row.fees], ["gross", gross], ["net", net], ["day_pnl", (row) => row.day_pnl]];

/** Return a sum; null where a part of it is not known. */
function total(name, rows, value) {
  const parts = rows.map(value);
  const lacks = rows.some((row, at) => sign(row.position) !== 0 && (parts[at] ?? null) === null);
  return lacks && name !== "fees" ? null : sum(parts);
}

/** Return sums of rows by a name of them and the currency, for nothing is added across currencies. */
function totals(rows, by) {
  const groups = new Map();
  for (const row of rows) {
    const key = JSON.stringify([by(row), row.currency]);
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  return [...groups].map(([key, of]) => [...JSON.parse(key), ...SUMS.map(([name, value]) => total(name, of, value))]);
}

const gain = (value) => el("span", { class: sign(value) > 0 ? "up" : sign(value) < 0 ? "down" : "" }, money(value));

export const positions = {
  name: "positions", title: "Positions", key: "p", scope: "positions:read",
  mount(box) {
    box.classList.add("fills-height");
    let flat = false;
    const all = el("input", { type: "checkbox", onchange: () => { flat = all.checked; made.refilter(); } });
    const list = panel("Positions", { tools: [el("label", { class: "row" }, all, "flat ones, too")], bare: true });
    const gridBox = el("div");
    list.body.replaceWith(gridBox);
    const sums = panel("Profit and loss");
    box.append(el("div", { class: "stacked" }, sums, list));
    const made = grid(gridBox, {
      columns: positionColumns(true), key: (row) => `${row.account} ${row.symbol} ${row.position_mode ? row.position_id : ""}`,
      label: "Positions", sort: ["symbol", "asc"], keeps: (row) => isChosen(row) && (flat || sign(row.position) !== 0),
    });
    const rows = use("positions", (changed, isAll) => { made.put(changed, isAll); draw(); });
    function draw() {
      const seen = rows.rows().filter(isChosen);
      const heads = ["Account", "Cur.", ["Unrealized", true], ["Realized", true], ["Fees", true], ["Gross", true], ["Net", true], ["Day", true]];
      const lines = totals(seen, (row) => row.account);
      const whole = new Set(lines.map(([of]) => of)).size > 1 ? totals(seen, () => "all accounts") : [];
      sums.body.replaceChildren(lines.length === 0 ? el("p", { class: "empty" }, "no position yet")
        : table(heads, [...lines, ...whole].map(([of, currency, ...values]) => [of, currency, gain(values[0]), gain(values[1]), money(values[2]), ...values.slice(3).map(gain)]), "Profit and loss by account"));
    }
    const end = onChoice(() => { made.refilter(); draw(); });
    draw();
    return () => { end(); rows.end(); made.end(); };
  },
};
