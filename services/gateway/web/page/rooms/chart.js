// The market's chart: bars of trades, or of the middle of the quotes where nothing trades, going on live; own fills as
// marks, working orders and the average price as lines. What is drawn is for the eye: floats are good enough here.

import { get, may, part, sql } from "../api.js";
import { choice, el, panel } from "../dom.js";
import { shown, sign, sum, time } from "../numbers.js";
import { follow } from "../stream.js";
import { use } from "../tables.js";
import { isChosen, onChoice, symbol } from "../shell/chosen.js";
import { midOf, tickOf, venueOf } from "./market.js";
import { isOpen } from "./order_actions.js";
import { CandlestickSeries, createChart, createSeriesMarkers, LineStyle } from "../vendor/lightweight-charts.standalone.production.mjs";

const INTERVALS = [
  ["5", "5s"],
  ["60", "1m"],
  ["300", "5m"],
  ["3600", "1h"],
  ["86400", "1d"],
];
/** Until somebody picks another: the first where a young desk has too few of the usual. */
const [YOUNG, USUAL] = ["5", "60"];
const TOO_FEW = 5;
const BARS = 500;
const MARKS = 200;
const FEWER = 2; // where quotes make so many times as many bars as trades do, they are shown
const FEW = 10; // so few marks have room for their prices

const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const local = (at) => new Date(at * 1_000);
const two = (value) => String(value).padStart(2, "0");
const clock = (at) => `${two(at.getHours())}:${two(at.getMinutes())}`;
const seconds = (at) => `${clock(at)}:${two(at.getSeconds())}`;
const WITH_SECONDS = 4; // lightweight-charts' TickMarkType
const kept = { interval: "", of: "" };

