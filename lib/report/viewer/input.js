// SPDX-License-Identifier: MIT
// Gestures, keys and the search become changes of the view.

import {byId, matcher, max, min, on} from "./dom.js";
import {CALL_HEIGHT, callSelection, laneOf, laneText, neighbour} from "./model.js";

const CLICK_PIXELS = 4;
const STEP = 0.15; // of the width, per key press
const MAX_CALLS = 100000; // that a search lists

export class Gestures {
  // `hover(event, at, press)` says what is at the pointer; `at` is null when it has left.
  constructor(timeline, view, hover) {
    Object.assign(this, {timeline, view, hover, pointers: new Map(), press: null});
    const {canvas, ruler} = timeline;
    for (const element of [canvas, ruler])
      on(element, {wheel: (event) => this.wheel(event)}, {passive: false});
    on(ruler, {
      pointerdown: (event) => {
        if (event.button === 0)
          this.startRange(event);
      },
      pointermove: (event) => this.moveRange(event),
      pointerup: (event) => {
        if (this.isClick(event, this.press?.x ?? 0))
          view.set({range: null});
        this.press = null;
      },
    });
    on(canvas, {
      pointerdown: (event) => this.start(event),
      pointermove: (event) => this.move(event),
      pointerup: (event) => this.release(event),
      pointercancel: (event) => this.release(event),
      pointerleave: (event) => hover(event, null, this.press),
      dblclick: () => {
        if (view.selection && view.selection.kind !== "thread")
          view.fit();
      },
    });
  }

  isClick(event, x, y = event.clientY) {
    return Math.hypot(event.clientX - x, event.clientY - y) < CLICK_PIXELS;
  }

  pan(pixels) {
    this.view.pan(pixels * this.view.width / this.timeline.width);
  }

  wheel(event) {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : 1;
    const dx = event.deltaX * lines, dy = event.deltaY * lines;
    if (event.shiftKey && !event.ctrlKey)
      this.pan(dx || dy);
    else if (event.altKey)
      this.timeline.scroller.scrollTop += dy;
    else if (Math.abs(dx) > Math.abs(dy))
      this.pan(dx);
    else
      this.view.zoom(Math.exp(dy * (event.ctrlKey ? 0.01 : 0.0015)),
                     this.timeline.timeAt(event.offsetX));
  }

  startRange(event) {
    this.press = {kind: "range", at: this.timeline.timeAt(event.offsetX), x: event.clientX};
    event.target.setPointerCapture(event.pointerId);
  }

  moveRange(event) {
    const {press, view} = this;
    if (press?.kind !== "range" || this.isClick(event, press.x))
      return;
    const time = min(view.duration, max(0, this.timeline.timeAt(event.offsetX)));
    view.set({range: {from: min(press.at, time), to: max(press.at, time)}});
  }

  start(event) {
    if (event.button !== 0)
      return;
    const {pointers, timeline: {canvas, scroller}} = this;
    scroller.focus({preventScroll: true});
    pointers.set(event.pointerId, event);
    if (pointers.size === 2) {
      this.press = {kind: "pinch", ...this.pinch()};
    } else if (event.shiftKey) {
      this.startRange(event);
    } else {
      this.press = {kind: "pan", first: event, last: event, moved: false};
      canvas.setPointerCapture(event.pointerId);
    }
  }

  move(event) {
    const {pointers, press} = this;
    if (pointers.has(event.pointerId))
      pointers.set(event.pointerId, event);
    this.moveRange(event);
    if (press?.kind === "pinch" && pointers.size === 2)
      this.movePinch(this.pinch());
    else if (press?.kind === "pan")
      this.movePan(event);
    this.hover(event, {x: event.offsetX, y: event.offsetY}, press);
  }

  release(event) {
    const {press, timeline} = this;
    if (event.type === "pointerup" && press?.kind === "pan" && !press.moved)
      this.view.set({selection: timeline.pickAt(event.offsetX, event.offsetY)});
    this.pointers.delete(event.pointerId);
    this.press = null;
  }

