// SPDX-License-Identifier: MIT

import {byId, on} from "./dom.js";
import {matcher} from "./format.js";
import {CALL_HEIGHT, callSelection, laneOf, laneText, threadSelection} from "./model.js";

const MAX_CALLS = 100000;

export class Search {
  constructor(model, view, timeline) {
    Object.assign(this, {model, view, timeline});
    this.input = byId("search");
    this.results = []; // {lane} of threads, then {thread, id} of calls
    this.at = -1;
    on(this.input, {input: () => this.find(this.input.value), keydown: (event) => this.key(event)});
    on(byId("search-next"), {click: () => this.next(1)});
    on(byId("search-previous"), {click: () => this.next(-1)});
  }

  key(event) {
    if (event.key === "Enter")
      this.next(event.shiftKey ? -1 : 1);
    else if (event.key === "Escape")
      this.clear();
  }

  focus() {
    this.input.focus();
    this.input.select();
  }

  start(name) {
    this.find(name);
    const {functions} = this.model;
    const first = (fits) => this.results.findIndex(({id, thread}) =>
      id >= 0 && fits(functions[thread.callSpans.function[id]].title));
    const exact = first((title) => title === name);
    this.at = (exact < 0 ? Math.max(0, first(() => true)) : exact) - 1;
    this.next(1);
  }

  clear() {
    this.find("");
    this.input.blur();
  }

  find(text) {
    this.input.value = text;
    const matches = matcher(text);
    const lanes = !matches ? [] : this.model.threads.flatMap((thread) => thread.lanes)
      .filter((lane) => matches(laneText(lane)))
      .sort((a, b) => a.thread.process.index - b.thread.process.index);
    this.results = [...lanes.map((lane) => ({lane})), ...matches ? this.findCalls(matches) : []];
    this.at = -1;
    this.timeline.found = new Set(lanes);
    this.show();
  }

  // The calls of functions that match, in the order of time: [{thread, id}].
  findCalls(matches) {
    const {functions, threads} = this.model;
    const matching = functions.map(({title, where}) => matches(`${title} ${where}`));
    const calls = [];
    for (const thread of matching.includes(true) ? threads : []) {
      const {count, function: functionOf} = thread.callSpans ?? {count: 0};
      for (let id = 0; id < count && calls.length < MAX_CALLS; id++)
        if (matching[functionOf[id]])
          calls.push({thread, id});
    }
    const start = ({thread, id}) => thread.callSpans.start[id];
    return calls.sort((a, b) => start(a) - start(b));
  }

  selectCall({thread, id}) {
    const lane = laneOf(this.model, thread.index, null);
    const selection = callSelection(lane, id);
    const row = this.timeline.rowOf(thread.index, lane.gil?.index ?? null);
    if (row && (selection.depth + 1) * CALL_HEIGHT > row.calls)
      this.view.set({unfolded: true});
    this.view.go(selection);
  }

  next(direction) {
    const {length} = this.results;
    if (length === 0)
      return;
    this.at = this.at < 0 && direction < 0 ? length - 1 : (this.at + direction + length) % length;
    const {lane, ...call} = this.results[this.at];
    if (lane)
      this.view.set({selection: threadSelection(lane)});
    else
      this.selectCall(call);
    this.show();
  }

  show() {
    const {input, at, results: {length}} = this;
    byId("search-count").textContent = input.value === "" ? ""
      : `${at < 0 ? "" : `${at + 1} of `}${length}${length >= MAX_CALLS ? "+" : ""}`;
    this.timeline.markSelected();
  }
}
