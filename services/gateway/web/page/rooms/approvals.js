// The inbox of orders that wait for a person: what each would do, until when it waits, a yes or a no with a reason, and
// what became of those that were answered.

import { act, get, may, part } from "../api.js";
import { behind } from "../asking.js";
import { ask, el, field, panel, table, toast } from "../dom.js";
import { money, shown, span, time, times } from "../numbers.js";
import { use } from "../tables.js";
import { isChosen, onChoice } from "../shell/chosen.js";

const KEPT = 100; // answers that are shown
const READ = 500; // controls that answers are looked for in

/** Whether an order waits for a person. */
const waits = (row) => Boolean(row.approval_time) && row.ord_status === "Suspended";

const priceOf = (row) => [row.price ? shown(row.price) : "at the market", row.stop_price && `stop ${shown(row.stop_price)}`].filter(Boolean).join(", ");

/** Let an order go: as it is, smaller, or at a less aggressive price. */
function approve(row) {
  const reason = el("input", { required: true, maxlength: 200, value: "seen" });
  const quantity = el("input", { inputmode: "decimal", value: row.quantity });
  const price = row.price ? el("input", { inputmode: "decimal", value: row.price }) : null;
  const changed = () =>
    Object.fromEntries(
      Object.entries({ quantity, price })
        .filter(([name, input]) => input && input.value.trim() !== "" && input.value.trim() !== row[name])
        .map(([name, input]) => [name, input.value.trim()]),
    );
  ask(
    `Approve order ${row.order_id}`,
    [
      el("p", {}, words(row)),
      field("Quantity, no more than it asks for", quantity),
      price && field(`Price, no ${row.side === "BUY" ? "higher" : "lower"} than it asks for`, price),
      field("Why", reason),
    ].filter(Boolean),
    {
      label: "Approve",
      ready: () => reason.value.trim() !== "",
      act: async () => toast((await act("POST", `/v1/orders/${part(row.order_id)}/approve`, { reason: reason.value.trim(), ...changed() })).text, "good"),
    },
  );
  reason.select();
}

/** Say no: the order is canceled. */
function refuse(row) {
  const reason = el("input", { required: true, maxlength: 200 });
  ask(`Refuse order ${row.order_id}`, [el("p", {}, `${words(row)} is canceled.`), field("Why", reason)], {
    label: "Refuse",
    danger: true,
    ready: () => reason.value.trim() !== "",
    act: async () => toast((await act("POST", `/v1/orders/${part(row.order_id)}/refuse`, { reason: reason.value.trim() })).text, "good"),
  });
  reason.focus();
}

const words = (row) => `${row.side} ${shown(row.quantity)} ${row.symbol} ${priceOf(row)}, for ${row.account}`;

export const approvals = {
  name: "approvals",
  title: "Approvals",
  key: "a",
  scope: "controls:read",
  mount(box) {
    const inbox = panel("Waiting for a person");
    const done = panel("Answered");
    const answers = new Map();
    const clocks = new Map();
    box.append(inbox, done);

    const orders = use("orders", draw);
    const quotes = may("market:read") ? use("quotes", markets) : null;
    const touches = new Map();

    function draw() {
      const rows = orders
        .rows()
        .filter((row) => waits(row) && isChosen(row))
        .sort((a, b) => a.approval_time - b.approval_time);
      const now = JSON.stringify([orders.isKnown(), rows]);
      if (now === inbox.drawn) return;
      inbox.drawn = now;
      clocks.clear();
      touches.clear();
      const heads = [
        "Order",
        "Account",
        "Symbol",
        "Side",
        ["Quantity", true],
        ["Price", true],
        ["Value", true],
        ["Market", true],
        "Strategy",
        "Why",
        ["Time left", true],
        ...(may("controls:write") ? ["Answer"] : []),
      ];
      inbox.body.replaceChildren(
        rows.length === 0
          ? el("p", { class: "empty" }, orders.isKnown() ? "no order waits for a yes" : "reading…")
          : el(
              "div",
              { class: "wide-table", tabindex: "0", role: "group", "aria-label": "Orders that wait" },
              table(heads, rows.map(line), "Orders that wait"),
            ),
      );
      tick();
      markets();
    }

    function line(row) {
      const left = el("span");
      const market = el("span", {}, "–");
      clocks.set(left, row.approval_time);
      touches.set(market, row);
      const acts = may("controls:write")
        ? [
            el(
              "div",
              { class: "row" },
              el("button", { class: "primary", "aria-label": `Approve order ${row.order_id}`, onclick: () => approve(row) }, "Approve…"),
              el("button", { "aria-label": `Refuse order ${row.order_id}`, onclick: () => refuse(row) }, "Refuse…"),
            ),
          ]
        : [];
      return [
        el("a", { href: `#/orders/${row.order_id}` }, row.order_id),
        row.account,
        row.symbol,
        el("b", { class: row.side === "BUY" ? "up" : "down" }, row.side),
        shown(row.quantity),
        priceOf(row),
        row.price ? money(times(row.quantity, row.price)) : "–",
        market,
        row.strategy,
        row.text,
        left,
        ...acts,
      ];
    }

    function tick() {
      for (const [node, until] of clocks) {
        const left = until - Date.now();
        node.textContent = left > 0 ? span(left) : "over";
        node.className = left < 60_000 ? "warn" : "";
        node.title = `until ${time(until)}`;
      }
    }

    function markets() {
      for (const [node, row] of touches) {
        const quote = quotes?.get(`${row.venue} ${row.symbol}`);
        node.textContent = quote ? `${quote.bid_px ?? "–"} / ${quote.ask_px ?? "–"}${quote.stale ? ", stale" : ""}` : "–";
      }
    }

    function answered(rows) {
      for (const row of rows) if (/^(Approve|Refuse)$/.test(row.control)) answers.set(row.control_id, { ...row, time: row.time ?? row.updated_time });
      const all = [...answers.values()].sort((a, b) => b.time - a.time).slice(0, KEPT);
      done.body.replaceChildren(
        all.length === 0
          ? el("p", { class: "empty" }, "nothing was answered yet")
          : el(
              "div",
              { class: "wide-table", tabindex: "0", role: "group", "aria-label": "Answers" },
              table(
                ["Time", "Who", "What", "Why", "What came of it"],
                all.map((row) => [
                  time(row.time),
                  row.who,
                  row.control === "Approve" ? "approved" : "refused",
                  row.reason,
                  el("span", { class: row.refusal || row.type === "ControlRejected" ? "bad" : "" }, row.text),
                ]),
                "Answers",
              ),
            ),
      );
    }

    const read = async () => {
      const found = await get(`/v1/controls?limit=${READ}`);
      answered(found.controls);
      return found;
    };
    const unfollow = behind("controls", read, answered, (error) => done.body.replaceChildren(el("p", { class: "problem", role: "alert" }, error.message)));
    const clock = setInterval(tick, 1_000);
    const end = onChoice(() => {
      draw();
      answered([]);
    });
    draw();
    return () => {
      clearInterval(clock);
      end();
      unfollow();
      orders.end();
      quotes?.end();
    };
  },
};
