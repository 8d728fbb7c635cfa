// Accounts: what they are worth, how that went, what they are exposed to, and the limits that hold them.

import { act, get, may, part, sql, who } from "../api.js";
import { every } from "../asking.js";
import { ask, choice, el, field, panel, table, toast } from "../dom.js";
import { lines } from "../lines.js";
import { compare, money, shown, sign } from "../numbers.js";
import { use } from "../tables.js";
import { account, desk, isChosen, load, modeOf, onChoice } from "../shell/chosen.js";

const SPANS = [["1", "today"], ["7", "7 days"], ["30", "30 days"], ["", "all"]];
const DIMENSIONS = ["strategy", "symbol", "sector", "currency"];
const WORTH = [
  ["equity", "Equity", money], ["cash_balance", "Cash", money], ["day_pnl", "Day", money], ["unrealized_pnl", "Unrealized", money],
  ["gross_exposure", "Gross exposure", money], ["net_exposure", "Net exposure", money], ["leverage_ratio", "Leverage", (v) => shown(v, 2)],
  ["drawdown_ratio", "Drawdown", percent], ["value_at_risk", "Value at risk", money], ["buying_power", "Buying power", money],
];
/** Limits of which it can be seen how much is used: by which figure of an account. */
const USES = [
  ["max_drawdown", "drawdown_ratio", percent], ["max_leverage", "leverage_ratio", (v) => shown(v, 2)], ["max_concentration", "concentration_ratio", (v) => shown(v, 2)],
  ["max_value_at_risk", "value_at_risk", money], ["max_gross_exposure", "gross_exposure", money, "held, without what works"],
  ["max_net_exposure", "net_exposure", money, "held, without what works"],
];
const NEARLY = 0.8;
/** Terms of an account that are no limits. */
const NO_LIMITS = new Set(["account", "account_id", "venue", "updated_time", "trading_state", "mode", "currency", "overridden"]);

function percent(value) {
  return value === null || value === undefined ? "–" : `${shown(String(Number(value) * 100), 2)} %`;
}

/** Return how much of each of its limits an account has used, as bars: for the eye, so a float will do. */
function uses(row) {
  const terms = desk.accounts.get(row.account) ?? {};
  // a ratio that is not there is of an account that holds something and has no equity: beyond every limit
  const beyond = (of) => /_ratio$/.test(of) && row.equity !== null && compare(row.equity, "0") <= 0 && sign(row.gross_exposure) !== 0;
  return USES.filter(([limit, of]) => (terms[limit] ?? null) !== null && ((row[of] ?? null) !== null || beyond(of))).map(([limit, of, as, note]) => {
    const isBeyond = (row[of] ?? null) === null;
    const used = isBeyond ? Infinity : Math.abs(Number(row[of])) / Number(terms[limit]);
    const words = isBeyond ? `no equity, of ${as(terms[limit])}` : `${as(row[of])} of ${as(terms[limit])}${note ? ` (${note})` : ""}`;
    return el("div", { class: "use" }, el("span", {}, `${row.account} ${limit}`), el("span", { class: used > 1 ? "bad" : used > NEARLY ? "warn" : "quiet" }, words),
      el("meter", { min: 0, max: 1, low: NEARLY, high: 0.999, optimum: 0, value: Math.min(1, used), "aria-label": `${limit} of ${row.account}: ${words}` }));
  });
}

const gain = (value) => el("span", { class: sign(value) > 0 ? "up" : sign(value) < 0 ? "down" : "" }, money(value));

/** Ask for another limit of an account. */
function change(row, done) {
  const names = Object.keys(row).filter((name) => !NO_LIMITS.has(name));
  const all = [...new Set([...names, "max_order_value", "max_daily_orders", "max_open_orders", "max_position", "max_daily_loss", "max_gross_exposure", "max_leverage", "max_drawdown"])].sort();
  const name = choice(all, { "aria-label": "Limit" });
  const value = el("input", { required: true });
  const reason = el("input", { required: true, maxlength: 200 });
  const old = el("p", { class: "quiet" });
  const look = () => { old.textContent = `now ${row[name.value] === undefined || row[name.value] === null ? "none" : JSON.stringify(row[name.value])}`; };
  name.addEventListener("change", look);
  look();
  ask(`Limit of ${row.account}`, [field("Limit", name), old, field("From now on", value), field("Why", reason)], {
    label: "Set it", danger: true, ready: () => value.value.trim() !== "" && reason.value.trim() !== "",
    act: async () => {
      const said = value.value.trim();
      const typed = { true: true, false: false }[said] ?? said;
      const told = await act("PATCH", `/v1/accounts/${part(row.account)}/limits`, { limits: { [name.value]: typed }, reason: reason.value.trim() });
      toast(told.text, "good");
      await load();
      done();
    },
  });
}

/** Let an account go by its file again. */
function reset(row, done) {
  const reason = el("input", { required: true, maxlength: 200 });
  ask(`Limits of ${row.account}`, [el("p", {}, "Every override goes; the limits are those of the file."), field("Why", reason)], {
    label: "Reset", danger: true, ready: () => reason.value.trim() !== "",
    act: async () => {
      const told = await act("DELETE", `/v1/accounts/${part(row.account)}/limits`, { reason: reason.value.trim() });
      toast(told.text, "good");
      await load();
      done();
    },
  });
}

