// What an execution algorithm may be told, as the desk describes its algorithms (GET /v1/algorithms).

import { get } from "../api.js";
import { choice, el, field } from "../dom.js";
import { controlOf } from "./contract.js";

let asked = null;

/** Return every algorithm of the desk, as it describes itself; read once. */
export function algorithms() {
  asked ??= get("/v1/algorithms")
    .then((said) => said.algorithms)
    .catch((error) => {
      asked = null;
      throw error;
    });
  return asked;
}

const KINDS = { time: "time", "whole number": "number", number: "number", "true or false": "flag", text: "text" };

function controlFor(parameter) {
  const { name, type, description, required } = parameter;
  const values = /^[A-Z_]+(, [A-Z_]+)*$/.test(type) ? type.split(", ") : null;
  const kind = values ? "choice" : (KINDS[type] ?? "text");
  const usual = parameter.default ?? (type.startsWith("list") ? "1, 2, 3" : required ? "needed" : "");
  return controlOf({ name, kind, values, title: `${description} (${type})`, placeholder: String(usual) }, { empty: parameter.default ?? "–" });
}

/** Return the JSON that is sent: a list is written with commas, everything else as it stands. */
function parametersOf(boxes, said) {
  const types = new Map((said?.parameters ?? []).map((each) => [each.name, each.type]));
  const given = boxes
    .map((box) => [box.name, box.given()])
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => [name, types.get(name)?.startsWith("list") ? value.split(/[\s,]+/).filter(Boolean) : value]);
  return JSON.stringify(Object.fromEntries(given));
}

const OTHER = "other";

/** Return the fields of an algorithm of one's own, which the gateway does not know: its name, and what it is told as JSON. */
function otherFields() {
  const name = controlOf({ name: "algorithm", kind: "text", title: "as execution.algorithms has it" }, { label: "Its name" });
  const told = controlOf({ name: "algorithm_parameters", kind: "text", title: "a JSON object", placeholder: "{}" }, { label: "Its parameters, JSON" });
  return {
    element: el("div", { class: "fields", hidden: true }, name, told),
    boxes: [name, told],
    given: () => ({ ...(name.given() ? { algorithm: name.given() } : {}), algorithm_parameters: told.given() ?? "{}" }),
  };
}

/** Return `{elements, given(), boxes(), name()}`: a choice of algorithms and, of the chosen one, its parameters. */
export function algorithmFields(changed, { none = "none: sent whole" } = {}) {
  const pick = choice([["", none]]);
  const about = el("p", { class: "quiet" });
  const own = el("div", { class: "fields" });
  const common = el("div", { class: "fields" });
  const other = otherFields();
  const more = el("details", { hidden: true }, el("summary", {}, "For every algorithm"), common);
  let all = [];
  let boxes = [];

  function draw() {
    const said = all.find((each) => each.name === pick.value);
    about.textContent = said ? `${said.description}${said.needs_end ? " It needs duration_ms or end_time." : ""}` : "";
    boxes = (said?.parameters ?? []).map((each) => Object.assign(controlFor(each), { ofAll: each.of_all }));
    const first = (box) => !box.ofAll || (said.needs_end && /^(duration_ms|end_time)$/.test(box.name)) || box.name === "urgency";
    own.replaceChildren(...boxes.filter(first));
    common.replaceChildren(...boxes.filter((box) => !first(box)));
    more.hidden = !said;
    other.element.hidden = pick.value !== OTHER;
  }

  pick.addEventListener("change", () => {
    draw();
    changed();
  });
  algorithms()
    .then((found) => {
      all = found;
      const before = pick.value;
      pick.replaceChildren(
        el("option", { value: "" }, none),
        ...all.map((each) => el("option", { value: each.name, title: each.description }, each.name)),
        el("option", { value: OTHER }, "another, by its name"),
      );
      pick.value = before;
    })
    .catch((error) => {
      about.textContent = `algorithms cannot be chosen: ${error.message}`;
    });
  return {
    elements: [field("Algorithm", pick), about, own, more, other.element],
    boxes: () => (pick.value === OTHER ? other.boxes : boxes),
    given() {
      if (!pick.value) return {};
      if (pick.value === OTHER) return other.given();
      return {
        algorithm: pick.value,
        algorithm_parameters: parametersOf(
          boxes,
          all.find((each) => each.name === pick.value),
        ),
      };
    },
    name: () => pick.value,
  };
}
