// SPDX-License-Identifier: MIT
// The whole run: owners by colour, waiters as a curve, and the part in view as a window.

import {byId, ceil, floor, max, min, on, percentText, round, sizeCanvas, timeText} from "./dom.js";
import {isLost} from "./model.js";
import {Painter} from "./paint.js";
import {byNs, holdersDuring} from "./select.js";
import {curveOf, FOR_THE_GIL, waitersOf} from "./tracks.js";

const MAX_ROWS = 6; // GILs shown, those with most waiting first
const EDGE_PIXELS = 6;
const OWNERS_SHARE = 0.6; // of the height; the rest is the curve of waiters

// A GIL for the painter, of slices alone.
function sliced(gil, duration) {
  const tracks = [];
  for (const [[who], shares] of gil.slices)
    tracks[who] = curveOf(shares, duration);
  return {...gil, holdSpans: null, allHolds: tracks[0], holdTracks: tracks.slice(1)};
}

export class Overview {
  // `hover(event, text)`: null when the pointer has left.
  constructor(model, view, utilization, hover) {
    Object.assign(this, {model, view, utilization, hover});
    this.canvas = byId("overview-canvas");
    this.context = this.canvas.getContext("2d", {alpha: false});
    this.window = byId("overview-window");
    this.painter = new Painter();
    const {waiters: [slices], duration} = model;
    this.curve = slices && curveOf(slices[1], duration);
    this.gils = slices ? model.gils.filter((gil) => gil.slices.length > 0) : this.busiest();
    this.pictures = slices ? this.gils.map((gil) => sliced(gil, duration)) : this.gils;
    this.partial = this.gils.some(({partial}) => partial);
    this.listen();
  }

  // How many threads wait; from their states, where no GIL's events were recorded.
  get waitings() {
    const {gils, threads} = this.model;
    this.asleep ??= gils.length > 0 ? null : waitersOf(
      threads.flatMap(({stateTracks}) => stateTracks?.[FOR_THE_GIL] ?? []));
    return this.asleep ? [this.asleep] : gils.map(({waiting}) => waiting);
  }

  busiest() {
    const used = ({lanes}) => lanes.reduce((sum, {hold_ns, wait_ns}) => sum + hold_ns + wait_ns, 0);
    return [...this.model.gils].sort((a, b) => used(b) - used(a)).slice(0, MAX_ROWS)
      .sort((a, b) => a.index - b.index);
  }

  paint() {
    const {canvas, painter, gils, theme} = this;
    const ratio = sizeCanvas(canvas, canvas.clientWidth, canvas.clientHeight);
    const {width, height} = canvas;
    painter.begin(this.context, width, height, 0, this.view.duration, theme);
    const owners = gils.length > 0 ? round(height * OWNERS_SHARE) : 0;
    const row = floor(owners / max(1, gils.length));
    this.pictures.forEach((gil, i) =>
      painter.owners(gil, i * row, row - (i < gils.length - 1 ? 2 : 0)));
    this.paintWaiters(owners + round(3 * ratio), height, ratio);
    painter.lost(this.model.lost, height);
    gils.forEach((gil, i) => painter.lost(gil.process.lost, i * row + row, i * row));
    painter.end(this.context);
  }

  paintWaiters(top, bottom, ratio) {
    const {width} = this.painter;
    const sum = new Float32Array(width), one = new Float32Array(width);
    for (const waiting of this.curve ? [this.curve] : this.waitings) {
      waiting.coverage(0, this.view.duration / width, width, one);
      one.forEach((value, x) => { sum[x] += value; });
    }
    const most = max(1, ceil(sum.reduce((a, b) => max(a, b), 0) - 0.01));
    this.painter.curve(sum, top, bottom - top, most, round(ratio));
    this.label(sum.some((value) => value > 0) ? most : 0);
  }

