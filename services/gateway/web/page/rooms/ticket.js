// The order ticket: every field that the contract has, what the order would do as it is typed, and the desk's refusal at
// the field that it names. Nothing is sent but by the button that names the side, or Ctrl+Enter.

import { look, may } from "../api.js";
import { choice, el, facts, panel, toast } from "../dom.js";
import { money, shown } from "../numbers.js";
import { account as chosenAccount, desk, modeOf, choose, onChoice, symbol, trades } from "../shell/chosen.js";
import { onKey } from "../shell/keys.js";
import { use } from "../tables.js";
import { algorithmFields } from "./algorithm_fields.js";
import { controlOf, fieldsOf, namedIn, wordsOf } from "./contract.js";
import { priceShown, tickOf, venueOf } from "./market.js";
import { said, sendOrder } from "./sending.js";

const PREVIEW_MS = 250;
/** After the market moved under an order that is written: its preview costs the desk some queries. */
const MOVED_PREVIEW_MS = 2_000;
const SIZES = ["quantity", "notional", "equity_percent", "risk_percent", "risk_amount"];
/** What a type needs beside its size; of one that is not here every price is shown. */
const NEEDS = {
  MARKET: [],
  MARKET_TO_LIMIT: [],
  LIMIT: ["price"],
  STOP: ["stop_price"],
  STOP_LIMIT: ["stop_price", "price"],
  TRAILING_STOP: ["trailing_offset", "trailing_offset_type"],
  MARKET_IF_TOUCHED: ["stop_price"],
  LIMIT_IF_TOUCHED: ["stop_price", "price"],
};
const PRICES = ["price", "stop_price", "trailing_offset", "trailing_offset_type"];
const WAITS = /STOP|TOUCHED/;
const BRACKET = ["stop_loss", "take_profit", "trailing_stop", "take_profits", "break_even", "stop_trigger_price_type"];
/** Said elsewhere, or by the page itself. */
const OWN = new Set([
  "v",
  "type",
  "signal_id",
  "account",
  "symbol",
  "side",
  "order_type",
  "time_in_force",
  "algorithm",
  "algorithm_parameters",
  "reduce_only",
  "post_only",
  "trigger_price_type",
  "expire_time",
  ...SIZES,
  ...PRICES,
  ...BRACKET,
]);
/** What an order of the ladder takes over: not the prices, which are of another price. */
const OF_LADDER = ["quantity", "time_in_force", "expire_time", "strategy", "position_id", "reduce_only", "post_only", "group_id", "self_trade_prevention"];

/** A click that comes sooner after another symbol was meant for what stood there before. */
const MOVED_MS = 700;

let kept = {}; // what was written, while another room is shown

/** Return `{element, fill, place, account, summary, onChange, focus, end}`. */
export function ticket() {
  const made = panel("Ticket", { label: "Order ticket" });
  made.classList.add("ticket");
  const wait = el("p", { class: "quiet" }, "reading what an order may be told…");
  made.body.append(wait);
  const state = { side: kept.side ?? "BUY", form: null, readers: new Set(), waiting: [] };
  const tell = (what) => {
    for (const each of state.readers) each(what);
  };
  fieldsOf("post", "/v1/orders")
    .then((fields) => {
      if (state.isOver) return;
      state.form = form(made, fields, state, tell);
      for (const each of state.waiting) each();
      tell("ready");
    })
    .catch((error) => {
      wait.textContent = `no order can be written: ${error.message}`;
      wait.className = "problem";
    });
  const ready = (then) => (state.form ? then() : state.waiting.push(then));
  // never later than it was asked for: what is typed meanwhile would lose its first digits
  const ends = [onKey("n", "the order ticket", () => state.form?.focus())];
  return {
    element: made,
    fill: (what) => ready(() => state.form.fill(what)),
    place: (what) => ready(() => state.form.place(what)),
    account: () => state.form?.account() ?? trades(),
    summary: () => state.form?.summary() ?? null,
    onChange(then) {
      state.readers.add(then);
      return () => state.readers.delete(then);
    },
    focus: () => state.form?.focus(),
    end() {
      state.isOver = true;
      for (const each of ends) each();
      state.form?.end();
    },
  };
}

