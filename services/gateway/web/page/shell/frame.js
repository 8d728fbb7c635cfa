// The frame around every room: badges, who is here, the list of rooms, and the room that the address names.

import { logout, may, who } from "../api.js";
import { choice, el, toast } from "../dom.js";
import { use } from "../tables.js";
import * as stream from "../stream.js";
import { account, choose, desk, load, mode, onChoice } from "./chosen.js";
import { help, onKey } from "./keys.js";
import { trading } from "./trading.js";

/** Draw the frame in an element, with rooms: `{name, title, key, scope, mount(box) → end}`. Returns what ends it. */
export function frame(app, rooms) {
  const open = rooms.filter((each) => may(each.scope));
  const state = trading();
  const badge = el("span", { class: "badge", id: "mode" });
  const link = el("span", { class: "link-state", role: "status" }, "connecting");
  const accounts = el("select", { "aria-label": "Account", onchange: () => choose({ account: accounts.value }) });
  const top = el("header", { class: "top" },
    el("a", { class: "skip", href: "#room" }, "Skip to the room"),
    el("span", { class: "brand" }, el("img", { src: "icon.svg", alt: "" }), el("span", { class: "wide" }, "Fillstream")),
    badge, accounts, state.elements.slice(0, 2), el("span", { class: "rest" }), link,
    el("span", { class: "quiet wide", id: "who" }, `${who().user} · ${who().role ?? "everything"}`),
    el("button", { class: "quiet", "aria-label": "Dark or light", title: "Dark or light", onclick: turn }, "◐"),
    el("button", { class: "quiet", "aria-label": "Keys", title: "Keys (?)", onclick: help }, "?"),
    who().mode === "people" ? el("button", { class: "quiet", onclick: () => logout().catch((error) => toast(error.message, "bad")) }, "Log out") : null,
    state.elements.slice(2));
  const away = el("p", { class: "away", role: "alert", hidden: true },
    "Not connected: what is below is as it was, and nobody knows what the desk does now. Trying again…");
  const links = new Map(open.map((each) => [each.name, el("a", { href: `#/${each.name}` }, each.title,
    el("span", { class: "hint", "aria-hidden": "true" }, each.key))]));
  const nav = el("nav", { class: "rooms", "aria-label": "Rooms" }, [...links.values()]);
  const box = el("main", { class: "room", id: "room", tabindex: "-1" });
  app.replaceChildren(el("div", { class: "desk" }, top, away, nav, box));
  // the warning is a row of its own only while it is shown
  const shape = () => app.firstElementChild.classList.toggle("is-away", !away.hidden);

  const ends = [state.end, onKey("?", "show the keys", help), onKey("x", "the kill switch", () => may("controls:write") && state.halt())];
  for (const each of open) ends.push(onKey(`g ${each.key}`, `go to ${each.title}`, () => { location.hash = `/${each.name}`; }));

  function drawAccounts() {
    accounts.replaceChildren(el("option", { value: "" }, "all accounts"),
      ...[...desk.accounts.keys()].sort().map((each) => el("option", { value: each }, each)));
    accounts.value = account();
    const now = mode();
    badge.textContent = now;
    badge.className = `badge ${now.toLowerCase()}`;
    top.dataset.mode = now;
    badge.title = now === "LIVE" ? "Orders go to a real venue" : "Every venue is simulated";
  }
  ends.push(onChoice(drawAccounts));

  let end = null;
  let shown = null;
  function go() {
    const [name, ...rest] = location.hash.replace(/^#\/?/, "").split("/").map(decoded);
    const room = open.find((each) => each.name === name) ?? open[0];
    if (!room) {
      box.replaceChildren(el("p", { class: "empty" }, "Your role shows no room of this desk."));
      return;
    }
    if (shown === room.name && end?.show) {
      end.show(rest);
      return;
    }
    end?.();
    shown = room.name;
    box.className = "room";
    box.replaceChildren(el("h1", { class: "visually-hidden" }, room.title));
    for (const [each, to] of links) to.toggleAttribute("aria-current", each === room.name);
    links.get(room.name).setAttribute("aria-current", "page");
    document.title = `${room.title} · Fillstream`;
    end = room.mount(box, rest) ?? (() => {});
  }
  addEventListener("hashchange", go);
  ends.push(() => removeEventListener("hashchange", go), () => end?.());

  // Counted as orders change, not anew each time: there may be many.
  const waits = new Set();
  const waiting = may("orders:read") ? use("orders", (changed, isAll) => {
    if (isAll) waits.clear();
    for (const row of changed) {
      if (row.approval_time && row.ord_status === "Suspended") waits.add(row.order_id);
      else waits.delete(row.order_id);
    }
    const to = links.get("approvals");
    if (!to) return;
    const mark = to.querySelector(".count");
    if (waits.size === 0) mark?.remove();
    else if (mark) mark.textContent = waits.size;
    else to.insertBefore(el("span", { class: "count" }, String(waits.size)), to.lastElementChild);
  }) : null;
  ends.push(() => waiting?.end());

  let isFirst = true;
  ends.push(stream.watch((now) => {
    const isLive = now === "live";
    link.dataset.state = now;
    link.textContent = isLive ? "connected" : isFirst ? "connecting" : "away";
    away.hidden = isLive || isFirst;
    shape();
    state.connected(isLive);
    if (isLive) {
      if (!isFirst) load().then(drawAccounts).catch((error) => toast(error.message, "bad"));
      isFirst = false;
    }
  }));
  drawAccounts();
  go();
  return () => { for (const each of ends) each(); };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // no address of ours
  }
}

function turn() {
  const root = document.documentElement;
  root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
  localStorage.setItem("fillstream.theme", root.dataset.theme);
}
