// Controls: what is in force on this desk, who changed it, and what was done by whom.

import { act, get, may } from "../api.js";
import { behind, every } from "../asking.js";
import { ask, el, field, panel, table, toast } from "../dom.js";
import { column, grid } from "../grid.js";
import { time } from "../numbers.js";
import { use } from "../tables.js";
import { desk, isChosen, onChoice } from "../shell/chosen.js";

export const controls = {
  name: "controls", title: "Controls", key: "c", scope: "controls:read",
  mount(box) {
    const ends = [states(box), breakers(box), history(box)];
    inForce(box);
    if (may("admin")) ends.push(audit(box));
    return () => { for (const each of ends) each(); };
  },
};

/** Show who stopped what, and why. */
function states(box) {
  const made = panel("Trading states", { bare: true });
  box.append(made);
  const rows = use("trading_states", draw);
  function draw() {
    const told = rows.rows();
    made.body.replaceChildren(told.length === 0 ? el("p", { class: "empty" }, "the desk was never stopped")
      : table(["What", "State", "Who", "Why", "When"], told.map((row) => [row.account ?? "the whole desk", row.new_state, row.who, row.reason, time(row.updated_time)]), "Trading states"));
  }
  draw();
  return rows.end;
}

/** Show breakers that ever opened; those that are open can be closed. */
function breakers(box) {
  const made = panel("Circuit breakers", { bare: true });
  box.append(made);
  const rows = use("breakers", draw);
  function draw() {
    const told = rows.rows().filter((row) => !row.account || isChosen(row));
    made.body.replaceChildren(told.length === 0 ? el("p", { class: "empty" }, "no breaker ever opened")
      : table(["Scope", "Name", "Account", "State", "Why", "When", ""], told.map((row) => [row.scope, row.name, row.account ?? "–", el("b", { class: row.new_state === "CLOSED" ? "up" : "bad" }, row.new_state), row.text ?? row.reason, time(row.updated_time),
        row.new_state !== "CLOSED" && may("controls:write") ? el("button", { class: "tiny", onclick: () => close(row) }, "Reset…") : ""]), "Circuit breakers"));
  }
  function close(row) {
    const reason = el("input", { required: true, maxlength: 200 });
    ask(`Reset breaker ${row.name}`, [field("Why", reason)], {
      label: "Reset", danger: true, ready: () => reason.value.trim() !== "",
      act: async () => {
        const said = { type: "ResetBreaker", scope: row.scope, name: row.name, reason: reason.value.trim(), ...(row.account ? { account: row.account } : {}) };
        toast((await act("POST", "/v1/controls", said)).text, "good");
      },
    });
  }
  draw();
  const end = onChoice(draw);
  return () => { end(); rows.end(); };
}

/** Show what operators have done, as it is done. */
function history(box) {
  const made = panel("What operators have done", { bare: true });
  const gridBox = el("div", { class: "low" });
  made.body.replaceWith(gridBox);
  box.append(made);
  const list = grid(gridBox, {
    label: "Controls", key: (row) => `${row.control_id} ${row.account ?? ""} ${row.updated_time}`, sort: ["updated_time", "desc"], keeps: (row) => !row.account || isChosen(row),
    columns: [column.time("updated_time", "When"), column.text("who", "Who"), column.text("control", "Control", { width: 130 }), column.text("account", "Account"), column.text("reason", "Why", { width: 160 }),
      column.text("refusal", "Refused", { width: 110 }), column.text("text", "What came of it", { flex: 1, minWidth: 260 })],
  });
  const read = async () => {
    const found = await get("/v1/controls?limit=1000");
    list.put(found.controls, true);
    return found;
  };
  const end = behind("controls", read, (rows) => list.put(rows.map((row) => ({ ...row, updated_time: row.updated_time ?? row.time }))),
    (error) => toast(`controls: ${error.message}`, "bad"));
  const chosen = onChoice(() => list.refilter());
  return () => { chosen(); end(); list.end(); };
}

const LEFT_OUT = new Set(["account", "symbol", "venue", "account_id", "instrument_id", "updated_time", "trading_state"]);
const terms = (row) => el("span", { class: "row" }, Object.entries(row).filter(([name, value]) => !LEFT_OUT.has(name) && value !== null && value !== false)
  .map(([name, value]) => el("span", { class: "limit" }, `${name} ${typeof value === "object" ? JSON.stringify(value) : value}`)));

/** Show the terms of accounts, instruments and venues that are in force. */
function inForce(box) {
  const made = panel("In force: accounts, instruments, venues", { bare: true });
  const of = (name, rows, key) => rows.map((row) => [name, row[key], time(row.updated_time), terms(row)]);
  made.body.append(table(["What", "Name", "Since", "Terms"], [
    ...of("account", [...desk.accounts.values()], "account"), ...of("instrument", [...desk.instruments.values()], "symbol"),
    ...of("venue", [...desk.venues.values()], "venue"), ...[...desk.aliases].map(([alias, account]) => ["alias", alias, "–", account])], "What is in force"));
  box.append(made);
}

/** Show who did what at this gateway: logins, and every request that changes something. */
function audit(box) {
  const made = panel("Audit: who did what", { bare: true });
  const gridBox = el("div", { class: "low" });
  made.body.replaceWith(gridBox);
  const list = grid(gridBox, {
    label: "Audit", key: (row) => row.id, sort: ["time", "desc"],
    columns: [column.time("time", "When"), column.text("who", "Who"), column.text("action", "What"), column.text("method", "Call", { width: 84 }), column.text("path", "Of", { flex: 1, minWidth: 220 }),
      column.text("outcome", "Outcome", { width: 150 }), column.text("address", "From", { width: 130 })],
  });
  box.append(made);
  const asking = every(5_000, async () => list.put((await get("/v1/audit?limit=500")).entries), (error) => { made.querySelector("h2").textContent = `Audit: ${error.message}`; });
  return () => { asking.end(); list.end(); };
}