  label(most) {
    const [busiest] = [...this.utilization].sort((a, b) => b.contended - a.contended);
    const seen = this.gils.length > 0, which = this.utilization.length > 1 ? "busiest GIL " : "";
    const held = this.partial ? "holds that were " : `held ${percentText(busiest?.held, 1)}%, `;
    const waiting = seen ? "below: threads that wait" : "asleep for the GIL";
    const texts = {
      title: seen ? "Who holds the GIL" : "Whole run",
      utilization: busiest ? `${which}${held}waited for ${percentText(busiest.contended, 1)}%` : "",
      most: most > 0 ? `${waiting}, up to ${most}` : seen ? "nobody waits" : "no GIL was seen",
    };
    for (const [id, text] of Object.entries(texts))
      byId(`overview-${id}`).textContent = text;
    byId("overview-most").className = most > 0 ? "waits" : "hint";
    this.canvas.setAttribute("aria-label", Object.values(texts).join(" "));
  }

  textAt(time) {
    const half = this.view.duration / this.canvas.clientWidth;
    if (this.model.loading)
      return timeText(time, half);
    const from = max(0, time - half), to = min(this.view.duration, time + half);
    const waited = this.waitings.reduce((sum, waiting) => sum + waiting.between(from, to), 0);
    const holders = this.gils.flatMap((gil) => holdersDuring(gil, from, to)
      .map(({member, ns}) => ({ns, text: `${gil.lanes[member].thread.title} ${
        percentText(ns, to - from)}%`}))).sort(byNs).slice(0, 3)
      .map(({text}) => text);
    const lost = this.gils.some(({process}) => isLost(process.lost, from, to));
    const held = holders.length > 0 ? `held by ${holders.join(", ")}`
      : this.partial ? "" : "not held";
    return [timeText(time, half), held,
            waited > 0 ? `${(waited / (to - from)).toFixed(1)} waiting` : "",
            lost ? "events were lost" : ""]
      .filter(Boolean).join(" · ");
  }

  place() {
    const {from, width, duration} = this.view;
    this.window.style.left = `${100 * from / duration}%`;
    this.window.style.width = `${100 * width / duration}%`;
  }

  timeAt({offsetX}) {
    return this.view.duration * min(1, max(0, offsetX / this.canvas.clientWidth));
  }

  gripAt(event) {
    const box = this.window.getBoundingClientRect();
    const whole = this.view.width >= this.view.duration * 0.999;
    const near = (x) => Math.abs(event.clientX - x) <= EDGE_PIXELS;
    if (near(box.left))
      return {kind: "edge", fixed: this.view.to};
    if (near(box.right))
      return {kind: "edge", fixed: this.view.from};
    if (!whole && event.clientX > box.left && event.clientX < box.right)
      return {kind: "move", last: this.timeAt(event)};
    return {kind: "new", fixed: this.timeAt(event)};
  }

  listen() {
    const area = byId("overview-area");
    let grip = null;
    const moved = (event) => Math.abs(event.clientX - grip.x) > 3;
    on(area, {
      pointerdown: (event) => {
        if (event.button !== 0)
          return;
        grip = {...this.gripAt(event), x: event.clientX};
        area.setPointerCapture(event.pointerId);
      },
      pointermove: (event) => {
        const time = this.timeAt(event);
        this.hover(event, grip ? null : this.textAt(time));
        if (!grip) {
          area.style.cursor = {edge: "ew-resize", move: "grab", new: "crosshair"}[
            this.gripAt(event).kind];
        } else if (grip.kind === "move") {
          this.view.pan(time - grip.last);
          grip.last = time;
        } else if (grip.kind === "edge" || moved(event)) {
          this.view.show(grip.fixed, time);
        }
      },
      pointerup: (event) => {
        if (grip?.kind === "new" && !moved(event))
          this.view.pan(grip.fixed - (this.view.from + this.view.to) / 2);
        grip = null;
      },
      pointerleave: (event) => this.hover(event, null),
      pointercancel: () => { grip = null; },
      dblclick: () => this.view.fitAll(),
      wheel: (event) => {
        event.preventDefault();
        this.view.zoom(Math.exp(event.deltaY * 0.0015), this.timeAt(event));
      },
    }, {passive: false});
  }
}
