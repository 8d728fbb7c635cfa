// Curves over time: uPlot in the page's colours, drawn anew when the theme or the room's size changes.

/* global uPlot */

import { shown } from "./numbers.js";

const COLOURS = ["--link", "--up", "--warn", "--down", "--quiet"];
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Draw curves in an element: `{put(curves), end()}`; a curve is `{label, points: [[ms, value]]}`. */
export function lines(box, { height = 240, places = 2 } = {}) {
  let plot = null;
  let curves = [];

  function draw() {
    plot?.destroy();
    plot = null;
    if (!box.isConnected || curves.every((each) => each.points.length === 0)) return;
    const data = uPlot.join(curves.map((each) => [each.points.map(([at]) => at / 1_000), each.points.map(([, value]) => Number(value))]));
    const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line") } };
    plot = new uPlot({
      width: Math.max(200, box.clientWidth), height,
      series: [{}, ...curves.map((each, at) => ({
        label: each.label, stroke: colour(COLOURS[at % COLOURS.length]), width: 2, spanGaps: true, points: { show: each.points.length < 2 },
        value: (_, value) => (value === null || value === undefined ? "–" : shown(value.toFixed(places), places)),
      }))],
      axes: [axis, { ...axis, size: 84, values: (_, values) => values.map((each) => shown(String(Number(each.toFixed(8))))) }],
      legend: { live: true },
    }, data, box);
  }

  const sized = new ResizeObserver(() => plot && plot.setSize({ width: Math.max(200, box.clientWidth), height }));
  sized.observe(box);
  const themed = new MutationObserver(draw);
  themed.observe(document.documentElement, { attributeFilter: ["data-theme"] });
  return {
    put(now) { curves = now; draw(); },
    end() { sized.disconnect(); themed.disconnect(); plot?.destroy(); },
  };
}