function form(made, fields, state, tell) {
  const view = layout(fields, () => changed());
  const { boxes } = view;
  const given = () =>
    Object.fromEntries(
      [...boxes.values()]
        .filter((box) => !box.hidden)
        .map((box) => [box.name, box.given()])
        .filter(([, value]) => value !== undefined),
    );
  const account = () => boxes.get("account").control.value;
  let timer = 0;
  let followed = 0;
  let asking = 0; // previews on their way
  let turn = 0;
  let moved = -MOVED_MS; // when another symbol took the prices away

  /** Return the order as it is written. */
  function order() {
    const { size, ...rest } = given();
    return { ...rest, side: state.side, ...(size === undefined ? {} : { [view.kind.value]: size }), ...view.algorithm.given() };
  }

  /** Return how many an order of the ladder is of; null where the ticket does not say. */
  function summary() {
    const { size } = given();
    return size !== undefined && view.kind.value === "quantity" ? `LIMIT ${size} ${symbol()} for ${account()}` : null;
  }

  function changed() {
    view.preview.classList.add("old"); // what it says is of another order
    shape();
    clearTimeout(timer);
    timer = setTimeout(preview, PREVIEW_MS);
    tell("fields");
  }

  /** Ask anew, once it has been a while, what the order would do: the market is another. */
  function quoted() {
    if (!view.touch(quotes.rows(), fill) || followed) return;
    followed = setTimeout(follow, MOVED_PREVIEW_MS);
  }

  /** Not while one is on its way, whose answer would come to nothing, nor for nobody. */
  function follow() {
    followed = 0;
    if (asking > 0 || document.hidden) followed = setTimeout(follow, MOVED_PREVIEW_MS);
    else preview();
  }

  /** Show what the type needs, and what the button does. */
  function shape() {
    const type = boxes.get("order_type").control.value || (boxes.get("price").given() ? "LIMIT" : "MARKET");
    const needed = NEEDS[type] ?? PRICES;
    // without a type a price makes it a LIMIT
    for (const name of PRICES)
      boxes.get(name).hidden = !needed.includes(name) && !(name === "price" && (!boxes.get("order_type").control.value || view.algorithm.name()));
    boxes.get("trigger_price_type").hidden = !WAITS.test(type);
    boxes.get("expire_time").hidden = boxes.get("time_in_force").control.value !== "GTD";
    const isHedged = desk.accounts.get(account())?.position_mode === "HEDGING";
    (isHedged ? view.main : view.more).append(boxes.get("position_id"));
    const isLive = modeOf(account()) === "LIVE";
    view.send.className = `send ${state.side === "BUY" ? "buy" : "sell"}${isLive ? " live" : ""}`;
    view.send.textContent = `${state.side}${isLive ? " LIVE" : ""}`;
    view.send.title = `${said(order())} for ${account()} (Ctrl+Enter)`;
    for (const [side, input] of view.sides) input.checked = side === state.side;
  }

  async function preview() {
    const now = ++turn;
    const asked = order();
    const said = (...what) => {
      view.preview.classList.remove("old");
      view.preview.replaceChildren(...what);
    };
    const lacks = lacking(asked);
    if (lacks) {
      said(el("p", { class: "quiet" }, lacks));
      return;
    }
    asking += 1;
    try {
      const told = await look("/v1/orders/preview", asked);
      if (now === turn) said(...previewed(told, asked));
    } catch (error) {
      if (now === turn)
        said(
          el("p", { class: error.status === 422 ? "warn" : "quiet" }, error.status === 422 ? error.message : `no preview: ${error.message}`),
        );
    } finally {
      asking -= 1;
    }
  }

  function clear() {
    view.problem.textContent = "";
    for (const box of view.all()) box.wrong();
  }

  /** Say what is wrong at the fields that the desk names, else below the form. */
  function refused(problem) {
    const sentences = problem.said?.errors ?? [problem.message];
    const rest = [];
    for (const sentence of sentences) {
      const name = sentences.length === 1 ? (problem.field ?? namedIn(sentence)) : namedIn(sentence);
      const box = view.boxOf(name);
      if (!box || box.hidden) {
        rest.push(sentence);
        continue;
      }
      box.wrong(sentence);
      box.closest("details")?.setAttribute("open", "");
      if (rest.length === 0) box.control.focus();
    }
    view.problem.textContent = rest.join(" ");
    if (rest.length === 0) toast(problem.message, "bad");
  }

  async function send(what = order()) {
    clear();
    // What was typed as a symbol counts once it is chosen, which takes the prices away: they were another one's.
    if (what.symbol !== symbol()) boxes.get("symbol").control.dispatchEvent(new Event("change"));
    if (what.symbol !== symbol() || performance.now() - moved < MOVED_MS) {
      view.problem.textContent = "the symbol has just changed, and its prices are gone: look again";
      return;
    }
    view.send.disabled = true;
    try {
      await sendOrder(what);
    } catch (error) {
      refused(error);
    } finally {
      view.send.disabled = !may("orders:write");
    }
  }

  function fill({ side, ...rest }) {
    if (side) state.side = side;
    for (const [name, value] of Object.entries(rest)) if (name !== "symbol") boxes.get(name === "quantity" ? "size" : name)?.put(value);
    if (rest.price && /^(MARKET|STOP|TRAILING_STOP|MARKET_TO_LIMIT)?$/.test(boxes.get("order_type").control.value)) boxes.get("order_type").put("LIMIT");
    clear();
    changed();
  }

  /** Send a limit order at a price, with the ticket's size, account and terms, but without its prices. */
  function place({ side, price, symbol: of, venue }) {
    const now = order();
    const terms = Object.fromEntries(OF_LADDER.filter((name) => now[name] !== undefined).map((name) => [name, now[name]]));
    if (!terms.quantity) {
      toast("the ticket does not say how many", "bad");
      return;
    }
    const isHome = venue === (desk.instruments.get(of)?.venue ?? venue);
    sendOrder({ account: account(), symbol: of, side, ...terms, order_type: "LIMIT", price, ...(isHome ? {} : { venue }) }).catch((error) =>
      toast(error.message, "bad"),
    );
  }

  made.body.replaceChildren(view.form);
  view.form.addEventListener("submit", (event) => event.preventDefault());
  view.form.addEventListener("input", (event) => {
    view.boxOf(event.target.name)?.wrong();
    if (event.target.name === "side") state.side = event.target.value;
    changed();
  });
  boxes.get("account").control.addEventListener("change", () => {
    if (desk.accounts.has(account())) {
      tell("account");
      shape();
    }
  });
  boxes.get("symbol").control.addEventListener("change", () => {
    const name = boxes.get("symbol").control.value.trim();
    if (desk.instruments.has(name)) choose({ symbol: name });
    else boxes.get("symbol").wrong(`symbol: ${name || "nothing"} is none of this desk's`);
  });
  view.form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.target.tagName === "BUTTON" || event.target.tagName === "SUMMARY") return;
    event.preventDefault();
    clearTimeout(timer);
    if (!event.ctrlKey && !event.metaKey) preview();
    else if (!view.send.disabled) send();
  });
  view.send.addEventListener("click", () => send());
  view.send.disabled = !may("orders:write");
  const quotes = use("quotes", quoted);
  const end = onChoice((what) => {
    if (what.account) boxes.get("account").put(what.account);
    if (what.account !== undefined) tell("account");
    if (what.symbol !== undefined) {
      moved = performance.now();
      boxes.get("symbol").put(symbol());
      for (const name of [...PRICES, ...BRACKET]) boxes.get(name)?.put("");
    }
    view.touch(quotes.rows(), fill);
    changed();
  });
  boxes.get("account").put(kept.under === chosenAccount() && desk.accounts.has(kept.account) ? kept.account : trades());
  boxes.get("symbol").put(symbol());
  for (const [name, value] of Object.entries(kept.fields ?? {})) if (name !== "account" && name !== "symbol") boxes.get(name)?.put(value);
  if (kept.symbol !== symbol()) for (const name of [...PRICES, ...BRACKET]) boxes.get(name)?.put("");
  if (kept.kind) view.kind.value = kept.kind;
  shape();
  preview();
  return {
    fill,
    place,
    account,
    summary,
    focus: () => {
      boxes.get("size").control.focus();
      boxes.get("size").control.select();
    },
    end() {
      clearTimeout(timer);
      clearTimeout(followed);
      kept = {
        side: state.side,
        kind: view.kind.value,
        symbol: symbol(),
        account: account(),
        under: chosenAccount(),
        fields: Object.fromEntries([...boxes].map(([name, box]) => [name, box.control.type === "checkbox" ? box.control.checked : box.control.value])),
      };
      // an algorithm is not kept, and so neither is how much it was to work
      if (view.algorithm.name()) kept.fields.size = "";
      end();
      quotes.end();
    },
  };
}