export const accounts = {
  name: "accounts", title: "Accounts", key: "m", scope: "accounts:read",
  mount(box) {
    const worth = panel("What accounts are worth", { bare: true });
    let days = "1";
    const span = choice(SPANS, { value: days, "aria-label": "Since when", onchange: () => { days = span.value; curve.now(); } });
    const went = panel("How it went", { tools: [span] });
    const plotBox = el("div");
    const told = el("p", { class: "quiet" });
    went.body.append(plotBox, told);
    const plot = lines(plotBox);
    let dimension = "strategy";
    const by = choice(DIMENSIONS, { value: dimension, "aria-label": "By", onchange: () => { dimension = by.value; exposure.now(); } });
    const exposed = panel("Exposure, and profit and loss", { tools: [by], bare: true });
    const limits = panel("Limits in force", { bare: true });
    const risk = panel("Risk limits", { bare: true });
    box.append(worth, went, exposed, risk, limits);

    const values = use("accounts", draw);
    const broken = use("risk", drawRisk);

    function draw() {
      const rows = values.rows().filter(isChosen);
      worth.body.replaceChildren(rows.length === 0
        ? el("p", { class: "empty" }, "No account has money of its own: `fillstream adjust default deposit 100000` pays some in. Profit and loss below need none.")
        : table(["Account", "Mode", "Cur.", ...WORTH.map(([, label]) => [label, true])],
          rows.map((row) => [row.account, modeOf(row.account), row.currency, ...WORTH.map(([name, , as]) => (name === "day_pnl" || name === "unrealized_pnl" ? gain(row[name]) : as(row[name])))]), "What accounts are worth"));
      drawRisk();
    }

    function drawRisk() {
      const rows = broken.rows().filter(isChosen);
      const bars = values.rows().filter(isChosen).flatMap(uses);
      risk.body.replaceChildren(bars.length === 0 ? "" : el("div", { class: "uses" }, bars), rows.length === 0 ? el("p", { class: "empty" }, "no limit on risk was ever broken")
        : table(["Account", "Limit", "Now", ["Measured", true], ["Allowed", true], "Then", "Why"],
          rows.map((row) => [row.account, row.limit, row.broken ? el("b", { class: "bad" }, "BROKEN") : "holds", shown(row.measured), shown(row.allowed), row.risk_action, row.text]), "Limits on risk"));
    }

    function drawLimits() {
      const rows = [...desk.accounts.values()].filter(isChosen);
      limits.body.replaceChildren(table(["Account", "Mode", "Trades", "Limits", ""], rows.map((row) => [
        row.account, modeOf(row.account), row.trading_state,
        el("span", { class: "row" }, Object.entries(row).filter(([name, value]) => !NO_LIMITS.has(name) && value !== null).sort()
          .map(([name, value]) => el("span", { class: row.overridden?.includes?.(name) ? "limit overridden" : "limit" }, `${name} ${Array.isArray(value) ? value.join(" ") : value}`))),
        may("controls:write") ? el("span", { class: "row" },
          el("button", { class: "tiny", onclick: () => change(row, drawLimits) }, "Change…"),
          el("button", { class: "tiny", onclick: () => reset(row, drawLimits) }, "Reset…")) : "",
      ]), "Limits of accounts"));
    }

    async function readCurve(isLast) {
      const now = Date.now();
      const since = days === "" ? "&since=0" : days === "1" ? "" : `&since=${now - Number(days) * 86_400_000}`;
      const found = await get(`/v1/reports/equity?points=400${since}${account() ? `&account=${part(account())}` : ""}`);
      if (!isLast()) return;
      const curves = found.curves.filter((each) => each.measure === "net_pnl" || account() || found.curves.length < 6)
        .map((each) => ({ label: each.measure === "equity" ? `equity of ${each.account}, ${each.currency}` : `net profit and loss, ${each.currency}`,
          points: each.points.map((point) => [point.time, point.value]) }));
      plot.put(curves);
      told.textContent = curves.length === 0 ? "nothing was made or lost in that time" : [...new Set(found.incomplete)].join(" ");
    }

    async function readExposure(isLast) {
      if (who().accounts.length > 0 || !may("sql:read")) {
        exposed.body.replaceChildren(el("p", { class: "empty" }, "Exposure by strategy and sector is asked of analytics by who sees every account."));
        return;
      }
      const rows = (await sql(`SELECT * FROM exposures WHERE dimension = '${dimension}' ORDER BY gross_exposure DESC, name`)).filter(isChosen);
      if (!isLast()) return;
      exposed.body.replaceChildren(rows.length === 0 ? el("p", { class: "empty" }, `nothing is held by ${dimension}`)
        : table(["Account", dimension, "Cur.", ["Long", true], ["Short", true], ["Gross", true], ["Net", true], ["Net P&L", true], ["Open", true]],
          rows.map((row) => [row.account, row.name, row.currency, money(row.long_exposure), money(row.short_exposure), money(row.gross_exposure), money(row.net_exposure), gain(row.net_pnl), String(row.open_positions)]), `Exposure by ${dimension}`));
    }

    const curve = every(15_000, readCurve, (error) => { told.textContent = error.message; });
    const exposure = every(10_000, readExposure, (error) => exposed.body.replaceChildren(el("p", { class: "problem" }, error.message)));
    let drawn = "";
    const terms = every(5_000, async () => {
      await load(); // others change limits, too
      const now = JSON.stringify([...desk.accounts]);
      if (now !== drawn) { drawLimits(); drawRisk(); }
      drawn = now;
    }, (error) => toast(error.message, "bad"));
    draw();
    drawLimits();
    const end = onChoice(() => { draw(); drawLimits(); curve.now(); exposure.now(); });
    return () => { end(); terms.end(); curve.end(); exposure.end(); values.end(); broken.end(); plot.end(); };
  },
};
