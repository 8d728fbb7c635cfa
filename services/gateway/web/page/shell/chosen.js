// What all rooms share: the desk's accounts and instruments, and which of them is looked at.

import { get } from "../api.js";

export const desk = { accounts: new Map(), aliases: new Map(), instruments: new Map(), venues: new Map() };

const readers = new Set();
const state = {
  account: sessionStorage.getItem("fillstream.account") ?? "",
  symbol: sessionStorage.getItem("fillstream.symbol") ?? "",
};

/** The account that is looked at, empty for all. */
export const account = () => state.account;
/** The account that an order of this page is for. */
export const trades = () => state.account || (desk.accounts.has("default") ? "default" : [...desk.accounts.keys()][0] ?? "default");
export const symbol = () => state.symbol || [...desk.instruments.keys()][0] || "";

/** Look at another account or symbol; rooms that listen hear of it. */
export function choose(what) {
  Object.assign(state, what);
  for (const [name, value] of Object.entries(what)) sessionStorage.setItem(`fillstream.${name}`, value);
  for (const each of [...readers]) each(what);
}

/** Hear of every choice; returns what ends that. */
export function onChoice(then) {
  readers.add(then);
  return () => readers.delete(then);
}

/** Read accounts, instruments and venues; what may not be read stays empty. */
export async function load() {
  const read = async (path, name, key, into) => {
    try {
      const found = await get(path);
      into.clear();
      for (const row of found[name]) into.set(row[key], row);
      return found;
    } catch (error) {
      if (error.status !== 403) throw error;
      return {};
    }
  };
  const [accounts] = await Promise.all([
    read("/v1/accounts", "accounts", "account", desk.accounts),
    read("/v1/instruments", "instruments", "symbol", desk.instruments),
    read("/v1/venues", "venues", "venue", desk.venues),
  ]);
  desk.aliases = new Map(Object.entries(accounts.aliases ?? {}));
  if (state.account && !desk.accounts.has(state.account)) choose({ account: "" });
  if (state.symbol && !desk.instruments.has(state.symbol)) choose({ symbol: "" });
}

/** Return whether an account's orders are real: by its mode, else by its venue, else by those of the instruments. */
export function modeOf(name) {
  const row = desk.accounts.get(name);
  if (row?.mode) return row.mode;
  const names = row?.venue ? [row.venue] : [...desk.instruments.values()].map((each) => each.venue);
  return names.some((each) => desk.venues.get(each)?.simulated === false) ? "LIVE" : "PAPER";
}

/** Return the mode of what is looked at: LIVE where any of it is. */
export function mode() {
  const names = state.account ? [state.account] : [...desk.accounts.keys()];
  return names.some((each) => modeOf(each) === "LIVE") ? "LIVE" : "PAPER";
}

/** Whether a row is of the account that is looked at. */
export const isChosen = (row) => !state.account || row.account === state.account;
