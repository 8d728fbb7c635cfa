// What an order may be told, as the gateway's OpenAPI document has it: fields with their choices, meanings and units.
// Nothing of the contract is written down here a second time; a new field of it is shown by itself.

import { get } from "../api.js";
import { choice, el, field } from "../dom.js";

let asked = null;

/** Return the document; read once. */
function contract() {
  asked ??= get("contract.json").catch((error) => {
    asked = null;
    throw error;
  });
  return asked;
}

/** Return the fields of a route's body by name: `{name, kind, values, title, required, unit}`. */
export async function fieldsOf(method, path) {
  const document = await contract();
  const { schema } = document.paths[path][method].requestBody.content["application/json"];
  return new Map(
    Object.entries(schema.properties).map(([name, said]) => [
      name,
      { name, ...kindOf(said, document), title: said.description ?? "", unit: said.unit ?? "", required: schema.required?.includes(name) ?? false },
    ]),
  );
}

const named = (document, ref) =>
  ref
    .split("/")
    .slice(1)
    .reduce((at, name) => at[name], document);

function kindOf(said, document) {
  const all = (said.anyOf ?? [said]).filter((each) => each.type !== "null").map((each) => (each.$ref ? named(document, each.$ref) : each));
  const values = all.find((each) => each.enum)?.enum;
  if (values) return { kind: "choice", values };
  if (all.some((each) => each.type === "boolean")) return { kind: "flag" };
  if (/^ms since/.test(said.unit ?? "")) return { kind: "time" };
  if (all.some((each) => each.type === "number" || each.type === "integer")) return { kind: "number" };
  return { kind: "text" };
}

/** Return words of a name: `stop_price` is "Stop price". */
export const wordsOf = (name) => (name.charAt(0).toUpperCase() + name.slice(1)).replaceAll("_", " ");

/**
 * Return a labelled box for a field, with `.name`, `.control`, `.given()` (undefined of none), `.put(text)` and
 * `.wrong(sentence)`, which says below it what is wrong, or nothing more.
 */
export function controlOf(said, { label = wordsOf(said.name), empty = "–" } = {}) {
  const control = {
    choice: () => choice([["", empty], ...(said.values ?? [])]),
    flag: () => el("input", { type: "checkbox" }),
    time: () => el("input", { type: "datetime-local", step: "1" }),
    number: () => el("input", { inputmode: "decimal", autocomplete: "off", spellcheck: "false" }),
    text: () => el("input", { autocomplete: "off", spellcheck: "false", autocapitalize: "none" }),
  }[said.kind]();
  control.name = said.name;
  if (said.title) control.title = said.title + (said.unit && !/^ms/.test(said.unit) ? ` (${said.unit})` : "");
  if (said.placeholder) control.placeholder = said.placeholder;
  const box = field(label, control);
  if (said.kind === "flag") box.classList.add("flag");
  const wrong = el("p", { class: "problem", id: `${control.id}wrong`, hidden: true });
  box.append(wrong);
  box.name = said.name;
  box.given = () => givenOf(said.kind, control);
  box.put = (text) => {
    if (said.kind === "flag") control.checked = text;
    else control.value = text ?? "";
  };
  box.wrong = (sentence) => {
    wrong.textContent = sentence ?? "";
    wrong.hidden = !sentence;
    control.toggleAttribute("aria-invalid", Boolean(sentence));
    if (sentence) control.setAttribute("aria-invalid", "true");
    if (sentence) control.setAttribute("aria-describedby", wrong.id);
    else control.removeAttribute("aria-describedby");
  };
  return box;
}

function givenOf(kind, control) {
  if (kind === "flag") return control.checked || undefined;
  const text = control.value.trim();
  if (text === "") return undefined;
  return kind === "time" ? new Date(text).getTime() : text;
}

/** Return the name of the field that a sentence of the desk is about: it begins with it, and a colon. */
export const namedIn = (sentence) => /^([a-z_]+)(?:\.\w+)?:/.exec(sentence ?? "")?.[1] ?? null;
