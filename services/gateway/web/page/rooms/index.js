// Every room of the desk, in the order in which they are shown. A room: where it stands in the address, what it is called,
// the key behind `g`, the scope that shows it, and `mount(box, rest)`, which draws it and returns what ends it.

import { accounts } from "./accounts.js";
import { algorithms } from "./algorithms.js";
import { approvals } from "./approvals.js";
import { controls } from "./controls.js";
import { fills } from "./fills.js";
import { operations } from "./operations.js";
import { orders } from "./orders.js";
import { positions } from "./positions.js";
import { quality } from "./quality.js";
import { rules } from "./rules.js";
import { targets } from "./targets.js";
import { trade } from "./trade.js";

export const rooms = [
  trade, orders, fills, positions, targets, algorithms, approvals, rules, accounts, quality, controls, operations,
];