/** Return `{element, end}`: the chart of the chosen instrument. */
export function chart() {
  const pick = choice(INTERVALS, {
    value: kept.interval || USUAL,
    "aria-label": "Interval",
    onchange: () => {
      kept.interval = pick.value;
      load();
    },
  });
  const of = choice(
    [
      ["", "auto"],
      ["trades", "trades"],
      ["mid", "mid prices"],
    ],
    {
      value: kept.of,
      "aria-label": "Bars of",
      onchange: () => {
        kept.of = of.value;
        load();
      },
    },
  );
  const made = panel("Chart", { tools: [of, pick], bare: true, label: "Chart" });
  made.classList.add("chart-panel");
  made.body.setAttribute("role", "img");
  const says = el("span", { class: "quiet", role: "status" });
  made.append(
    el(
      "footer",
      { class: "row" },
      says,
      el("span", { class: "rest" }),
      el("a", { href: "https://www.tradingview.com/", rel: "noopener noreferrer", target: "_blank" }, "Charts by TradingView"),
    ),
  );
  const drawn = draw(made.body);
  const state = { bars: [], fills: new Map(), turn: 0, source: "mid" };
  let readers = [];

  async function load() {
    const turn = ++state.turn;
    const name = symbol();
    if (!kept.interval) pick.value = USUAL; // another instrument may have more to show
    for (const each of readers) each();
    const quotes = use("quotes", quoted, { symbol: name });
    readers = [quotes.end, follow("trades", { symbol: name }, { changes: traded })];
    Object.assign(state, { symbol: name, quotes, bars: [], fills: new Map(), interval: Number(pick.value), isLoaded: false });
    state.venue = venueOf(name, quotes.rows());
    drawn.clear(tickOf(name));
    says.textContent = "reading…";
    describe();
    try {
      let [bars, source] = await history(name, state.venue, state.interval);
      if (turn !== state.turn) return;
      if (!kept.interval && pick.value === USUAL && bars.length < TOO_FEW) {
        const short = await history(name, state.venue, Number(YOUNG)).catch(() => null);
        if (turn !== state.turn) return;
        if (short) {
          [bars, source] = short;
          pick.value = YOUNG;
          state.interval = Number(YOUNG);
        }
      }
      Object.assign(state, { bars, source });
      drawn.put(state.bars);
      say();
    } catch (error) {
      if (turn !== state.turn) return;
      says.textContent = `no history: ${error.message}`;
    }
    state.isLoaded = true;
    describe();
    quoted();
    lines();
    await marks(turn, name);
  }

  function say() {
    const what = state.source === "mid" ? "the middle of bid and ask" : "trades";
    says.textContent = state.bars.length ? `bars of ${what}` : "nothing has traded or been quoted yet";
  }

  async function marks(turn, name) {
    try {
      const found = await get(`/v1/fills?symbol=${part(name)}&limit=${MARKS}`);
      if (turn !== state.turn) return;
      for (const row of found.fills) state.fills.set(keyOf(row.venue, row.exec_id), row);
      readers.push(follow("fills", { symbol: name }, { changes: filled }, { after: found.as_of }));
      mark();
    } catch (error) {
      if (turn === state.turn) says.textContent = `no fills: ${error.message}`;
    }
  }

  function filled(messages) {
    for (const each of messages) {
      if (each.type === "OrderFilled") state.fills.set(keyOf(each.venue, each.exec_id), each);
      else if (each.type === "TradeBusted") state.fills.delete(keyOf(each.venue, each.ref_exec_id));
    }
    mark();
  }

  const begin = (ms) => Math.floor(ms / 1_000 / state.interval) * state.interval;

  /** Mark fills: those of a bar on one side together, with the price where it is one fill. */
  function mark() {
    const known = new Set(state.bars.map((bar) => bar.time));
    const mine = [...state.fills.values()].filter((row) => isChosen(row) && !row.busted_time && known.has(begin(row.time)));
    const groups = Map.groupBy(mine, (row) => `${begin(row.time)} ${row.side}`);
    const marks = [...groups.values()].map((rows) => ({
      time: begin(rows[0].time),
      side: rows[0].side,
      quantity: sum(rows.map((row) => row.last_qty)),
      price: rows.length === 1 && groups.size <= FEW ? rows[0].last_px : null,
    }));
    drawn.marks(marks.sort((a, b) => a.time - b.time));
  }

  /** Take a price that was now: into the last bar, or as the first of a new one. */
  function price(value, ms) {
    if (!state.isLoaded || value === null) return;
    const at = begin(ms);
    const now = Number(value);
    const last = state.bars.at(-1);
    if (last && at < last.time) return;
    if (last?.time === at) Object.assign(last, { high: Math.max(last.high, now), low: Math.min(last.low, now), close: now });
    else {
      state.bars.push({ time: at, open: now, high: now, low: now, close: now });
      if (state.bars.length === 1) say();
      describe();
    }
    drawn.update(state.bars.at(-1));
  }

  function quoted() {
    const rows = state.quotes.rows();
    const venue = venueOf(state.symbol, rows);
    if (state.isLoaded && venue !== state.venue) {
      load();
      return;
    }
    const quote = rows.find((row) => row.venue === venue);
    if (state.source === "mid" && quote && !quote.stale) price(midOf(quote), quote.updated_time);
  }

  function traded(messages) {
    if (state.source !== "trades") return;
    for (const each of messages) if (each.venue === state.venue) for (const [, px] of each.trades) price(px, each.time);
  }

  function describe() {
    const last = state.bars.at(-1);
    made.body.setAttribute(
      "aria-label",
      `Chart of ${state.symbol} at ${state.venue}, bars of ${pick.selectedOptions[0].textContent}` +
        (last ? `, ${state.bars.length} of them, the last from ${time(last.time * 1_000)}, opened at ${last.open}` : ", empty"),
    );
  }

  /** Show orders and what is held as lines. */
  function lines() {
    const wanted = new Map();
    for (const row of orders.rows()) {
      const at = row.stop_price ?? row.price;
      if (row.symbol !== state.symbol || !isOpen(row) || !isChosen(row) || !at) continue;
      const title = `${row.side} ${shown(row.leaves_qty)}${row.stop_price ? " stop" : ""}`;
      wanted.set(`order ${row.order_id}`, { price: at, title, color: row.side === "BUY" ? "up" : "down", style: LineStyle.Dashed });
    }
    for (const row of positions?.rows() ?? []) {
      if (row.symbol !== state.symbol || !isChosen(row) || sign(row.position) === 0 || !row.avg_px) continue;
      wanted.set(`held ${row.account} ${row.position_id}`, { price: row.avg_px, title: `held ${shown(row.position)}`, color: "link", style: LineStyle.Dotted });
    }
    drawn.lines(wanted);
  }

  const orders = use("orders", lines);
  const positions = may("positions:read") ? use("positions", lines) : null;
  const themes = new MutationObserver(() => {
    drawn.colour();
    lines();
    mark();
  });
  themes.observe(document.documentElement, { attributeFilter: ["data-theme"] });
  const ends = [
    onChoice((what) => {
      if (what.symbol !== undefined || what.venue !== undefined) load();
      else {
        lines();
        mark();
      }
    }),
    () => themes.disconnect(),
    () => orders.end(),
    () => positions?.end(),
    () => drawn.end(),
  ];
  load();
  return {
    element: made,
    end() {
      state.turn += 1;
      for (const each of [...readers, ...ends]) each();
    },
  };
}

