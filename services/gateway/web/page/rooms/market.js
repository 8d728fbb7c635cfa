// One market: which venue of an instrument is looked at, what stands there, and prices as whole ticks.

import { compare, exact, places, shown, sum, time, times } from "../numbers.js";
import { choose, desk } from "../shell/chosen.js";

let chosen = sessionStorage.getItem("fillstream.venue") ?? "";

/** Look at another venue; whoever hears of choices hears of it. */
export function chooseVenue(name) {
  chosen = name;
  choose({ venue: name });
}

/** Return the venues that quote an instrument or that it trades at, by the rows of `quotes`. */
export function venuesOf(symbol, quotes) {
  const own = desk.instruments.get(symbol)?.venue ?? [...desk.venues.keys()][0] ?? "SIM";
  return [...new Set([own, ...quotes.filter((row) => row.symbol === symbol).map((row) => row.venue)])];
}

/** Return the venue that is looked at: the chosen one where it quotes the instrument, else the instrument's own. */
export function venueOf(symbol, quotes) {
  const all = venuesOf(symbol, quotes);
  return all.includes(chosen) ? chosen : all[0];
}

/** Return what prices of an instrument are multiples of. */
export const tickOf = (symbol) => desk.instruments.get(symbol)?.tick_size ?? "0.01";

/** Return a price as whole ticks (BigInt): rounded down, or up where `isUp`; null of none. */
export function ticksOf(price, tick, isUp = false) {
  const [a, b] = [exact(price), exact(tick)];
  if (a === null) return null;
  const scale = Math.max(a.scale, b.scale);
  return whole(a.n * 10n ** BigInt(scale - a.scale), b.n * 10n ** BigInt(scale - b.scale), isUp);
}

/** Return `n / by` rounded down, or up where `isUp`; both are BigInt, `by` above 0. */
export function whole(n, by, isUp = false) {
  const rest = ((n % by) + by) % by;
  const down = (n - rest) / by;
  return isUp && rest !== 0n ? down + 1n : down;
}

/** Return ticks as a price's text, as it is sent: with the tick's places. */
export function priceOf(ticks, tick) {
  const price = times(String(ticks), tick);
  const short = places(tick) - places(price);
  return short > 0 ? `${price}${price.includes(".") ? "" : "."}${"0".repeat(short)}` : price;
}

/** Return a price for people, with the tick's places. */
export const priceShown = (price, tick) => (price === null || price === undefined ? "–" : shown(price, Math.max(places(tick), places(price))));

const NEWER_MS = 2_000;

/**
 * Return what stands in a market: `{bids, asks, source, note}`, levels `[price, quantity]`, the best first.
 *
 * Depth is taken where the venue tells it; where it lags behind a quote of another touch, or there is none, the quote is.
 */
export function standing(quote, depth) {
  const touch = {
    bids: quote?.bid_px ? [[quote.bid_px, quote.bid_qty]] : [],
    asks: quote?.ask_px ? [[quote.ask_px, quote.ask_qty]] : [],
  };
  const hasDepth = depth && (depth.bids.length > 0 || depth.asks.length > 0);
  const isSame = hasDepth && quote && compare(depth.bids[0]?.[0], quote.bid_px) === 0 && compare(depth.asks[0]?.[0], quote.ask_px) === 0;
  const isBehind = hasDepth && quote && !isSame && quote.updated_time > depth.updated_time + NEWER_MS;
  const isDepth = hasDepth && !isBehind;
  return { ...(isDepth ? { bids: depth.bids, asks: depth.asks } : touch), source: isDepth ? "depth" : quote ? "quote" : null, note: noteOf(quote, isDepth) };
}

function noteOf(quote, isDepth) {
  if (!quote) return isDepth ? "" : "nobody has quoted it yet";
  if (quote.stale) return `stale: ${quote.venue} has not quoted since ${time(quote.quoted_time ?? quote.updated_time)}`;
  if (!quote.bid_px && !quote.ask_px) return "nobody buys or sells";
  return isDepth ? "" : "touch only: the venue shows no depth";
}

/** Return the middle of bid and ask as text; null where one is missing. */
export function midOf(quote) {
  return quote?.bid_px && quote?.ask_px ? times(sum([quote.bid_px, quote.ask_px]), "0.5") : null;
}
