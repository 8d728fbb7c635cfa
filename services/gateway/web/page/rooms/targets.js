// Targets: what is to be held, and how far the desk is with it; and exits: what closes positions by itself.

import { act, may, part } from "../api.js";
import { ask, choice, el, field, panel, toast } from "../dom.js";
import { actsColumn, column, grid } from "../grid.js";
import { absolute, compare, less, shown, sign, sum } from "../numbers.js";
import { use } from "../tables.js";
import { desk, isChosen, onChoice, symbol, trades } from "../shell/chosen.js";
import { onKey } from "../shell/keys.js";
import { algorithmFields } from "./algorithm_fields.js";
import { controlOf, fieldsOf } from "./contract.js";

const OVER = new Set(["REACHED", "FAILED", "REPLACED", "CANCELED"]);
const ENDED = new Set(["DONE", "ENDED", "FAILED"]);
const STATES = { REACHED: "up", FAILED: "bad", RETRYING: "warn", WAITING: "warn" };

/** Return how far a target is, in per cent of the way from where it began: for a bar, so a float will do. */
function wayOf(row, held) {
  if (row.target_status === "REACHED") return 100;
  const [whole, left] = [absolute(less(row.target_qty, row.start_qty)), absolute(less(row.target_qty, held))];
  if (compare(whole, "0") === 0) return compare(left, "0") === 0 ? 100 : 0;
  return Math.max(0, Math.min(100, Math.round((1 - Number(left) / Number(whole)) * 100)));
}

/** Return a bar of so many per cent, with its name. */
export function bar(percent, label) {
  return el("span", { class: "way" }, el("progress", { max: 100, value: percent, "aria-label": label }), `${percent} %`);
}

/** The columns of a target; `heldOf(row)` is what is held by now, which its own row tells only as its state changes. */
const targetColumns = (heldOf) => [
  column.time("asked_time", "Asked"),
  column.text("account", "Account"),
  column.text("symbol", "Symbol", { width: 96 }),
  column.text("target_status", "Status", {
    width: 112,
    enableCellChangeFlash: true,
    cellClassRules: Object.fromEntries(["up", "bad", "warn"].map((of) => [of, ({ value }) => STATES[value] === of])),
  }),
  column.number("start_qty", "From"),
  column.number("held_qty", "Held", { enableCellChangeFlash: true, valueGetter: ({ data }) => heldOf(data) }),
  column.number("target_qty", "Target"),
  {
    headerName: "Progress",
    colId: "way",
    width: 150,
    valueGetter: ({ data }) => wayOf(data, heldOf(data)),
    cellRenderer: ({ value, data }) => bar(value, `Progress of ${data.symbol}`),
  },
  column.number("attempt", "Orders", { width: 84 }),
  column.number("traded_qty", "Traded"),
  column.number("traded_px", "At"),
  column.number("shortfall", "Shortfall"),
  column.number("paid_fees", "Fees", { width: 90 }),
  column.text("text", "Why", { width: 240 }),
  ...(may("orders:write")
    ? [
        actsColumn(84, {
          valueGetter: ({ data }) => !OVER.has(data.target_status),
          cellRenderer: ({ data }) =>
            OVER.has(data.target_status)
              ? ""
              : el(
                  "span",
                  { class: "row acts" },
                  el("button", { class: "tiny", tabindex: "-1", "aria-label": `Let go of the target of ${data.symbol}`, onclick: () => letGo(data) }, "Let go"),
                ),
        }),
      ]
    : []),
];

const exitColumns = () => [
  column.text("account", "Account"),
  column.text("symbol", "Symbol", { width: 96 }),
  column.text("exit_status", "Status", {
    width: 104,
    cellClassRules: { bad: ({ value }) => value === "FAILED", warn: ({ value }) => value === "TRIGGERED", up: ({ value }) => value === "ARMED" },
  }),
  column.number("held_qty", "Held"),
  column.number("quantity", "Of it", { valueFormatter: ({ value }) => (value ? shown(value) : "all") }),
  column.number("stop_px", "Stop"),
  column.number("take_profit_px", "Profit"),
  column.number("mark_px", "Mark"),
  column.number("break_even_px", "Break even"),
  column.number("activation_px", "Trails from"),
  column.time("exit_time", "At the latest"),
  column.text("exit_reason", "Reached", { width: 110 }),
  column.number("exit_qty", "Closed"),
  column.number("exit_px", "At"),
  column.text("protection_id", "Protection", { width: 120 }),
  column.text("position_id", "Position", { width: 104 }),
  column.text("text", "Why", { width: 220 }),
  ...(may("orders:write")
    ? [
        actsColumn(94, {
          valueGetter: ({ data }) => data.exit_status === "ARMED",
          cellRenderer: ({ data }) =>
            data.exit_status !== "ARMED"
              ? ""
              : el(
                  "span",
                  { class: "row acts" },
                  el("button", { class: "tiny", tabindex: "-1", "aria-label": `Remove the exit of ${data.symbol}`, onclick: () => bare(data) }, "Remove"),
                ),
        }),
      ]
    : []),
];