/** Make the form out of the contract's fields. */
function layout(fields, changed) {
  const boxes = new Map();
  const box = (name, more) => {
    const said = fields.get(name) ?? { name, kind: "text", title: "" };
    const it = controlOf(said, { empty: /^(order_type|time_in_force)$/.test(name) ? "default" : "–", ...more });
    boxes.set(name, it);
    return it;
  };
  const names = (list) => list.filter((name) => fields.has(name)).map((name) => box(name));
  const account = controlOf({ ...fields.get("account"), kind: "choice", values: [...desk.accounts.keys()].sort() });
  account.control.firstElementChild.remove();
  boxes.set("account", account);
  const instrument = box("symbol");
  const known = el(
    "datalist",
    { id: `${instrument.control.id}list` },
    [...desk.instruments.keys()].map((each) => el("option", { value: each })),
  );
  instrument.control.setAttribute("list", known.id);
  const kind = choice(
    SIZES.filter((name) => fields.has(name)).map((name) => [name, wordsOf(name)]),
    { "aria-label": "Size in" },
  );
  const size = controlOf({ ...fields.get("quantity"), name: "size" }, { label: "Size" });
  boxes.set("size", size);
  size.querySelector("label").after(el("div", { class: "size" }, size.control, kind));
  const sides = ["BUY", "SELL"].map((side) => [side, el("input", { type: "radio", name: "side", value: side, class: "visually-hidden" })]);
  const main = el(
    "div",
    { class: "fields" },
    account,
    instrument,
    known,
    size,
    box("order_type", { label: "Type" }),
    box("time_in_force"),
    names([...PRICES, "trigger_price_type", "expire_time"]),
  );
  const flags = el("div", { class: "row" }, names(["reduce_only", "post_only"]));
  const bracket = el("div", { class: "fields" }, names(BRACKET));
  const more = el("div", { class: "fields" }, names([...fields.keys()].filter((name) => !OWN.has(name))));
  const algorithm = algorithmFields(changed);
  const preview = el("div", { class: "preview", role: "group", "aria-label": "Preview" });
  const problem = el("p", { class: "problem", role: "alert" });
  const send = el("button", { type: "button" });
  const touch = el("div", { class: "row touch", role: "group", "aria-label": "Market" });
  const fold = (title, ...inside) => el("details", {}, el("summary", {}, title), inside);
  const whole = el(
    "form",
    { novalidate: true, autocomplete: "off", "aria-label": "Order" },
    el(
      "div",
      { class: "ticket-fields" },
      el(
        "fieldset",
        { class: "sides" },
        el("legend", { class: "visually-hidden" }, "Side"),
        sides.map(([side, input]) => el("label", { class: side.toLowerCase() }, input, side)),
      ),
      touch,
      main,
      flags,
      fold("Bracket: stop loss, take profit", bracket),
      fold("Algorithm", algorithm.elements),
      fold("More", more),
    ),
    el("div", { class: "ticket-end" }, preview, problem, send),
  );
  let drawn = "";
  return {
    form: whole,
    boxes,
    kind,
    sides,
    main,
    more,
    algorithm,
    preview,
    problem,
    send,
    all: () => [...boxes.values(), ...algorithm.boxes()],
    boxOf: (name) => boxes.get(SIZES.includes(name) ? "size" : name) ?? algorithm.boxes().find((each) => each.name === name) ?? null,
    /** Show bid and ask; return whether they are others than before. */
    touch(rows, fill) {
      const of = symbol();
      const quote = rows.find((row) => row.symbol === of && row.venue === venueOf(of, rows));
      const tick = tickOf(of);
      const now = JSON.stringify([of, quote?.bid_px, quote?.ask_px, quote?.stale]);
      if (now === drawn) return false;
      drawn = now;
      const one = (label, price, kind) =>
        el(
          "button",
          { type: "button", class: "tiny", disabled: !price, title: "Take it as the price", onclick: () => fill({ price }) },
          `${label} `,
          el("b", { class: kind }, priceShown(price, tick)),
        );
      touch.replaceChildren(one("Bid", quote?.bid_px, "up"), one("Ask", quote?.ask_px, "down"), quote?.stale ? el("span", { class: "warn" }, "stale") : "");
      return true;
    },
  };
}

