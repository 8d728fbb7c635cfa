// Elements out of words. Text is always text: nothing here makes HTML of what the desk or a person said.

/** Return an element. `props`: attributes by their names; `on…`: listeners; `class`, `dataset`, `value` as they are. */
export function el(tag, props = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "dataset") Object.assign(made.dataset, value);
    else if (name === "value" || name === "checked") made[name] = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat(Infinity).filter((each) => each !== null && each !== undefined && each !== false));
  return made;
}

let names = 0;

/** Return a labelled field: its element is `.control`. */
export function field(label, control) {
  control.id ||= `f${++names}`;
  const box = el("div", { class: "field" }, el("label", { for: control.id }, label), control);
  box.control = control;
  return box;
}

/** Return a select of `[value, label]` pairs, or of words. */
export function choice(options, props = {}) {
  const { value, ...rest } = props;
  const made = el("select", rest, options.map((each) => {
    const [of, label] = Array.isArray(each) ? each : [each, each];
    return el("option", { value: of }, label);
  }));
  if (value !== undefined) made.value = value;
  return made;
}

/** Return a panel with a heading; what is in it goes to `.body`. */
export function panel(title, { tools = [], bare = false, label = title } = {}) {
  // as much as it may be, it is scrolled by keyboard, too
  const body = el("div", { class: bare ? "body bare" : "body", tabindex: "0", role: "group", "aria-label": label });
  const made = el("section", { class: "panel", "aria-label": label },
    el("header", {}, el("h2", {}, title), el("span", { class: "rest" }), ...tools), body);
  made.body = body;
  return made;
}

/** Return a table for a few rows: heads are `[name, isNumber]` or names. */
export function table(heads, rows, caption) {
  const isNumber = heads.map((each) => Array.isArray(each) && each[1]);
  return el("table", { class: "plain" },
    caption ? el("caption", { class: "visually-hidden" }, caption) : null,
    el("thead", {}, el("tr", {}, heads.map((each, at) =>
      el("th", { scope: "col", class: isNumber[at] ? "number" : null }, Array.isArray(each) ? each[0] : each)))),
    el("tbody", {}, rows.map((row) => el("tr", {}, row.map((cell, at) =>
      el("td", { class: isNumber[at] ? "number" : null }, cell ?? "–"))))));
}

/** Return facts, a name and what it is each; those without a value are left out. */
export function facts(pairs) {
  return el("dl", { class: "facts" }, pairs.filter(([, value]) => value !== undefined && value !== null && value !== "")
    .map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}

/** Say something where it is seen and read out; it goes by itself unless it is bad. */
export function toast(text, kind = "") {
  const said = el("div", { class: `toast ${kind}` }, el("p", {}, text),
    el("button", { class: "quiet", "aria-label": "Close this message", onclick: () => said.remove() }, "✕"));
  const all = document.getElementById("toasts");
  all.append(said);
  while (all.children.length > 4) all.firstElementChild.remove();
  setTimeout(() => said.remove(), kind === "bad" ? 20_000 : 6_000);
}

/** Ask in a dialog. `body`: elements; `act`: does it, and throws to stay open with the sentence. */
export function ask(title, body, { label, act, danger = false, ready = () => true }) {
  const problem = el("p", { class: "problem", role: "alert" });
  const go = el("button", { class: danger ? "danger" : "primary", type: "submit" }, label);
  const form = el("form", { method: "dialog" }, el("h2", {}, title), body, problem,
    el("div", { class: "row" }, el("button", { type: "button", onclick: () => dialog.close() }, "Leave it"), go));
  const dialog = el("dialog", { "aria-label": title }, form);
  const look = () => { go.disabled = !ready(); };
  form.addEventListener("input", look);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!ready()) return;
    go.disabled = true;
    problem.textContent = "";
    try {
      await act();
      dialog.close();
    } catch (error) {
      problem.textContent = error.message;
      if (!dialog.open) toast(error.message, "bad"); // it was left while nobody knew
      look();
    }
  });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  look();
  dialog.showModal();
  // Enter in an input is the button, in a list it is not; what stands first is chosen first
  const first = form.querySelector("input:not([type=checkbox]), select, textarea");
  first?.focus();
  return dialog;
}
