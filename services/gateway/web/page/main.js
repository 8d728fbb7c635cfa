// The desk's page: who is here, then the frame with its rooms. Rooms are a list; each file of them is one.

import { begin, signedOut, stillHere } from "./api.js";
import { el } from "./dom.js";
import * as stream from "./stream.js";
import { load } from "./shell/chosen.js";
import { frame } from "./shell/frame.js";
import { askWho } from "./shell/login.js";
import { rooms } from "./rooms/index.js";

const app = document.getElementById("app");
let end = null;

async function start() {
  try {
    if ((await begin()) === null) {
      askWho(app, start);
      return;
    }
    await load();
  } catch (error) {
    app.replaceChildren(el("p", { class: "starting", role: "alert" }, `${error.message}. Trying again…`));
    setTimeout(start, 2_000);
    return;
  }
  stream.open();
  const unwatch = stream.watch((state) => state === "away" && stillHere());
  const leave = frame(app, rooms);
  end = () => { unwatch(); leave(); };
}

signedOut(() => {
  end?.();
  end = null;
  stream.close();
  location.reload(); // nothing of what one person wrote or said yes to is left to the next
});

start();