  pinch() {
    const [a, b] = [...this.pointers.values()];
    return {distance: max(10, Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY)),
            middle: (a.clientX + b.clientX) / 2};
  }

  movePinch(now) {
    const {press, timeline} = this;
    const {left} = timeline.canvas.getBoundingClientRect();
    this.view.zoom(press.distance / now.distance, timeline.timeAt(now.middle - left));
    this.pan(press.middle - now.middle);
    Object.assign(press, now);
  }

  movePan(event) {
    const {press} = this, {first, last} = press;
    press.moved ||= !this.isClick(event, first.clientX, first.clientY);
    if (!press.moved)
      return;
    this.pan(last.clientX - event.clientX);
    this.timeline.scroller.scrollTop += last.clientY - event.clientY;
    press.last = event;
  }
}

function stepThread(timeline, view, direction) {
  const rows = timeline.rows.filter((row) => row.kind === "thread");
  const at = rows.findIndex((row) => timeline.isSelected(row, view.selection));
  const row = rows.at(at < 0 && direction < 0 ? -1 : max(0, at + direction)) ?? rows.at(-1);
  if (row)
    view.select(row.lane);
}

// All keys: [keys, what they do, for the help, and the action].
export function keyTable(model, view, timeline, actions) {
  const step = (kind, direction) => () => {
    const next = view.selection && neighbour(model, view.selection, kind, direction, view.from);
    if (next)
      view.go(next);
  };
  return [
    [["w"], "zoom in", () => view.zoom(1 - STEP * 1.5)],
    [["s"], "zoom out", () => view.zoom(1 / (1 - STEP * 1.5))],
    [["a", "ArrowLeft"], "move left", () => view.pan(-STEP * view.width)],
    [["d", "ArrowRight"], "move right", () => view.pan(STEP * view.width)],
    [["ArrowUp"], "previous thread", () => stepThread(timeline, view, -1)],
    [["ArrowDown"], "next thread", () => stepThread(timeline, view, 1)],
    [["f"], "fit the selection, or the whole run", () => view.fit()],
    [["Home", "0"], "the whole run", () => view.fitAll()],
    ...[["[", "wait", -1], ["]", "wait", 1], ["{", "hold", -1], ["}", "hold", 1]].map(
      ([key, kind, by]) => [[key], `${by < 0 ? "previous" : "next"} ${kind} of the thread`,
                            step(kind, by)]),
    [["e"], "all levels of calls, or the outermost ones",
     () => view.set({unfolded: !view.unfolded})],
    [["/"], "search threads and functions", actions.search],
    [["n"], "next match", () => actions.findNext(1)],
    [["N"], "previous match", () => actions.findNext(-1)],
    [["j"], "jump to the longest hold of the GIL during a wait", actions.jump],
    [["Escape"], "drop the range, then the selection",
     () => view.set(view.range ? {range: null} : {selection: null})],
    [["?"], "this help", actions.help],
  ];
}

// Keys act anywhere but where text is typed, and where a key means something already.
export function listenToKeys(table) {
  const actions = new Map(table.flatMap(([keys, , act]) => keys.map((key) => [key, act])));
  document.addEventListener("keydown", (event) => {
    const {target, key} = event;
    const typing = target.closest?.("input, textarea, dialog") ||
      target.closest?.("select") && /^[\w ]|^Arrow|^Home$/.test(key);
    const inTable = target.closest?.("#upper") && /^Arrow|^Home$/.test(key);
    const act = actions.get(key);
    if (!act || typing || inTable || event.ctrlKey || event.metaKey || event.altKey)
      return;
    event.preventDefault();
    act();
  });
}

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

  key({key, shiftKey}) {
    if (key === "Enter")
      this.next(shiftKey ? -1 : 1);
    if (key !== "Escape")
      return;
    this.find("");
    this.input.blur();
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
    this.at = (exact < 0 ? max(0, first(() => true)) : exact) - 1;
    this.next(1);
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
    const lane = laneOf(this.model, {thread: thread.index});
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
      this.view.select(lane);
    else
      this.selectCall(call);
    this.show();
  }

  show() {
    const {input, at, results: {length}} = this;
    byId("search-count").textContent = input.value === "" ? ""
      : `${at < 0 ? "" : `${at + 1} of `}${length}${
        length >= MAX_CALLS ? "+" : ""}${this.model.loading ? " so far" : ""}`;
    this.timeline.markSelected();
  }
}
