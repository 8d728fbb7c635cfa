// What the desk is like now, as this page knows it: one table a topic, shared by all rooms.
// Changes are collected until the next picture, so that a room draws once however much has come.

import { follow } from "./stream.js";

const hedged = (row) => (row.position_mode ? row.position_id : "");
/** What a row goes by, of each topic of rows. */
export const KEYS = {
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
    this.end = follow(topic, filters, {
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
        this.draw();
      },
    });
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

/** Forget everything: whoever comes next may see other things. */
export function forget() {
  for (const each of open.values()) cancelAnimationFrame(each.pending);
  open.clear();
}