/** Return why an order cannot be looked at beforehand; null of one that can. */
function lacking(order) {
  if (!order.symbol || !SIZES.some((name) => order[name])) return "What it would cost is shown here once it has a size.";
  if (order.equity_percent || order.risk_percent) return "A share of equity is counted as the order comes: there is no preview of it.";
  const [first] = (NEEDS[order.order_type] ?? []).filter((name) => name !== "trailing_offset_type" && !order[name]);
  if (first && !order.algorithm) return `A ${order.order_type} order needs a ${wordsOf(first).toLowerCase()}.`;
  if (order.time_in_force === "GTD" && order.expire_time === undefined) return "A GTD order needs an expire time.";
  return null;
}

/** Return what a preview says. */
function previewed({ preview, route }, asked) {
  const { currency } = preview;
  const verdict = preview.refused
    ? el("p", { class: "bad" }, `would be refused: ${preview.text ?? preview.refused}`)
    : el("p", { class: "up" }, preview.text ? `would wait: ${preview.text}` : "would be taken");
  const legs = route?.legs?.map((leg) => `${leg.quantity} at ${leg.venue}${leg.avg_px ? `, ${leg.avg_px}` : ""}`).join("; ") || route?.text;
  const slip =
    preview.expected_slippage_bps === null
      ? null
      : `${shown(preview.expected_slippage_bps, 2)} bps${preview.expected_slippage === null ? "" : `, ${money(preview.expected_slippage)} ${currency}`}`;
  return [
    el("p", { class: "quiet" }, said(asked)),
    verdict,
    facts([
      ["Notional", preview.notional === null ? null : `${money(preview.notional)} ${currency}`],
      ["Fee", preview.fee_estimate === null ? null : `${money(preview.fee_estimate)} ${currency}`],
      ["Slippage", slip],
      ["Route", legs ?? preview.venue],
      ["Not looked at", preview.not_looked_at.length ? preview.not_looked_at.join(", ") : null],
    ]),
  ];
}
