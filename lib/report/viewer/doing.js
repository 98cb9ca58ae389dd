// The functions of a stretch of time, in numbers and in words.

import {innermost} from "./flame.js";

const MOST_STEPS = 200000; // calls looked at per question

/** What a thread did in pieces of time ([from, to], in order): {called, python, ns} of innermost
 * functions and the Python functions around (indices, -1: none), the longest first. */
export function doingDuring(model, thread, pieces) {
  const {callSpans, callTracks} = thread;
  const rows = [{called: -1, python: -1, ns: 0}], rowOf = new Map();
  const open = (around, called) => {
    const python = model.functions[called].kind === "python" ? called : rows[around].python;
    const key = called * (model.functions.length + 1) + python + 1;
    if (!rowOf.has(key))
      rowOf.set(key, rows.push({called, python, ns: 0}) - 1);
    return rowOf.get(key);
  };
  let steps = 0;
  for (const [from, to] of callSpans ? pieces : []) {
    for (const [row, start, end] of innermost(callSpans, callTracks, from, to, 0, open)) {
      rows[row].ns += end - start;
      if (++steps > MOST_STEPS)
        break;
    }
  }
  return rows.filter(({ns}) => ns > 0).sort((a, b) => b.ns - a.ns);
}

/** The parts of a track's spans that lie in [from, to). */
export function piecesOf(track, from, to) {
  const pieces = [];
  for (let i = track.firstAfter(from); i < track.count && track.start[i] < to; i++)
    pieces.push([Math.max(from, track.start[i]), Math.min(to, track.end(i))]);
  return pieces;
}

/** "crunch (demo.py:12)", "C function time.sleep in poller (demo.py:35)". */
export function doingText(model, {called, python}) {
  if (called < 0)
    return "outside of all functions";
  const {kind, title, where} = model.functions[called];
  if (called === python)
    return `${title} (${where})`;
  const around = model.functions[python];
  const place = around ? ` in ${around.title} (${around.where})` : "";
  return `${kind === "gc" ? "" : `C function ${where ? `${where}.` : ""}`}${title}${place}`;
}
