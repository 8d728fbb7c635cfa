// Who are you: a name and a password.

import { begin, login } from "../api.js";
import { el, field } from "../dom.js";

/** Show the form in an element; call `then` once somebody is in. */
export function askWho(app, then) {
  const user = el("input", { name: "username", autocomplete: "username", required: true, autocapitalize: "none", spellcheck: "false" });
  const password = el("input", { name: "password", type: "password", autocomplete: "current-password", required: true });
  const problem = el("p", { class: "problem", role: "alert" });
  const go = el("button", { class: "primary", type: "submit" }, "Log in");
  const form = el("form", { "aria-label": "Log in" },
    el("h1", { class: "brand" }, el("img", { src: "icon.svg", alt: "" }), "Fillstream"),
    field("Name", user), field("Password", password), problem, go);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    go.disabled = true;
    problem.textContent = "";
    try {
      await login(user.value, password.value);
      if ((await begin()) === null) throw new Error("this browser keeps no cookie of the desk");
      then();
    } catch (error) {
      problem.textContent = error.message;
      password.value = "";
      password.focus();
    } finally {
      go.disabled = false;
    }
  });
  app.replaceChildren(el("main", { class: "login" }, form));
  user.focus();
}
