// SPDX-License-Identifier: MIT
// Which functions threads were in, and flame graphs as data: trees of frames with times.

import {countText, durationText, matcher, max, min, percentText, pluralText} from "./dom.js";
import {countBelow} from "./tracks.js";

const MAX_STEPS = 200000; // calls that attributeTime looks at

// A tree of frames. Node 0 is the root; a node comes after its parent.
export class FlameTree {
  constructor(names) {
    this.names = names;   // texts, shared by trees
    this.name = [-1];     // indices of names
    this.parent = [-1];
    this.self = [0];      // ns
    this.childOf = new Map();
  }

  get count() {
    return this.name.length;
  }

  child(parent, name) {
    const key = parent * this.names.length + name;
    let node = this.childOf.get(key);
    if (node === undefined) {
      node = this.name.push(name) - 1;
      this.parent.push(parent);
      this.self.push(0);
      this.childOf.set(key, node);
    }
    return node;
  }

  title(node) {
    return node === 0 ? "all" : this.names[this.name[node]];
  }

  finalize() {
    const {count, parent} = this;
    this.total = Float64Array.from(this.self);
    for (let i = count - 1; i > 0; i--)
      this.total[parent[i]] += this.total[i];
    this.children = Array.from({length: count}, () => []);
    for (let i = 1; i < count; i++)
      if (this.total[i] > 0)
        this.children[parent[i]].push(i);
    for (const list of this.children)
      list.sort((a, b) => this.total[b] - this.total[a]);
    this.childOf = null;
    return this;
  }
}

// The tree of recorded stacks, with frames for processes and threads (`heads`: 2), processes (1), or
// neither.
export function stackTree(nodes, names, heads) {
  const tree = new FlameTree(names);
  const depth = new Uint16Array(nodes.count), at = new Uint32Array(nodes.count);
  for (let i = 0; i < nodes.count; i++) {
    const above = nodes.parent[i]; // -1: the root
    depth[i] = above < 0 ? 1 : depth[above] + 1;
    const parent = above < 0 ? 0 : at[above];
    at[i] = depth[i] > heads && depth[i] < 3 ? parent : tree.child(parent, nodes.name[i]);
    tree.self[at[i]] += nodes.self[i];
  }
  return tree.finalize();
}

// That of the samples in [from, to) that are `wanted`, by what they stand for; few are counted.
export function sampleTree({values, samples, counter}, names, heads, from, to, wanted) {
  const {time, thread, period, node} = samples, self = new Float64Array(values.count);
  const ids = [...time.keys()].filter((i) =>
    time[i] >= from && time[i] < to && wanted(thread[i], time[i])), few = ids.length < 10;
  for (const i of ids)
    self[node[i]] += few ? 1 : period[i];
  return Object.assign(stackTree({...values, self}, names, heads),
    {few, samples: ids.length, text: counter === undefined ? durationText : countText});
}

// A thread's innermost calls in [from, to): [node, start, end, call, the call around it]. Outside of
// calls the last two are -1, the node `outside`; `open` makes a node below another. `tracks`, one
// per depth, find the calls open at `from`.
export function* innermost(calls, tracks, from, to, outside, open) {
  const stack = [{node: outside, id: -1, end: Infinity}];
  let at = from;
  const stretch = (until) => {
    const end = min(until, to), {node, id} = stack.at(-1);
    const found = end > at ? [node, at, end, id, stack.at(-2)?.id ?? -1] : null;
    at = max(at, end);
    return found;
  };
  const enter = (id) => {
    const {node, end} = stack.at(-1);
    stack.push({node: open(node, calls.function[id]), id, end: min(calls.endOf(id), end)});
  };
  for (const track of tracks ?? []) {
    const i = track.at(from);
    if (i < 0)
      break;
    enter(track.id[i]);
  }
  let id = tracks ? max(stack.at(-1).id + 1, countBelow(calls.start, from)) : 0;
  for (let start = 0; start < Infinity; id++) {
    start = id < calls?.count && calls.start[id] < to ? calls.start[id] : Infinity; // the next call
    const depth = start < Infinity ? calls.depth[id] : 0;
    while (stack.length > 1 && (stack.length - 1 > depth || stack.at(-1).end <= start)) {
      const found = stretch(min(stack.at(-1).end, start));
      if (found)
        yield found;
      stack.pop();
    }
    const found = stretch(start);
    if (found)
      yield found;
    if (start < Infinity)
      enter(id);
  }
}

