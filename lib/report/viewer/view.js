// SPDX-License-Identifier: MIT
// The state that gestures, keys and links change, and that the page shows.

import {max, min, round} from "./dom.js";
import {threadSelection} from "./model.js";

export const MIN_WIDTH_NS = 200;

export class View {
  constructor(duration_ns) {
    this.duration = max(duration_ns, MIN_WIDTH_NS);
    this.from = 0; // ns since time zero
    this.to = this.duration;
    this.range = null; // {from, to} that was dragged, or null
    this.selection = null; // {kind: that of Details, thread, gil, …}
    this.collapsed = new Set(); // indices of processes
    this.unfolded = false; // all levels of calls
    this.others = false; // processes without a GIL
    this.order = "start";
    this.filter = "";
    this.tab = "threads";
    this.onChange = null; // is told the names of what changed
  }

  get width() {
    return this.to - this.from;
  }

  set(fields) {
    const changed = Object.keys(fields).filter((name) => this[name] !== fields[name]);
    if (changed.length === 0)
      return;
    Object.assign(this, fields);
    this.onChange?.(changed);
  }

  select(lane) {
    this.set({selection: threadSelection(lane)});
  }

  show(from, to) {
    const width = min(this.duration, max(MIN_WIDTH_NS, Math.abs(to - from)));
    const middle = (from + to) / 2;
    const start = min(max(0, middle - width / 2), this.duration - width);
    this.set({from: start, to: start + width});
  }

  zoom(factor, at = (this.from + this.to) / 2) {
    const width = min(this.duration, max(MIN_WIDTH_NS, this.width * factor));
    const share = (at - this.from) / this.width;
    this.show(at - share * width, at - share * width + width);
  }

  pan(by_ns) {
    this.show(this.from + by_ns, this.to + by_ns);
  }

  fit() {
    const {selection, range} = this;
    if (selection?.end > selection?.start)
      this.showAround(selection.start, selection.end, 0.5);
    else if (range)
      this.showAround(range.from, range.to, 0.03);
    else
      this.fitAll();
  }

  fitAll() {
    this.show(0, this.duration);
  }

  showAround(from, to, margin) {
    this.show(from - (to - from) * margin, to + (to - from) * margin);
  }

  reveal(from, to) {
    if (to - from > this.width)
      this.showAround(from, to, 0.1);
    else if (from < this.from || to > this.to)
      this.pan((from + to) / 2 - (this.from + this.to) / 2);
  }

  go(selection) {
    this.set({selection});
    this.reveal(selection.start, selection.end);
  }

  toggleProcess(process) {
    const collapsed = new Set(this.collapsed);
    if (!collapsed.delete(process))
      collapsed.add(process);
    this.set({collapsed});
  }
}

const roundSpan = ({from, to}) => `${round(from)}-${round(to)}`;

function selectionToHash({thread: index, gil, kind, start}, {threads}) {
  const thread = threads[index], reused = threads.filter(({tid}) => tid === thread.tid);
  return {thread: `${thread.tid}${reused.length > 1 ? `.${reused.indexOf(thread)}` : ""}`,
          gil: gil?.toString(), at: kind !== "thread" && `${kind}:${round(start)}`};
}

// The view as a link's fragment: "t=FROM-TO&thread=TID&…", in ns since time zero.
export function viewToHash(view, model) {
  const {selection, range, tab, order, filter} = view;
  const fields = {t: roundSpan(view), ...selection && selectionToHash(selection, model),
                  range: range && roundSpan(range), tab: tab !== "threads" && tab,
                  order: order !== "start" && order, filter: encodeURIComponent(filter)};
  return Object.entries(fields).filter(([, value]) => value)
    .map(([name, value]) => `${name}=${value}`).join("&");
}

function readInterval(text) {
  const match = /^(\d{1,16})-(\d{1,16})$/.exec(text ?? "");
  return match && Number(match[1]) < Number(match[2])
    ? {from: Number(match[1]), to: Number(match[2])} : null;
}

export function readHash(hash) {
  const values = new URLSearchParams(hash.replace(/^#/, ""));
  const read = (name, pattern) => pattern.exec(values.get(name) ?? "") ?? [];
  const [, tid, nth = 0] = read("thread", /^(\d{1,10})(?:\.(\d{1,6}))?$/);
  const [, kind, start] = read("at", /^(wait|hold|free|state|blocked|call):(\d{1,16})$/);
  const [gil] = read("gil", /^\d{1,6}$/);
  const [tab = null] = read("tab", /^[a-z]{1,20}$/);
  const [order] = read("order", /^(start|wait|hold|name)$/);
  return {
    interval: readInterval(values.get("t")), range: readInterval(values.get("range")),
    tid: tid ? Number(tid) : null, nth: Number(nth), // of the threads with that tid
    gil: gil ? Number(gil) : null, at: kind ? {kind, start: Number(start)} : null, tab,
    ...values.has("filter") && {filter: values.get("filter")}, ...order && {order},
  };
}
