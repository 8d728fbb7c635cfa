// Operations: how the stages are, what nobody could use, and what the streams say.

import { act, get, may, part } from "../api.js";
import { behind, every } from "../asking.js";
import { ask, choice, el, facts, field, panel, table, toast } from "../dom.js";
import { column, grid } from "../grid.js";
import { shown, span, time } from "../numbers.js";

const STATES = { live: "up", down: "bad", crashed: "bad", recovering: "warn", paused: "warn", stopping: "warn" };
const MOST_FOUND = 200;
const PAGE = 1_000;
const MOST_PAGES = 20;

export const operations = {
  name: "operations", title: "Operations", key: "s", scope: "controls:read",
  mount(box) {
    const stages = panel("Stages", { bare: true });
    box.append(stages);
    const ends = [watchStages(stages)];
    if (may("admin")) ends.push(deadLetters(box));
    ends.push(logSearch(box));
    return () => { for (const each of ends) each(); };
  },
};

/** Show every stage, a second old at most. */
function watchStages(stages) {
  const gaps = el("div");
  stages.append(gaps);
  const asking = every(1_000, async () => {
    const found = await get("/v1/stages");
    stages.body.replaceChildren(table(
      ["Stage", "Part.", "State", ["Lag", true], ["Entries/s", true], ["Entries", true], ["Snapshot", true], ["Restarts", true], "Output hash", "Last error"],
      found.stages.map((row) => [row.stage, String(row.partition), el("b", { class: STATES[row.state] ?? "quiet" }, row.progress ?? row.state), number(row.lag, row.lag > 1_000), number(row.entries_per_s), number(row.entries),
        row.snapshot_age_s === null ? "–" : `${span(row.snapshot_age_s * 1_000)} old`, number(row.restarts), el("code", { title: row.output_hash ?? "" }, row.output_hash?.slice(0, 12) ?? "–"), row.last_error ?? row.note ?? ""]), "Stages"));
    gaps.replaceChildren(...found.gateway.gaps.slice(0, 5).map((each) => el("p", { class: "empty warn" }, each)));
  }, (error) => stages.body.replaceChildren(el("p", { class: "problem" }, error.message)));
  return asking.end;
}

const number = (value, isMuch) => (value === null || value === undefined ? "–" : el("span", { class: isMuch ? "warn" : "" }, shown(String(value))));

/** Show dead letters as they come, each to be looked at and sent again. */
function deadLetters(box) {
  const dead = panel("Dead letters: entries that nobody could use", { bare: true });
  const gridBox = el("div", { class: "low" });
  dead.body.replaceWith(gridBox);
  box.append(dead);
  const made = grid(gridBox, {
    label: "Dead letters", key: (row) => row.id, opened: look, sort: ["updated_time", "desc"],
    columns: [column.time("updated_time", "When"), column.text("stage", "Stage"), column.text("stream", "Stream"), column.text("reason", "Reason", { width: 150 }),
      column.text("text", "Why", { flex: 1, minWidth: 220 }), column.text("redriven_as", "Sent again as", { width: 150 })],
  });
  const sent = new Map();
  const put = (rows, isAll) => made.put(rows.map((row) => ({ ...row, updated_time: row.updated_time ?? row.time, redriven_as: sent.get(row.id) })), isAll);
  const read = async () => {
    const found = await get(`/v1/dead?limit=1000`);
    if (found.dead.length > 0) {
      const asked = found.dead.slice(0, 200).map((row) => `letter_id=${part(row.id)}`).join("&");
      for (const [id, entry] of Object.entries((await get(`/v1/dead/redriven?${asked}`)).redriven)) sent.set(id, entry);
    }
    put(found.dead, true);
    return found;
  };
  const failed = (error) => toast(`dead letters: ${error.message}`, "bad");
  const end = behind("dead", read, () => read().catch(failed), failed); // seldom, and the whole list says where each was sent again

  function look(row) {
    const again = el("input", { type: "checkbox" });
    const fields = Object.entries(row.fields ?? {});
    const inputs = fields.map(([name, value]) => [name, value, el("textarea", { rows: 3, value: String(value) })]);
    ask(`Dead letter ${row.id}`, [
      facts([["Stream", row.stream], ["Entry", row.entry_id], ["Reason", row.reason], ["Why", row.text], ["Sent again as", row.redriven_as]]),
      ...inputs.map(([name, , input]) => field(name, input)),
      row.redriven_as ? el("label", { class: "row" }, again, "send it once more, though it was sent already") : null,
    ].filter(Boolean), {
      label: "Send again", danger: Boolean(row.redriven_as), ready: () => !row.redriven_as || again.checked,
      act: async () => {
        const set = Object.fromEntries(inputs.filter(([, value, input]) => input.value !== String(value)).map(([name, , input]) => [name, input.value]));
        const told = await act("POST", `/v1/dead/${part(row.id)}/redrive`, { ...(Object.keys(set).length ? { set } : {}), ...(again.checked ? { again: true } : {}) });
        sent.set(row.id, told.redriven_as);
        put([row]);
        toast(`sent again as ${told.redriven_as}`, "good");
      },
    });
  }
  return () => { end(); made.end(); };
}

/** Look for words in a stream, backwards from its end. */
function logSearch(box) {
  const found = panel("Log search", { bare: true });
  const stream = el("select", { "aria-label": "Stream" });
  const words = el("input", { type: "search", "aria-label": "Words that an entry has", placeholder: "order id, symbol, type …", required: true });
  const go = el("button", { class: "primary", type: "submit" }, "Search");
  const said = el("p", { class: "empty", role: "status" }, "Newest first: each entry that has all of these words.");
  const list = el("div");
  const form = el("form", { class: "row body", role: "search" }, stream, words, go);
  found.body.append(form, said, list);
  box.append(found);
  let turn = 0;
  get("/v1/topology").then((told) => stream.replaceChildren(...told.streams.map((each) => el("option", { value: each }, each))))
    .catch((error) => { said.textContent = error.message; });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const mine = ++turn;
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    list.replaceChildren();
    let before = null;
    let looked = 0;
    const rows = [];
    try {
      for (let page = 0; page < MOST_PAGES && rows.length < MOST_FOUND && mine === turn; page += 1) {
        const told = await get(`/v1/log/${part(stream.value)}?newest=true&limit=${PAGE}${before ? `&before=${before}` : ""}`);
        if (told.entries.length === 0) break;
        looked += told.entries.length;
        before = told.entries.at(-1).id;
        for (const entry of told.entries) {
          const text = Object.values(entry.fields ?? {}).join(" ");
          if (wanted.every((each) => text.toLowerCase().includes(each) || entry.id.includes(each))) rows.push([entry.id, text]);
        }
        said.textContent = `${rows.length} of ${looked} entries`;
        if (told.entries.length < PAGE) break;
      }
    } catch (error) {
      said.textContent = error.message;
    }
    if (mine !== turn) return;
    list.replaceChildren(table(["When", "Entry", "What"], rows.slice(0, MOST_FOUND).map(([id, text]) => [time(id.split("-")[0]), el("code", {}, id), el("code", { class: "wrap" }, text)]), "What was found"));
  });
  return () => { turn += 1; };
}
