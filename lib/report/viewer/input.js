// Gestures and keys become changes of the view.

import {on} from "./dom.js";
import {neighbour, threadSelection} from "./model.js";

const CLICK_PIXELS = 4;
const STEP = 0.15; // of the width, per key press

/** Wheel, drag, pinch, click and double click on the lanes; drag on the ruler. */
export function listenToLanes(timeline, view, hover) {
  const {canvas, ruler, scroller} = timeline;
  const pointers = new Map();
  let press = null;
  const wheel = (event) => {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : 1;
    const dx = event.deltaX * lines, dy = event.deltaY * lines;
    const perPixel = view.width / timeline.width;
    if (event.shiftKey && !event.ctrlKey)
      view.pan((dx || dy) * perPixel);
    else if (event.altKey)
      scroller.scrollTop += dy;
    else if (Math.abs(dx) > Math.abs(dy))
      view.pan(dx * perPixel);
    else
      view.zoom(Math.exp(dy * (event.ctrlKey ? 0.01 : 0.0015)),
                timeline.timeAt(event.offsetX));
  };
  for (const element of [canvas, ruler])
    on(element, {wheel}, {passive: false});

  const startRange = (event, element) => {
    press = {kind: "range", at: timeline.timeAt(event.offsetX), x: event.clientX};
    element.setPointerCapture(event.pointerId);
  };
  const moveRange = (event) => {
    if (Math.abs(event.clientX - press.x) < CLICK_PIXELS)
      return;
    const time = Math.min(view.duration, Math.max(0, timeline.timeAt(event.offsetX)));
    view.set({range: {from: Math.min(press.at, time), to: Math.max(press.at, time)}});
  };

  on(ruler, {
    pointerdown: (event) => {
      if (event.button === 0)
        startRange(event, ruler);
    },
    pointermove: (event) => {
      if (press?.kind === "range")
        moveRange(event);
    },
    pointerup: (event) => {
      if (Math.abs(event.clientX - (press?.x ?? 0)) < CLICK_PIXELS)
        view.set({range: null});
      press = null;
    },
  });

  const release = (event) => {
    if (event.type === "pointerup" && press?.kind === "pan" && !press.moved) {
      view.set({selection: timeline.pickAt(event.offsetX, event.offsetY)});
    }
    pointers.delete(event.pointerId);
    press = null;
  };
  on(canvas, {
    pointerdown: (event) => {
      if (event.button !== 0)
        return;
      scroller.focus({preventScroll: true});
      pointers.set(event.pointerId, event);
      if (pointers.size === 2) {
        press = {kind: "pinch", ...pinchOf(pointers)};
      } else if (event.shiftKey) {
        startRange(event, canvas);
      } else {
        press = {kind: "pan", x: event.clientX, y: event.clientY, moved: false,
                 lastX: event.clientX, lastY: event.clientY};
        canvas.setPointerCapture(event.pointerId);
      }
    },
    pointermove: (event) => {
      if (pointers.has(event.pointerId))
        pointers.set(event.pointerId, event);
      if (press?.kind === "range")
        moveRange(event);
      else if (press?.kind === "pinch" && pointers.size === 2)
        movePinch(timeline, view, canvas, press, pinchOf(pointers));
      else if (press?.kind === "pan")
        movePan(timeline, view, press, event);
      hover(event, {x: event.offsetX, y: event.offsetY}, press);
    },
    pointerup: release,
    pointercancel: release,
    pointerleave: (event) => hover(event, null, press),
    dblclick: () => {
      if (view.selection && view.selection.kind !== "thread")
        view.fit();
    },
  });
}

function pinchOf(pointers) {
  const [a, b] = [...pointers.values()];
  return {distance: Math.max(10, Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY)),
          middle: (a.clientX + b.clientX) / 2};
}

function movePinch(timeline, view, canvas, press, now) {
  const left = canvas.getBoundingClientRect().left;
  view.zoom(press.distance / now.distance, timeline.timeAt(now.middle - left));
  view.pan((press.middle - now.middle) * view.width / timeline.width);
  Object.assign(press, now);
}

function movePan(timeline, view, press, event) {
  if (Math.hypot(event.clientX - press.x, event.clientY - press.y) >= CLICK_PIXELS)
    press.moved = true;
  if (!press.moved)
    return;
  view.pan((press.lastX - event.clientX) * view.width / timeline.width);
  timeline.scroller.scrollTop += press.lastY - event.clientY;
  press.lastX = event.clientX;
  press.lastY = event.clientY;
}

/** The thread rows from top to bottom; select the next one up or down. */
function stepThread(timeline, view, direction) {
  const rows = timeline.rows.filter((row) => row.kind === "thread");
  const at = rows.findIndex((row) => timeline.isSelected(row, view.selection));
  const row = rows[at < 0 ? (direction > 0 ? 0 : rows.length - 1)
    : Math.min(rows.length - 1, Math.max(0, at + direction))];
  if (row)
    view.set({selection: threadSelection(row.lane)});
}

/** All keys: what they do, and what the help says about them. */
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
    [["/"], "search threads and functions", () => actions.search()],
    [["n"], "next found", () => actions.findNext(1)],
    [["N"], "previous found", () => actions.findNext(-1)],
    [["j"], "jump to who held the GIL during a wait", () => actions.jump()],
    [["Escape"], "drop the range, then the selection",
     () => view.set(view.range ? {range: null} : {selection: null})],
    [["?"], "this help", () => actions.help()],
  ];
}

/** Keys act anywhere but where text is typed, and where a key means something already. */
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
