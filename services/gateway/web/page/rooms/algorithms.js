// Orders that algorithms work: how far each is by its schedule and by its fills, its children, and pause, resume, cancel.

import { act, may } from "../api.js";
import { el, facts, panel, table, toast } from "../dom.js";
import { actsColumn, column, grid } from "../grid.js";
import { compare, shown, span, time } from "../numbers.js";
import { use } from "../tables.js";
import { isChosen, onChoice } from "../shell/chosen.js";
import { onKey } from "../shell/keys.js";
import { amend, cancel, isOpen } from "./order_actions.js";
import { bar } from "./targets.js";

const part = (some, all) => (some && compare(all, "0") > 0 ? Math.max(0, Math.min(100, Math.round((Number(some) / Number(all)) * 100))) : 0);

async function signal(type, row) {
  try {
    await act("POST", "/v1/signals", { type, account: row.account, order_id: row.order_id });
    toast(`${row.order_id}: ${type === "PauseOrder" ? "paused; what works of it is canceled" : "it goes on"}`, "good");
  } catch (error) {
    toast(`${row.order_id}: ${error.message}`, "bad");
  }
}

const isPaused = (row) => row.progress?.paused === true;

/** Return the buttons of a parent. */
function acts(row, isTiny) {
  if (!isOpen(row) || !may("orders:write")) return null;
  const one = (label, says, then) =>
    el("button", { class: isTiny ? "tiny" : null, tabindex: isTiny ? "-1" : null, "aria-label": `${says} order ${row.order_id}`, onclick: then }, label);
  return el(
    "span",
    { class: isTiny ? "row acts" : "row" },
    isPaused(row) ? one("Resume", "Resume", () => signal("ResumeOrder", row)) : one("Pause", "Pause", () => signal("PauseOrder", row)),
    isTiny ? null : one("Amend…", "Amend", () => amend(row)),
    one("Cancel", "Cancel", () => cancel(row)),
  );
}

const columns = () => [
  column.text("order_id", "Order", { width: 84, comparator: compare, cellClass: "number" }),
  column.time("received_time", "Received"),
  column.text("account", "Account"),
  column.text("symbol", "Symbol", { width: 92 }),
  column.side(),
  column.text("algorithm", "Algorithm", { width: 108 }),
  column.text("ord_status", "Status", {
    width: 118,
    valueGetter: ({ data }) => (isOpen(data) && isPaused(data) ? "Paused" : data.ord_status),
    cellClassRules: { warn: ({ value }) => value === "Paused", up: ({ value }) => value === "Filled" },
  }),
  column.number("quantity", "Quantity"),
  column.number("cum_qty", "Filled", { enableCellChangeFlash: true }),
  {
    headerName: "Done",
    colId: "done",
    width: 150,
    valueGetter: ({ data }) => part(data.cum_qty, data.quantity),
    cellRenderer: ({ value, data }) => bar(value, `Done of order ${data.order_id}`),
  },
  {
    headerName: "Planned",
    colId: "planned",
    width: 150,
    valueGetter: ({ data }) => (data.progress?.planned_qty ? part(data.progress.planned_qty, data.quantity) : null),
    cellRenderer: ({ value, data }) => (value === null ? "–" : bar(value, `Planned of order ${data.order_id}`)),
  },
  column.number("working", "Working", { valueGetter: ({ data }) => data.progress?.working_qty }),
  column.number("children", "Children", { width: 92, valueGetter: ({ data }) => data.progress?.children }),
  column.number("avg_px", "Average"),
  column.number("arrival", "Arrival", { valueGetter: ({ data }) => data.progress?.arrival_px }),
  column.text("why", "Why", { width: 240, valueGetter: ({ data }) => data.progress?.text ?? data.text }),
  ...(may("orders:write")
    ? [
        actsColumn(146, {
          valueGetter: ({ data }) => `${isOpen(data)} ${isPaused(data)}`,
          cellRenderer: ({ data }) => acts(data, true) ?? "",
        }),
      ]
    : []),
];

