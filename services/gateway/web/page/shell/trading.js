// Whether the desk trades, always in sight, and the switch that stops it. What is shown is what the server said last.

import { act, get, may, who } from "../api.js";
import { ask, choice, el, field, toast } from "../dom.js";
import { use } from "../tables.js";
import { account, desk, onChoice } from "./chosen.js";

const WORDS = { ACTIVE: "ACTIVE", REDUCING: "REDUCING ONLY", HALTED: "HALTED" };
const STRICT = ["ACTIVE", "REDUCING", "HALTED"];

/** Return the badge and the switches, and what the connection's state is told to. */
export function trading() {
  const badge = el("span", { class: "badge unknown", role: "status", "aria-label": "Trading state" }, "…");
  const open = el("span", { class: "badge halted", hidden: true });
  const stop = el("button", { class: "danger", id: "kill", title: "Stop trading (x)", onclick: () => halt() }, "■ Kill switch");
  const again = el("button", { hidden: true, onclick: () => resume().catch((error) => toast(error.message, "bad")) }, "Resume…");
  let isLive = false;
  const states = use("trading_states", draw);
  const breakers = use("breakers", draw);

  function worst() {
    const said = [states.get("")?.new_state ?? "ACTIVE"];
    const of = account() ? [account()] : [...desk.accounts.keys()];
    const each = of.map((name) => states.get(name)?.new_state ?? "ACTIVE");
    said.push(account() ? each[0] ?? "ACTIVE" : "ACTIVE");
    const state = said.reduce((a, b) => (STRICT.indexOf(a) > STRICT.indexOf(b) ? a : b));
    return { state, others: account() ? 0 : each.filter((one) => one !== "ACTIVE").length };
  }

  function draw() {
    const shown = isLive && states.isKnown();
    const { state, others } = worst();
    badge.className = `badge ${shown ? state.toLowerCase() : "unknown"}`;
    const more = others && state === "ACTIVE" ? ` · ${others} account${others > 1 ? "s" : ""} not` : "";
    badge.textContent = shown ? WORDS[state] + more : "STATE UNKNOWN";
    badge.dataset.state = shown ? state : "UNKNOWN";
    again.hidden = !shown || !may("controls:write") || (state === "ACTIVE" && !others);
    const tripped = breakers.rows().filter((row) => row.new_state !== "CLOSED");
    open.hidden = !shown || tripped.length === 0;
    open.textContent = `${tripped.length} breaker${tripped.length > 1 ? "s" : ""} open`;
    open.title = tripped.map((row) => `${row.scope} ${row.name}: ${row.reason ?? row.new_state}`).join("\n");
  }

  stop.hidden = !may("controls:write");
  const end = onChoice(draw);
  return {
    elements: [badge, open, again, stop], halt,
    connected(now) { isLive = now; draw(); },
    end() { states.end(); breakers.end(); end(); },
  };
}

/** The whole desk is nobody's who is for some accounts. */
const whole = () => (who().accounts.length > 0 ? [] : [["", "the whole desk"]]);

/** Stop trading: the account's name, or the word DESK, has to be typed. */
export function halt() {
  const scope = choice([...whole(), ...[...desk.accounts.keys()].map((each) => [each, each])]);
  if (account() || whole().length) scope.value = account();
  const how = choice([["halt", "Halt: cancel everything, take nothing"], ["reduce", "Reduce only: what makes positions smaller is taken"]]);
  const reason = el("input", { required: true, maxlength: 200, value: "by hand" });
  const typed = el("input", { autocomplete: "off", spellcheck: "false" });
  const word = () => scope.value || "DESK";
  const label = field("", typed);
  const name = () => { label.firstChild.textContent = `Type ${word()} to confirm`; };
  scope.addEventListener("change", name);
  name();
  ask("Stop trading", [field("What", scope), field("How", how), field("Why", reason), label], {
    label: "Stop", danger: true, ready: () => typed.value === word() && reason.value.trim() !== "",
    act: async () => {
      const said = { reason: reason.value.trim(), ...(scope.value ? { account: scope.value } : {}) };
      const told = await act("POST", `/v1/${how.value}`, said);
      toast(told.text, "good");
    },
  });
  typed.focus();
}

/** Trade again. */
async function resume() {
  const said = await get("/v1/trading_state");
  const stopped = Object.entries(said.accounts).filter(([, state]) => state !== "ACTIVE").map(([name]) => name);
  const options = [...(said.desk === "ACTIVE" ? [] : whole()), ...stopped.map((each) => [each, each])];
  if (options.length === 0) return;
  const scope = choice(options, { value: options.some(([of]) => of === account()) ? account() : options[0][0] });
  const reason = el("input", { required: true, maxlength: 200 }); // to be written: Enter twice is no reason to trade
  ask("Trade again", [field("What", scope), field("Why", reason)], {
    label: "Resume", ready: () => reason.value.trim() !== "",
    act: async () => {
      const told = await act("POST", "/v1/resume", { reason: reason.value.trim(), ...(scope.value ? { account: scope.value } : {}) });
      toast(told.text, "good");
    },
  });
}