export function innermostCalls(calls, from, to, tracks) {
  return innermost(calls, tracks, from, to, -1, (parent, id) => id);
}

// What a thread did in intervals ([from, to], in order): {id, python, ns} of innermost functions and
// the Python ones around them (indices, -1: none), longest first.
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

function causedIn({holds, gil: {waiting}}, from, to) {
  let sum = 0;
  for (const hold of holds.parts(from, to))
    sum += waiting.between(...hold);
  return sum;
}

function overLanes(weigh) {
  return (thread, from, to) => thread.lanes.reduce((sum, lane) =>
    sum + (lane.gil ? weigh(lane, from, to) : 0), 0);
}

const CALL_WEIGHTS = {
  time: (thread, from, to) => to - from,
  hold: overLanes((lane, from, to) => lane.holds.covered(from, to)),
  wait: overLanes((lane, from, to) => lane.waits.covered(from, to)),
  caused: overLanes(causedIn),
};

export const OUTSIDE = "(no function recorded)";

// The tree of functions that were called, weighted by `what` (a key of CALL_WEIGHTS) within
// [from, to). Null when the measurement has become stale.
export async function callTree(model, what, apart, from, to, task) {
  const {functions, processes, threads} = model;
  const names = [...functions.map(({title, where}) => `${title} (${where})`), OUTSIDE,
                 ...processes.map((process) => process.title),
                 ...threads.map((thread) => thread.name)];
  const tree = new FlameTree(names);
  const weigh = CALL_WEIGHTS[what];
  const open = (parent, id) => tree.child(parent, id);
  for (const thread of threads) {
    let head = tree.child(0, functions.length + 1 + thread.process.index);
    if (apart)
      head = tree.child(head, functions.length + 1 + processes.length + thread.index);
    const start = max(from, thread.start_ns), end = min(to, thread.end_ns);
    const {callSpans, callTracks} = thread;
    for (const [node, a, b] of innermost(callSpans, callTracks, start, end, head, open)) {
      if (node !== head)
        tree.self[node] += weigh(thread, a, b);
      else if (what !== "time")
        tree.self[tree.child(head, functions.length)] += weigh(thread, a, b);
      if (task.due && await task.pause())
        return null;
    }
  }
  return tree.finalize();
}

// The nodes that a search finds, and their time; nodes below others are not counted again.
export function findFrames(tree, text) {
  const matches = tree.names.map(matcher(text) ?? (() => false));
  const found = new Set();
  let ns = 0;
  const under = new Uint8Array(tree.count); // an ancestor was found
  for (let i = 1; i < tree.count; i++) {
    const parent = tree.parent[i];
    const hit = tree.total[i] > 0 && matches[tree.name[i]];
    under[i] = under[parent];
    if (hit) {
      found.add(i);
      if (!under[i])
        ns += tree.total[i];
      under[i] = 1;
    }
  }
  return {found, ns};
}

export function figures(tree, node) {
  const all = tree.total[0], total = tree.total[node], self = tree.self[node];
  if (tree.few)
    return `${total} of ${pluralText(all, "sample")}`;
  const {text = durationText} = tree, share = all > 0 ? ` · ${percentText(total, all)}% of all` : "";
  const own = self > 0 && self < total ? ` · ${text(self)} in itself` : "";
  return `${text(total)}${share}${own}`;
}

// The boxes of a graph zoomed to `top`: [{node, depth, from, share, above}], at most `limit`, the
// widest; `from` and `share` in widths of the graph.
export function layBoxes(tree, top, least, limit) {
  const boxes = [];
  const path = [];
  for (let node = top; node > 0; node = tree.parent[node])
    path.unshift(tree.parent[node]);
  path.forEach((node, depth) => boxes.push({node, depth, from: 0, share: 1, above: true}));
  const whole = max(1, tree.total[top]);
  let level = [{node: top, depth: path.length, from: 0, share: 1}];
  while (level.length > 0) {
    const room = max(0, limit - boxes.length);
    if (level.length > room) {
      const widest = new Set([...level].sort((a, b) => b.share - a.share).slice(0, room));
      level = level.filter((box) => widest.has(box));
    }
    boxes.push(...level);
    const below = [];
    for (const {node, depth, from} of level) {
      let at = from;
      for (const child of tree.children[node]) {
        const share = tree.total[child] / whole;
        if (share >= least)
          below.push({node: child, depth: depth + 1, from: at, share});
        at += share;
      }
    }
    level = below;
  }
  return boxes;
}