async function letGo(row) {
  try {
    await act("DELETE", `/v1/targets/${part(row.symbol)}?account=${part(row.account)}`);
    toast(`${row.symbol}: its target is let go; what its orders did stays`, "good");
  } catch (error) {
    toast(`${row.symbol}: ${error.message}`, "bad");
  }
}

function bare(row) {
  ask(`Take the exit of ${row.symbol} away`, [el("p", {}, `${row.held_qty} ${row.symbol} of ${row.account} is then not protected by ${row.protection_id}.`)], {
    label: "Take it away",
    danger: true,
    act: async () => {
      const asked = new URLSearchParams({ account: row.account, protection_id: row.protection_id, position_id: row.position_id });
      await act("DELETE", `/v1/positions/${part(row.symbol)}/protect?${asked}`);
      toast(`${row.symbol}: the exit is gone`, "good");
    },
  });
}

/** Ask what is to be held, in a quantity or as a weight of equity. */
async function aim() {
  let fields;
  try {
    fields = await fieldsOf("post", "/v1/targets");
  } catch (error) {
    toast(error.message, "bad");
    return;
  }
  const account = choice([...desk.accounts.keys()].sort(), { value: trades() });
  const instrument = choice([...desk.instruments.keys()], { value: symbol() });
  const kind = choice([
    ["target", "a signed quantity"],
    ["weight", "a share of equity (1 is all)"],
  ]);
  const size = el("input", { inputmode: "decimal", required: true, autocomplete: "off" });
  const more = ["tolerance", "min_value", "strategy"].map((name) => controlOf(fields.get(name)));
  const algorithm = algorithmFields(() => {}, { none: "none: market orders" });
  const dialog = ask(
    "What is to be held",
    [
      el(
        "div",
        { class: "fields" },
        field("Account", account),
        field("Symbol", instrument),
        field("As", kind),
        field("How much: long above 0, short below", size),
      ),
      el("details", {}, el("summary", {}, "More"), el("div", { class: "fields" }, more), algorithm.elements),
    ],
    {
      label: "Go for it",
      ready: () => size.value.trim() !== "",
      act: async () => {
        const given = Object.fromEntries(more.map((box) => [box.name, box.given()]).filter(([, value]) => value !== undefined));
        await act("POST", "/v1/targets", { account: account.value, symbol: instrument.value, [kind.value]: size.value.trim(), ...given, ...algorithm.given() });
        toast(`${instrument.value}: the desk goes for ${size.value.trim()}`, "good");
      },
    },
  );
  dialog.classList.add("wide");
  size.focus();
}

export const targets = {
  name: "targets",
  title: "Targets",
  key: "e",
  scope: "positions:read",
  mount(box) {
    box.classList.add("fills-height");
    let all = false;
    const every = el("input", {
      type: "checkbox",
      onchange: () => {
        all = every.checked;
        for (const each of [goals, exits]) each.refilter();
      },
    });
    const set = el("button", { class: "primary", hidden: !may("orders:write"), onclick: aim }, "Set a target…");
    const [goalsBox, exitsBox] = [el("div"), el("div")];
    const above = panel("Targets", { tools: [el("label", { class: "row" }, every, "ended ones, too"), set], bare: true });
    const below = panel("Exits", { bare: true });
    above.body.replaceWith(goalsBox);
    below.body.replaceWith(exitsBox);
    box.append(el("div", { class: "halves" }, above, below));
    const held = use("positions", () => goals.api.refreshCells({ columns: ["held_qty", "way"] }));
    const goals = follow(goalsBox, "targets", {
      columns: targetColumns((row) => heldOf(row, held.rows())),
      label: "Targets",
      sort: ["asked_time", "desc"],
      key: (row) => `${row.account} ${row.symbol} ${row.signal_id}`,
      keeps: (row) => all || !OVER.has(row.target_status),
    });
    const exits = follow(exitsBox, "exits", {
      columns: exitColumns(),
      label: "Exits",
      sort: ["symbol", "asc"],
      key: (row) => `${row.account} ${row.symbol} ${row.position_id} ${row.protection_id}`,
      keeps: (row) => all || (!ENDED.has(row.exit_status) && sign(row.held_qty) !== 0),
    });
    const ends = [
      onChoice(() => {
        goals.refilter();
        exits.refilter();
      }),
      onKey("j", "to the table", () => goals.focus()),
      onKey("+", "set a target", () => may("orders:write") && aim()),
    ];
    return () => {
      for (const each of ends) each();
      held.end();
      goals.end();
      exits.end();
    };
  },
};

function heldOf(row, positions) {
  const here = OVER.has(row.target_status) ? [] : positions.filter((each) => each.account === row.account && each.symbol === row.symbol);
  return here.length === 0 ? row.held_qty : sum(here.map((each) => each.position));
}

/** Return a grid that shows a topic's rows. */
function follow(box, topic, { keeps, ...asked }) {
  const made = grid(box, { ...asked, keeps: (row) => isChosen(row) && keeps(row) });
  const rows = use(topic, (changed, isAll) => {
    made.put(changed, isAll);
    if (!isAll) made.refilter();
  });
  return {
    ...made,
    end() {
      rows.end();
      made.end();
    },
  };
}
