// SPDX-License-Identifier: MIT
// Gestures and keys become changes of the view.

import {on} from "./dom.js";
import {neighbour, threadSelection} from "./model.js";

const CLICK_PIXELS = 4;
const STEP = 0.15; // of the width, per key press

// Wheel, drag, pinch, click and double click on the lanes; drag on the ruler.
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
          this.startRange(event, ruler);
      },
      pointermove: (event) => this.moveRange(event),
      pointerup: (event) => {
        if (this.isClick(event, this.press?.x ?? 0))
          view.set({range: null});
        this.press = null;
      },
    });
    const release = (event) => this.release(event);
    on(canvas, {
      pointerdown: (event) => this.start(event),
      pointermove: (event) => this.move(event),
      pointerup: release,
      pointercancel: release,
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

  startRange(event, element) {
    this.press = {kind: "range", at: this.timeline.timeAt(event.offsetX), x: event.clientX};
    element.setPointerCapture(event.pointerId);
  }

  moveRange(event) {
    const {press, view} = this;
    if (press?.kind !== "range" || this.isClick(event, press.x))
      return;
    const time = Math.min(view.duration, Math.max(0, this.timeline.timeAt(event.offsetX)));
    view.set({range: {from: Math.min(press.at, time), to: Math.max(press.at, time)}});
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
      this.startRange(event, canvas);
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
    return {distance: Math.max(10, Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY)),
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
  const row = rows[at < 0 ? (direction > 0 ? 0 : rows.length - 1)
    : Math.min(rows.length - 1, Math.max(0, at + direction))];
  if (row)
    view.set({selection: threadSelection(row.lane)});
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
    [["["], "previous wait of the thread", step("wait", -1)],
    [["]"], "next wait of the thread", step("wait", 1)],
    [["{"], "previous hold of the thread", step("hold", -1)],
    [["}"], "next hold of the thread", step("hold", 1)],
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
    const typing = target.closest?.("input, select, textarea, dialog, [role=tablist]");
    const inTable = target.closest?.("#upper") && /^Arrow|^Home$/.test(key);
    const act = actions.get(key);
    if (!act || typing || inTable || event.ctrlKey || event.metaKey || event.altKey)
      return;
    event.preventDefault();
    act();
  });
}