export const algorithms = {
  name: "algorithms",
  title: "Algorithms",
  key: "l",
  scope: "orders:read",
  mount(box, rest) {
    box.classList.add("fills-height");
    let all = false;
    let shownId = null;
    const every = el("input", {
      type: "checkbox",
      onchange: () => {
        all = every.checked;
        made.refilter();
      },
    });
    const gridBox = el("div");
    const list = panel("Worked orders", { tools: [el("label", { class: "row" }, every, "ended ones, too")], bare: true });
    list.body.replaceWith(gridBox);
    const side = panel("Worked order", {
      tools: [
        el(
          "button",
          {
            class: "quiet",
            "aria-label": "Close the order",
            onclick: () => {
              location.hash = "/algorithms";
            },
          },
          "✕",
        ),
      ],
    });
    side.classList.add("order-panel");
    side.hidden = true;
    box.append(el("div", { class: "beside" }, list, side));
    const made = grid(gridBox, {
      columns: columns(),
      key: (row) => row.order_id,
      label: "Worked orders",
      sort: ["received_time", "desc"],
      keeps: (row) => isChosen(row) && (all || isOpen(row)),
      opened: (row) => {
        location.hash = `/algorithms/${row.order_id}`;
      },
      keys: {
        c: (row) => isOpen(row) && may("orders:write") && cancel(row),
        p: (row) => isOpen(row) && may("orders:write") && signal(isPaused(row) ? "ResumeOrder" : "PauseOrder", row),
      },
    });
    const orders = use("orders", (changed, isAll) => {
      const worked = changed.filter((row) => row.algorithm);
      made.put(worked, isAll);
      if (worked.length > 0 && !isAll) made.refilter();
      if (shownId && changed.some((row) => row.order_id === shownId || row.parent_id === shownId)) draw();
    });

    function draw() {
      side.hidden = shownId === null;
      const row = orders.get(shownId);
      if (!row) {
        side.body.replaceChildren(el("p", { class: "empty" }, orders.isKnown() ? "this order is not among those that are kept" : "reading…"));
        return;
      }
      side.querySelector("h2").textContent = `${row.algorithm} ${row.order_id}: ${isOpen(row) && isPaused(row) ? "Paused" : row.ord_status}`;
      const { progress = {} } = row;
      const children = orders
        .rows()
        .filter((each) => each.parent_id === row.order_id)
        .sort((a, b) => compare(b.order_id, a.order_id));
      side.body.replaceChildren(
        ...[
          acts(row, false),
          el(
            "div",
            { class: "ways" },
            el("span", {}, "Done"),
            bar(part(row.cum_qty, row.quantity), "Done"),
            ...(progress.planned_qty ? [el("span", {}, "Planned"), bar(part(progress.planned_qty, row.quantity), "Planned")] : []),
          ),
          facts([
            ["Order", el("a", { href: `#/orders/${row.order_id}` }, `${row.side} ${shown(row.quantity)} ${row.symbol}`)],
            ["Limit", row.price],
            ["Filled", shown(row.cum_qty)],
            ["Planned by now", progress.planned_qty],
            ["Working", progress.working_qty],
            ["Average", row.avg_px],
            ["Arrival", progress.arrival_px],
            ["Market's average", progress.interval_vwap_px],
            ["Why", progress.text ?? row.text],
            ["Told", row.algorithm_parameters],
            ["Runs for", isOpen(row) ? span(Date.now() - row.received_time) : null],
          ]),
          children.length === 0
            ? el("p", { class: "empty" }, "no child is kept yet")
            : table(
                ["Child", "Time", ["Quantity", true], ["Price", true], ["Filled", true], "Status"],
                children.map((each) => [
                  el("a", { href: `#/orders/${each.order_id}` }, each.order_id),
                  time(each.received_time),
                  shown(each.quantity),
                  each.price ?? "market",
                  shown(each.cum_qty),
                  each.ord_status,
                ]),
                "Children",
              ),
        ].filter(Boolean),
      );
    }

    const ends = [
      onChoice(() => made.refilter()),
      onKey("j", "to the table", () => made.focus()),
      onKey("Escape", "close what is open", () => {
        location.hash = "/algorithms";
      }),
    ];
    const end = () => {
      for (const each of ends) each();
      orders.end();
      made.end();
    };
    end.show = ([order]) => {
      shownId = order ?? null;
      draw();
    };
    end.show(rest);
    return end;
  },
};
