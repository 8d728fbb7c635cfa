// The desk's rules: what each waits for and does, whether it is on, and what it did last. Rules are written in the
// configuration and switched by an operator's control; this room reads.

import { get } from "../api.js";
import { el, facts, panel, table } from "../dom.js";
import { time } from "../numbers.js";
import { onKey } from "../shell/keys.js";

const AGAIN_MS = 5_000; // rules are told in no topic of rows: they are asked for
const STATES = { FIRED: "up", LOGGED: "", UNMATCHED: "quiet", FAILED: "bad" };

/** Return a rule's terms, which come as JSON; what cannot be read is shown as it is. */
function termsOf(row) {
  if (!row.rule) return {};
  try {
    return JSON.parse(row.rule);
  } catch {
    return { when: row.rule };
  }
}

const actionOf = (action) =>
  Object.entries(action)
    .map(([name, told]) => {
      const words =
        told && typeof told === "object"
          ? Object.entries(told)
              .map(([key, value]) => `${key} ${value}`)
              .join(", ")
          : String(told ?? "");
      return words ? `${name}: ${words}` : name;
    })
    .join("; ");

function card(row) {
  const terms = termsOf(row);
  const { last } = row;
  const isOn = terms.enabled !== false;
  const made = panel(terms.name ? `${row.rule_id}: ${terms.name}` : row.rule_id, {
    label: `Rule ${row.rule_id}`,
    tools: [el("span", { class: `badge ${isOn ? "active" : "unknown"}` }, isOn ? "ON" : "OFF")],
  });
  made.body.append(
    facts([
      ["Event", terms.event],
      ["When", terms.when ? el("code", {}, terms.when) : null],
      ["Does", (terms.actions ?? []).map(actionOf).join("; ")],
      ["Priority", terms.priority],
      ["Cooldown", terms.cooldown_seconds ? `${terms.cooldown_seconds} s` : null],
      ["A day at most", terms.max_executions_per_day],
      ["Accounts", terms.accounts?.join(", ")],
      ["Symbols", terms.symbols?.join(", ")],
      ["Switched by", row.control_id],
      ["Last", last ? el("span", { class: STATES[last.rule_status] ?? "" }, `${last.rule_status}, ${time(last.updated_time)}`) : "nothing yet"],
      ["At", last ? [last.event_type, last.account, last.symbol].filter(Boolean).join(", ") : null],
      ["Sent", last?.signal_ids?.join(", ")],
      ["Said", last?.text],
    ]),
  );
  return made;
}

export const rules = {
  name: "rules",
  title: "Rules",
  key: "r",
  scope: "controls:read",
  mount(box) {
    const problem = el("p", { class: "problem", role: "alert", hidden: true });
    const all = el("div", { class: "cards" });
    const overview = panel("Rules");
    box.append(problem, overview, all);
    let drawn = "";
    let timer = 0;
    let isOver = false;

    async function read() {
      clearTimeout(timer);
      try {
        const found = await get("/v1/rules");
        if (isOver) return;
        problem.hidden = true;
        draw(found.rules);
      } catch (error) {
        problem.textContent = error.message;
        problem.hidden = false;
      }
      if (!isOver) timer = setTimeout(read, AGAIN_MS);
    }

    function draw(rows) {
      const now = JSON.stringify(rows);
      if (now === drawn) return;
      drawn = now;
      const heads = ["Rule", "Event", "On", "Last", "When"];
      overview.body.replaceChildren(
        rows.length === 0
          ? el("p", { class: "empty" }, "the desk has no rules: they stand in its configuration, in the section rules")
          : table(
              heads,
              rows.map((row) => {
                const terms = termsOf(row);
                return [
                  row.rule_id,
                  terms.event,
                  terms.enabled === false ? "off" : "on",
                  row.last ? el("span", { class: STATES[row.last.rule_status] ?? "" }, row.last.rule_status) : "–",
                  time(row.last?.updated_time),
                ];
              }),
              "Rules and what they did last",
            ),
      );
      all.replaceChildren(...rows.map(card));
    }

    const end = onKey("u", "read the rules again", read);
    read();
    return () => {
      isOver = true;
      clearTimeout(timer);
      end();
    };
  },
};
