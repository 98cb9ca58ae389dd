// SPDX-License-Identifier: MIT
// Which functions a thread was in.

import {innermost} from "./flame.js";

const MAX_STEPS = 200000; // calls looked at per question

// What a thread did in intervals ([from, to], in order): {id, python, ns} of innermost functions
// and of the Python functions around them (indices, -1: none), the longest first.
export function attributeTime(model, thread, intervals) {
  const {callSpans, callTracks} = thread;
  const rows = [{id: -1, python: -1, ns: 0}], rowOf = new Map();
  const open = (around, id) => {
    const python = model.functions[id].kind === "python" ? id : rows[around].python;
    const key = id * (model.functions.length + 1) + python + 1;
    if (!rowOf.has(key))
      rowOf.set(key, rows.push({id, python, ns: 0}) - 1);
    return rowOf.get(key);
  };
  let steps = 0;
  for (const [from, to] of callSpans ? intervals : []) {
    for (const [row, start, end] of innermost(callSpans, callTracks, from, to, 0, open)) {
      rows[row].ns += end - start;
      if (++steps > MAX_STEPS)
        break;
    }
  }
  return rows.filter(({ns}) => ns > 0).sort((a, b) => b.ns - a.ns);
}

// "crunch (demo.py:12)", "C function time.sleep in poller (demo.py:35)".
export function attributionText(model, {id, python}) {
  if (id < 0)
    return "outside of all functions";
  const {kind, title, where} = model.functions[id];
  if (id === python)
    return `${title} (${where})`;
  const around = model.functions[python];
  const place = around ? ` in ${around.title} (${around.where})` : "";
  return `${kind === "gc" ? "" : `C function ${where ? `${where}.` : ""}`}${title}${place}`;
}
