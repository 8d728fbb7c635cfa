// Execution quality: what orders cost beyond the mid, how fast they were, and why others were refused.

import { get, part } from "../api.js";
import { every } from "../asking.js";
import { choice, el, panel, table } from "../dom.js";
import { money, shown } from "../numbers.js";
import { account, onChoice } from "../shell/chosen.js";

const SPANS = [["1", "today"], ["7", "7 days"], ["30", "30 days"]];
const basis = (value) => (value === null ? "–" : shown(value, 2));
const ms = (value) => (value === null ? "–" : `${shown(value)} ms`);
const percent = (value) => (value === null ? "–" : `${shown(String(Number(value) * 100), 1)} %`);

export const quality = {
  name: "quality", title: "Execution", key: "q", scope: "orders:read",
  mount(box) {
    let days = "1";
    const span = choice(SPANS, { value: days, "aria-label": "Since when", onchange: () => { days = span.value; asking.now(); } });
    const markets = panel("Execution by market", { tools: [span], bare: true });
    const refused = panel("Refused", { bare: true });
    const said = el("p", { class: "quiet" });
    box.append(markets, refused, said);

    async function read(isLast) {
      const since = days === "1" ? "" : `&since=${Date.now() - Number(days) * 86_400_000}`;
      const found = await get(`/v1/reports/execution?${account() ? `account=${part(account())}` : ""}${since}`);
      if (!isLast()) return;
      markets.body.replaceChildren(found.markets.length === 0 ? el("p", { class: "empty" }, "no order was received in that time")
        : table(["Symbol", "Venue", ["Orders", true], ["Filled", true], ["Fills", true], ["Traded", true], "Cur.", ["Fees", true], ["Slippage, bps", true], ["Half spread, bps", true], ["As maker", true],
          ["Accepted p50", true], ["p99", true], ["First fill p50", true], ["p99", true]],
        found.markets.map((row) => [row.symbol, row.venue, String(row.orders), String(row.filled_orders), String(row.fills), money(row.notional), row.currency ?? "–", money(row.fees),
          basis(row.slippage_bps), basis(row.expected_slippage_bps), percent(row.maker_share), ms(row.accepted_ms_p50), ms(row.accepted_ms_p99), ms(row.first_fill_ms_p50), ms(row.first_fill_ms_p99)]), "Execution by market"));
      refused.body.replaceChildren(found.rejected.length === 0 ? el("p", { class: "empty" }, "no order was refused in that time")
        : table(["Reason", ["Orders", true]], found.rejected.map((row) => [row.reason, String(row.orders)]), "Why orders were refused"));
      said.textContent = ["Slippage is from the mid as the order came, weighted by what was traded; by analytics, some seconds behind.", ...found.incomplete].join(" ");
    }

    const asking = every(15_000, read, (error) => { said.textContent = error.message; });
    const end = onChoice(() => asking.now());
    return () => { end(); asking.end(); };
  },
};
