// What the desk is like now, as this page knows it: one table a topic, shared by all rooms.
// Changes are collected until the next picture, so that a room draws once however much has come.

import { follow, watch } from "./stream.js";

const hedged = (row) => (row.position_mode ? row.position_id : "");
/** What a row goes by, of each topic of rows. */
const KEYS = {
  orders: (row) => row.order_id,
  lists: (row) => `${row.account} ${row.list_id}`,
  positions: (row) => `${row.account} ${row.symbol} ${hedged(row)}`,
  exits: (row) => `${row.account} ${row.symbol} ${row.position_id} ${row.protection_id}`,
  targets: (row) => `${row.account} ${row.symbol} ${row.signal_id}`,
  accounts: (row) => row.account,
  risk: (row) => `${row.account} ${row.limit}`,
  trading_states: (row) => row.account ?? "",
  breakers: (row) => `${row.scope} ${row.account ?? ""} ${row.name}`,
  quotes: (row) => `${row.venue} ${row.symbol}`,
  sessions: (row) => `${row.venue} ${row.symbol}`,
  depth: (row) => `${row.venue} ${row.symbol}`,
};

/** Orders that a page keeps, those that work aside. */
const MOST_ORDERS = 30_000;
const DONE = new Set(["Filled", "Canceled", "Rejected", "Expired", "Calculated"]);

/** Whether nothing more can become of an order. */
export const isDone = (row) => DONE.has(row.ord_status);

const open = new Map();

class Table {
  constructor(topic, filters) {
    this.rows = new Map();
    this.isKnown = false;
    this.readers = new Set();
    this.changed = new Map();
    this.wasReplaced = false;
    this.key = KEYS[topic];
    this.pending = 0;
    this.unwatch = watch((state) => { this.isKnown &&= state === "live"; });
    this.unfollow = follow(topic, filters, {
      snapshot: (rows) => {
        this.rows = new Map(rows.map((row) => [this.key(row), row]));
        this.isKnown = this.wasReplaced = true;
        this.changed.clear();
        this.draw();
      },
      changes: (rows) => {
        for (const row of rows) {
          const key = this.key(row);
          this.rows.set(key, row);
          this.changed.set(key, row);
        }
        if (topic === "orders" && this.rows.size > MOST_ORDERS) this.prune();
        this.draw();
      },
    });
  }

  /** Let go of the oldest orders that are done: they are in the history. */
  prune() {
    for (const [key, row] of this.rows) {
      if (this.rows.size <= MOST_ORDERS * 0.8) break;
      if (isDone(row)) this.rows.delete(key);
    }
    this.wasReplaced = true;
  }

  end() {
    this.unwatch();
    this.unfollow();
  }

  draw() {
    this.pending ||= requestAnimationFrame(() => {
      this.pending = 0;
      const isAll = this.wasReplaced;
      const moved = [...(isAll ? this.rows : this.changed).values()];
      this.changed.clear();
      this.wasReplaced = false;
      for (const each of [...this.readers]) each(moved, isAll);
    });
  }
}

/**
 * Use a table: `then(changedRows, isAll)` now, and before each picture in which something moved.
 * Returns `{rows, end}`; `rows()` are all there are, `end()` lets go.
 */
export function use(topic, then = () => {}, filters = {}) {
  const name = JSON.stringify([topic, filters]);
  let table = open.get(name);
  if (!table) open.set(name, (table = new Table(topic, filters)));
  table.readers.add(then);
  if (table.isKnown) queueMicrotask(() => table.readers.has(then) && then([...table.rows.values()], true));
  return {
    rows: () => [...table.rows.values()],
    get: (key) => table.rows.get(key),
    size: () => table.rows.size,
    isKnown: () => table.isKnown,
    end() {
      table.readers.delete(then);
      if (table.readers.size > 0) return;
      open.delete(name);
      cancelAnimationFrame(table.pending);
      table.end();
    },
  };
}