/** Return `[bars, source]`: of trades, or of the middle of quotes where that is asked for, or where trades are far fewer. */
async function history(name, venue, interval) {
  const path = `/v1/bars/${part(name)}?venue=${part(venue)}&interval_s=${interval}&limit=${BARS}`;
  const isMid = kept.of !== "trades" && may("sql:read");
  const [trades, mid] = await Promise.all([kept.of === "mid" ? [] : get(path).then((found) => found.bars), isMid ? mids(name, venue, interval).catch(() => []) : []]);
  // A market that has not traded yet goes by its quotes from now on.
  const isMore = trades.length === 0 || mid.length > trades.length * FEWER;
  if (kept.of === "mid" || (kept.of !== "trades" && isMore)) return [mid, "mid"];
  return [trades.map((bar) => barOf(bar.begin_time, bar)), "trades"];
}

const keyOf = (venue, execId) => `${venue} ${execId}`; // a venue's own number
const barOf = (begin, { open, high, low, close }) => ({
  time: Number(begin) / 1_000,
  open: Number(open),
  high: Number(high),
  low: Number(low),
  close: Number(close),
});
const inSql = (name) => `'${name.replaceAll("'", "''")}'`;

async function mids(name, venue, interval) {
  const ms = interval * 1_000;
  const rows = await sql(
    `SELECT begin_time, arg_min(px, seq) AS open, max(px) AS high, min(px) AS low, arg_max(px, seq) AS close FROM (
    SELECT (epoch_ms(time) // ${ms}) * ${ms} AS begin_time, seq, (bid_px + ask_px) / 2 AS px FROM events WHERE type = 'QuoteUpdated'
    AND symbol = ${inSql(name)} AND venue = ${inSql(venue)} AND epoch_ms(time) >= ${Date.now() - BARS * ms} AND bid_px IS NOT NULL AND ask_px IS NOT NULL)
    GROUP BY 1 ORDER BY 1 DESC LIMIT ${BARS}`,
    BARS,
  );
  return rows.map((row) => barOf(row.begin_time, row)).reverse();
}

/** Make the chart in a box; what is drawn goes by plain values. */
function draw(box) {
  const made = createChart(box, {
    autoSize: true,
    layout: { attributionLogo: false, fontFamily: token("sans"), fontSize: 11 },
    timeScale: {
      timeVisible: true,
      rightOffset: 4,
      barSpacing: 8,
      // times of this machine, as everywhere on the page
      tickMarkFormatter: (at, kind) => (kind < 3 ? local(at).toLocaleDateString(undefined, { month: "short", day: "numeric" }) : (kind === WITH_SECONDS ? seconds : clock)(local(at))),
    },
    localization: { timeFormatter: (at) => `${local(at).toLocaleDateString()} ${seconds(local(at))}` },
  });
  const series = made.addSeries(CandlestickSeries, { borderVisible: false, priceLineStyle: LineStyle.Solid });
  const marks = createSeriesMarkers(series, []);
  const lines = new Map();

  function colour() {
    made.applyOptions({
      layout: { background: { color: token("surface") }, textColor: token("quiet") },
      grid: { vertLines: { color: token("line") }, horzLines: { color: token("line") } },
      rightPriceScale: { borderColor: token("line") },
      timeScale: { borderColor: token("line") },
      crosshair: { vertLine: { labelBackgroundColor: token("strong-line") }, horzLine: { labelBackgroundColor: token("strong-line") } },
    });
    series.applyOptions({ upColor: token("up"), downColor: token("down"), wickUpColor: token("up"), wickDownColor: token("down") });
    for (const line of lines.values()) series.removePriceLine(line.made);
    lines.clear();
  }
  colour();
  return {
    colour,
    clear(tick) {
      series.setData([]);
      marks.setMarkers([]);
      series.applyOptions({ priceFormat: { type: "price", minMove: Number(tick), precision: (tick.split(".")[1] ?? "").length } });
    },
    put(bars) {
      series.setData(bars.map((bar) => ({ ...bar })));
      made.timeScale().scrollToRealTime();
    },
    update: (bar) => series.update({ ...bar }),
    marks(rows) {
      marks.setMarkers(
        rows.map(({ time: at, side, quantity, price }) => ({
          time: at,
          position: side === "BUY" ? "belowBar" : "aboveBar",
          shape: side === "BUY" ? "arrowUp" : "arrowDown",
          color: token(side === "BUY" ? "up" : "down"),
          text: shown(quantity) + (price ? ` at ${shown(price)}` : ""),
        })),
      );
    },
    lines(wanted) {
      for (const [key, line] of lines) {
        if (JSON.stringify(wanted.get(key)) === line.said) continue;
        series.removePriceLine(line.made);
        lines.delete(key);
      }
      for (const [key, line] of wanted) {
        if (lines.has(key)) continue;
        const shape = series.createPriceLine({
          price: Number(line.price),
          title: line.title,
          color: token(line.color),
          lineStyle: line.style,
          lineWidth: 1,
          axisLabelVisible: true,
        });
        lines.set(key, { said: JSON.stringify(line), made: shape });
      }
    },
    end: () => made.remove(),
  };
}
