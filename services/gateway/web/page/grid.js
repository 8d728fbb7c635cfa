// Tables of many rows: AG Grid Community in our colours, with the columns that rooms share.

import { shown, money, compare, sign, time } from "./numbers.js";

/* global agGrid */

const theme = () => agGrid.themeQuartz.withParams({
  backgroundColor: "var(--surface)", foregroundColor: "var(--text)", chromeBackgroundColor: "var(--raised)",
  headerTextColor: "var(--quiet)", borderColor: "var(--line)", accentColor: "var(--link)", rowHoverColor: "var(--raised)",
  selectedRowBackgroundColor: "var(--chosen)", oddRowBackgroundColor: "var(--surface)",
  fontFamily: "var(--sans)", fontSize: 13, headerFontSize: 12, spacing: 4, rowHeight: 27, headerHeight: 30,
  wrapperBorder: false, wrapperBorderRadius: 0, headerColumnBorder: false, browserColorScheme: "inherit",
});

const nonce = document.querySelector("meta[name=style-nonce]")?.content;

const numeric = { filter: "agTextColumnFilter", comparator: compare, cellClass: "number", headerClass: "ag-right-aligned-header" };
const signed = { up: ({ value }) => sign(value) > 0, down: ({ value }) => sign(value) < 0 };

/** Columns by what they hold; each takes a field, a heading and what is otherwise. */
export const column = {
  text: (name, head, more = {}) => ({ field: name, headerName: head, filter: "agTextColumnFilter", ...more }),
  number: (name, head, more = {}) => ({ field: name, headerName: head, ...numeric, valueFormatter: ({ value }) => shown(value), ...more }),
  money: (name, head, more = {}) => ({ field: name, headerName: head, ...numeric, valueFormatter: ({ value }) => money(value), ...more }),
  gain: (name, head, more = {}) => ({
    field: name, headerName: head, ...numeric, valueFormatter: ({ value }) => money(value), cellClassRules: signed, ...more,
  }),
  time: (name, head, more = {}) => ({
    field: name, headerName: head, cellClass: "number", headerClass: "ag-right-aligned-header", width: 118,
    valueFormatter: ({ value }) => time(value), ...more,
  }),
  side: (name = "side", head = "Side", more = {}) => ({
    field: name, headerName: head, width: 78, filter: "agTextColumnFilter",
    cellClassRules: { up: ({ value }) => value === "BUY", down: ({ value }) => /^SELL/.test(value ?? "") }, ...more,
  }),
};

const isNarrow = () => innerWidth <= 760;

/** The column of what can be done to a row: `more` has its `cellRenderer`, and a `valueGetter` that changes when that does. */
export const actsColumn = (width, more) => ({ headerName: "Acts", colId: "acts", width, sortable: false, suppressNavigable: true, pinned: isNarrow() ? null : "right", ...more });

/** On a phone what can be done stands behind the first two columns, where it is in sight. */
function placed(columns) {
  const at = columns.findIndex((each) => each.colId === "acts");
  return at < 0 || !isNarrow() ? columns : [...columns.slice(0, 2), columns[at], ...columns.slice(2).filter((each) => each.colId !== "acts")];
}

const SETTLE_MS = 500;

/**
 * Make a grid in an element.
 *
 * `columns`: AG Grid's; `key(row)`: what a row goes by; `label`: what it is, for who hears it; `opened(row)`: Enter or a
 * double click on a row; `sort`: `[field, "asc" | "desc"]`; `keys`: what a key does to the row it is pressed on;
 * `keeps(row)`: whether a row is shown, `keepsAll()`: whether all are now; `lasting`: columns whose values stay as they are.
 * Returns `{api, put(rows, isAll), quick(text), refilter(), focus(), end()}`.
 */
export function grid(box, { columns, key, label, opened, sort, keys = {}, empty = "nothing here", keeps, keepsAll = () => false, lasting = [] }) {
  box.classList.add("grid");
  const known = new Map();
  const api = agGrid.createGrid(box, {
    theme: theme(), styleNonce: nonce, columnDefs: placed(columns).map((each) => (sort && each.field === sort[0] ? { ...each, initialSort: sort[1] } : each)), getRowId: ({ data }) => key(data),
    defaultColDef: { sortable: true, resizable: true, minWidth: 64, width: 104, suppressHeaderMenuButton: true },
    rowSelection: { mode: "singleRow", checkboxes: false, enableClickSelection: true },
    asyncTransactionWaitMillis: 50, animateRows: false, suppressCellFocus: false, suppressScrollOnNewData: true,
    overlayNoRowsTemplate: `<span></span>`, ensureDomOrder: true, maintainColumnOrder: true,
    isExternalFilterPresent: () => Boolean(keeps) && !keepsAll(), doesExternalFilterPass: ({ data }) => keeps(data),
    onRowDoubleClicked: ({ data }) => opened?.(data),
    onCellFocused: ({ rowIndex, api: of }) => of.getDisplayedRowAtIndex(rowIndex)?.setSelected(true, true),
    onCellKeyDown: ({ event, data }) => {
      if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA|BUTTON)$/.test(event.target.tagName)) return;
      if (event.key === "Enter") opened?.(data);
      else keys[event.key]?.(data);
    },
    onModelUpdated: ({ api: of }) => reach(of.getDisplayedRowCount() === 0),
    localeText: { noRowsToShow: empty, noMatchingRows: empty },
  });
  box.setAttribute("role", "group"); // the panel around it is the landmark
  box.setAttribute("aria-label", label);
  /** A table without rows has nothing to go to by keyboard: then it is gone to itself. */
  function reach(isEmpty) {
    const view = box.querySelector(".ag-grid-viewport");
    view?.setAttribute("aria-label", label);
    if (isEmpty) view?.setAttribute("tabindex", "0");
    else view?.removeAttribute("tabindex");
  }
  reach(true);

  let settling = null;
  const moves = () => api.isAnyFilterPresent() || api.getColumnState().some((each) => each.sort && !lasting.includes(each.colId));
  function settle() {
    settling ??= setTimeout(() => {
      settling = null;
      if (!api.isDestroyed() && moves()) api.onFilterChanged(); // which sorts, too
    }, SETTLE_MS);
  }

  return {
    api,
    put(rows, isAll = false) {
      if (isAll) {
        api.flushAsyncTransactions(); // what was to be added is among these, or gone
        known.clear();
        for (const row of rows) known.set(key(row), row);
        api.setGridOption("rowData", [...known.values()]);
        return;
      }
      const add = [];
      const update = [];
      for (const row of rows) {
        (known.has(key(row)) ? update : add).push(row);
        known.set(key(row), row);
      }
      // A row that is there is changed in its place, which costs nothing where it is not in sight; places are looked at
      // now and then, for to sort and filter all rows takes as long as many pictures.
      const late = update.filter((row) => {
        const node = api.getRowNode(key(row));
        node?.updateData(row);
        return !node;
      });
      if (add.length || late.length) api.applyTransactionAsync({ add, update: late });
      if (update.length > late.length) settle();
    },
    quick: (text) => api.setGridOption("quickFilterText", text),
    refilter: () => api.onFilterChanged(),
    focus() {
      const at = api.getFocusedCell()?.rowIndex ?? 0;
      if (api.getDisplayedRowCount() > 0) api.setFocusedCell(at, api.getAllDisplayedColumns()[0]);
    },
    end() {
      clearTimeout(settling);
      api.destroy();
    },
  };
}
