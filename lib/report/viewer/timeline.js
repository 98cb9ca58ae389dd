// SPDX-License-Identifier: MIT
// The timeline: names on the left, lanes in one canvas, a ruler above.

import {byId, ceil, durationText, floor, laneLabel, make, max, min, nameText, percentText,
        pluralText, rateText, round, sizeCanvas, tickStep, timeText} from "./dom.js";
import {CALL_HEIGHT, callsTop, COUNTER_HEIGHT, gilName, layRows, markText, nearest, pick, pickCall,
        pickStrip, spanSelection, splitProcesses} from "./model.js";
import {Painter} from "./paint.js";
import {blockerOf} from "./select.js";
import {countBelow, FOR_THE_GIL} from "./tracks.js";

const BAR_INSET = 3;     // CSS pixels above and below a bar
const LABEL_PIXELS = 44; // a narrower box has no text
const RULER_HEIGHT = 24;
const MARK_PIXELS = 4;   // half a mark's width
const MAX_IN_VIEW = 2000; // spans of a lane; of more, none has a text

function countersTop(row) {
  return callsTop(row) + row.calls;
}

function waitText(lane, loading) {
  const lifetime = lane.end - lane.start;
  if (lane.gil)
    return `${percentText(lane.wait_ns, lifetime)}% wait`;
  const ns = lane.thread.stateTracks?.[FOR_THE_GIL].total;
  return loading ? "" : ns > 0 ? `${percentText(ns, lifetime)}% S(GIL)` : "no GIL use";
}

export class Timeline {
  constructor(model, view) {
    Object.assign(this, {model, view, scroller: byId("lanes"), canvas: byId("spans"),
                         ruler: byId("ruler"), names: byId("names"), cursor: byId("cursor")});
    this.context = this.canvas.getContext("2d", {alpha: false});
    this.rulerContext = this.ruler.getContext("2d", {alpha: false});
    this.painter = new Painter();
    this.rows = [];
    this.found = new Set(); // lanes that the search found
    this.arrow = null;      // {from, to}: from the holder's lane to that of the selected wait
    this.measure();
  }

  layOut() {
    this.rows = layRows(this.model, this.view, this.scroller.clientHeight);
    this.names.replaceChildren(...this.rows.map((row) => this.nameOf(row)));
    const last = this.rows.at(-1);
    byId("lanes-inner").style.height = `${last ? last.top + last.height : 0}px`;
    byId("no-rows").textContent = last ? ""
      : this.view.filter ? "No thread matches the filter." : "No thread was recorded.";
    this.markSelected();
  }

  nameOf(row) {
    const element = this[`${row.kind}Name`](row);
    element.style.height = `${row.height}px`;
    row.element = element;
    return element;
  }

  toggle(open, onclick, title, ...children) {
    return make("button.row.process", {"aria-expanded": open, title, onclick},
                make("span.arrow", {"aria-hidden": "true"}, open ? "▾" : "▸"), ...children);
  }

  processName({process, count}) {
    return this.toggle(!this.view.collapsed.has(process.index),
      () => this.view.toggleProcess(process.index), nameText(process.name),
      make("bdi.name", process.title || "process"), make("span.tid", process.pid),
      make("span.stat", pluralText(count, "thread")));
  }

  gilName({gil}) {
    return make("div.row.gil", make("span.name", `${gilName(gil)}: who holds it`));
  }

  othersName({count}) {
    const open = this.view.others;
    return this.toggle(open, () => this.view.set({others: !open}), null,
      make("span.name", `${count} without a GIL`), make("span.stat", open ? "hide" : "show"));
  }

  counterName({counter}) {
    return make("div.row.counter", make("bdi.name", counter.name), make("span.stat"));
  }

  threadName(row) {
    const {lane} = row, {thread} = lane;
    return make("button.row.thread", {
      title: `${thread.name} (${thread.tid})`,
      onclick: () => this.view.select(lane),
    }, ...laneLabel(this.theme, lane), make("span.stat", waitText(lane, this.model.loading)),
    ...row.counters.map(({name}, i) => make("span.strip",
      {style: {top: `${countersTop(row) + i * COUNTER_HEIGHT}px`}}, make("bdi", name))));
  }

  markSelected() {
    for (const row of this.rows.filter(({kind}) => kind === "thread")) {
      const chosen = this.isSelected(row, this.view.selection);
      row.element.classList.toggle("selected", chosen);
      row.element.setAttribute("aria-pressed", chosen);
      row.element.classList.toggle("found", this.found.has(row.lane));
    }
  }

  isSelected(row, selection) {
    return row.kind === "thread" && row.lane.thread.index === selection?.thread &&
      (row.lane.gil?.index ?? null) === selection.gil;
  }

  rowOf(thread, gil) {
    return this.rows.find((row) => this.isSelected(row, {thread, gil}));
  }

  revealRow(selection) {
    const {view, model} = this, {process} = model.threads[selection.thread];
    if (view.collapsed.has(process.index))
      view.toggleProcess(process.index);
    if (!view.others && splitProcesses(model)[1].includes(process))
      view.set({others: true});
    const find = () => this.rowOf(selection.thread, selection.gil);
    if (!find())
      this.layOut();
    const row = find();
    if (!row) // it does not match the filter
      return;
    const {scrollTop, clientHeight} = this.scroller;
    if (row.top < scrollTop || row.top + row.height > scrollTop + clientHeight)
      this.scroller.scrollTop = row.top - clientHeight / 3;
  }

  // Measure the room in CSS pixels: only once per drawing, since it costs a layout.
  measure() {
    this.namesWidth = this.names.offsetWidth;
    this.width = max(10, this.scroller.clientWidth - this.namesWidth);
    this.height = max(1, this.scroller.clientHeight);
  }

  fits() {
    this.measure();
    return this.canvas.clientWidth === this.width && this.canvas.clientHeight === this.height;
  }

  timeAt(x) {
    return this.view.from + this.view.width * x / this.width;
  }

  xAt(time) {
    return (time - this.view.from) / this.view.width * this.width;
  }

  rowAt(y) {
    const at = y + this.scroller.scrollTop;
    const row = this.rows.find(({top, height}) => at >= top && at < top + height);
    return {row, below: at - row?.top};
  }

  pickAt(x, y) {
    const {row, below} = this.rowAt(y), time = this.timeAt(x);
    const near = 1.5 * this.view.width / this.width;
    if (row?.kind === "thread") {
      const level = floor((below - callsTop(row)) / CALL_HEIGHT);
      const inCalls = level >= 0 && (level + 1) * CALL_HEIGHT <= row.calls;
      const strip = row.strips.findLast((each) => below > row.bar - BAR_INSET + each.below);
      return (inCalls ? pickCall(row.lane, level, time, near) : null) ??
        (strip ? pickStrip(row.lane, strip.kind, time, near) : null) ??
        pick(row.lane, time, near);
    }
    if (row?.kind !== "gil")
      return null;
    const i = nearest(row.gil.allHolds, time, near);
    return i < 0 ? null : spanSelection(row.gil, "hold", i);
  }

  noteAt(x, y) {
    const {row, below} = this.rowAt(y), time = this.timeAt(x);
    const near = MARK_PIXELS * this.view.width / this.width;
    if (row?.kind === "thread" && below <= MARK_PIXELS * 2)
      return markText(this.model, row.lane.thread, time, near);
    const counter = row?.counter ??
      row?.counters?.[floor((below - countersTop(row)) / COUNTER_HEIGHT)];
    return counter ? `${counter.name}: ${rateText(counter.counts.rateAt(time, near))}` : null;
  }

  yOf(row) {
    return row.top - this.scroller.scrollTop;
  }

  device(length) {
    return round(length * this.ratio);
  }

  draw() {
    this.measure();
    const {canvas, ruler, context, width, height, painter, view} = this;
    this.ratio = this.resize(canvas, width, height);
    this.resize(ruler, width, RULER_HEIGHT);
    painter.begin(context, canvas.width, canvas.height, view.from, view.to, this.theme);
    const visible = this.rows.filter((row) =>
      this.yOf(row) + row.height > 0 && this.yOf(row) < height);
    for (const row of visible)
      this.paintRow(row);
    for (const row of visible)
      painter.lost(row.lane?.lost ?? row.process?.lost ?? this.model.lost,
                   this.device(this.yOf(row) + row.height), this.device(this.yOf(row)));
    painter.end(context);
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    this.drawTexts(visible);
    this.drawRange(context, height);
    this.drawSelection();
    this.drawRuler();
  }

  resize(canvas, width, height) {
    if (canvas.clientWidth !== width || canvas.clientHeight !== height)
      Object.assign(canvas.style, {width: `${width}px`, height: `${height}px`});
    return sizeCanvas(canvas, width, height);
  }

  paintRow(row) {
    const {painter, theme} = this;
    const line = max(1, this.device(1));
    const y = this.device(this.yOf(row)), height = this.device(row.height);
    const inset = this.device(BAR_INSET);
    if (row.kind === "process" || row.kind === "others")
      painter.fill(0, painter.width, y, height, theme.pixels.page);
    else if (row.kind === "gil")
      painter.owners(row.gil, y + inset, height - 2 * inset);
    else if (row.kind === "counter")
      row.element.lastChild.textContent = `peak ${rateText(
        painter.counter(row.counter.counts, y + inset, height - 2 * inset, line))}`;
    else
      this.paintThread(row, y, inset, line);
    painter.fill(0, painter.width, y + height - line, line, theme.pixels.line);
  }

  paintThread(row, y, inset, line) {
    const {lane, strips} = row;
    const bar = this.device(row.bar);
    this.painter.thread(lane, y + inset, bar - 2 * inset - (strips.length > 0 ? line : 0), line);
    for (const {kind, below, height} of strips)
      this.painter[kind](lane.thread[`${kind}Tracks`], y + bar - inset + this.device(below),
                         this.device(height), line, !lane.gil);
    this.eachCallLevel(row, (track, calls, top) => this.painter.calls(
      track, calls, this.device(top), this.device(CALL_HEIGHT - 1), this.theme.functionPixel));
    const top = this.yOf(row) + countersTop(row);
    row.counters.forEach(({counts}, i) => this.painter.counter(counts,
      this.device(top + i * COUNTER_HEIGHT) + line, this.device(COUNTER_HEIGHT - 1) - line, line));
  }

  eachCallLevel(row, act) {
    const {callTracks, callSpans} = row.lane.thread;
    for (let level = 0; (level + 1) * CALL_HEIGHT <= row.calls; level++)
      act(callTracks[level], callSpans, this.yOf(row) + callsTop(row) + level * CALL_HEIGHT);
  }

  eachInView(track, act) {
    const first = track.firstAfter(this.view.from);
    const last = track.below(this.view.to, first);
    for (let i = first; i < last && last - first <= MAX_IN_VIEW; i++)
      act(i);
  }

  boxOf(start, end) {
    const x = max(0, this.xAt(start));
    return [x, min(this.width, this.xAt(end)) - x];
  }

  labelCalls(row) {
    this.context.fillStyle = this.theme.text;
    this.eachCallLevel(row, (track, calls, top) =>
      this.eachInView(track, (i) => {
        const {title} = this.model.functions[calls.function[track.id[i]]];
        this.labelCall(track.startOf(i), track.endOf(i), title, top + CALL_HEIGHT / 2);
      }));
  }

  labelCall(start, end, title, y) {
    const [x, width] = this.boxOf(start, end);
    if (width < 30)
      return;
    const letters = floor((width - 6) / 6.2);
    const text = title.length > letters ? `${title.slice(0, max(1, letters - 1))}…` : title;
    this.context.fillText(text, x + 4, y);
  }

  drawMarks(row) {
    const {context} = this, {time} = row.lane.thread.marks;
    const y = this.yOf(row) + 1, last = countBelow(time, this.view.to);
    context.fillStyle = this.theme.text;
    context.beginPath();
    for (let i = countBelow(time, this.view.from), end = -1; i < last; i++) {
      const x = this.xAt(time[i]);
      if (x - end < 1)
        continue; // the one before hides it
      end = x;
      context.moveTo(x - MARK_PIXELS, y);
      context.lineTo(x + MARK_PIXELS, y);
      context.lineTo(x, y + MARK_PIXELS * 1.5);
    }
    context.fill();
  }

  drawTexts(visible) {
    const {context} = this;
    context.font = this.theme.font;
    context.textBaseline = "middle";
    for (const row of visible) {
      const y = this.yOf(row) + (row.bar ?? row.height) / 2;
      if (row.calls > 0)
        this.labelCalls(row);
      if (row.lane?.thread.marks.id.length > 0)
        this.drawMarks(row);
      if (row.kind === "gil")
        this.labelOwners(row.gil, y);
      for (const word of row.lane?.gil ? ["holds", "waits"] : []) {
        const track = row.lane[word];
        this.eachInView(track, (i) => this.label(track.startOf(i), track.endOf(i), y, word));
      }
    }
  }

  labelOwners(gil, y) {
    this.eachInView(gil.allHolds, (i) => {
      const {thread, start, end} = spanSelection(gil, "hold", i);
      const {name, title} = this.model.threads[thread];
      this.label(start, end, y, title, name);
    });
  }

  label(start, end, y, word, shorter = durationText(end - start)) {
    const {context, theme} = this, hatched = word === "waits";
    const [left, room] = this.boxOf(start, end);
    const widthOf = (text) => context.measureText(text).width;
    const text = room >= LABEL_PIXELS && [`${word} ${durationText(end - start)}`, shorter]
      .find((each) => widthOf(each) <= room - 10);
    if (!text)
      return;
    const width = widthOf(text), x = left + (room - width) / 2;
    if (hatched) {
      context.fillStyle = theme.panel;
      context.fillRect(x - 3, y - 7, width + 6, 14);
    }
    context.fillStyle = hatched ? theme.text : theme.panel;
    context.fillText(text, x, y + 0.5);
  }

  drawRange(context, height) {
    const {range} = this.view;
    if (!range)
      return;
    const x0 = this.xAt(range.from), x1 = this.xAt(range.to);
    context.fillStyle = this.theme.accent;
    for (const [alpha, x, width] of [[0.13, x0, x1 - x0], [1, x0 - 0.5, 1], [1, x1 - 0.5, 1]]) {
      context.globalAlpha = alpha;
      context.fillRect(x, 0, width, height);
    }
  }

  drawSelection() {
    this.arrow = null;
    const {selection} = this.view;
    const row = selection && this.rowOf(selection.thread, selection.gil);
    if (!row)
      return;
    const {context, theme} = this;
    const top = this.yOf(row);
    context.strokeStyle = theme.accent;
    context.lineWidth = 2;
    if (selection.kind === "thread") {
      context.strokeRect(1, top + 1, this.width - 2, row.height - 3);
      return;
    }
    const x0 = max(-5, this.xAt(selection.start));
    const x1 = min(this.width + 5, max(this.xAt(selection.end), x0 + 3));
    const {bar, strips} = row, {kind, depth} = selection;
    if (kind === "call" && (depth + 1) * CALL_HEIGHT > row.calls)
      return; // its level is not shown
    const strip = strips.find((each) => each.kind === kind);
    const [y, height] = strip ? [top + bar - 4 + strip.below, strip.height + 3]
      : kind !== "call" ? [top + 1, bar - 3]
        : [top + callsTop(row) + depth * CALL_HEIGHT - 1, CALL_HEIGHT + 1];
    context.strokeRect(x0 - 1, y, x1 - x0 + 2, height);
    this.drawArrow(selection, y + height / 2);
  }

  drawArrow(selection, y) {
    const hold = blockerOf(this.model, selection);
    const row = hold && this.rowOf(hold.thread, hold.gil);
    if (!row || row.lane.thread.index === selection.thread)
      return;
    const {context} = this;
    const from = max(hold.start, selection.start, this.view.from);
    const to = min(hold.end, selection.end, this.view.to);
    if (to <= from)
      return;
    this.arrow = {from: row.lane, to: this.rowOf(selection.thread, selection.gil).lane};
    const x = this.xAt(from + (to - from) / 4); // beside the texts of boxes
    const start = this.yOf(row) + row.bar / 2;
    const down = y > start ? 1 : -1;
    const end = y - down * 8;
    const back = end - down * 6;
    const arrow = new Path2D(`M${x} ${start}V${end}M${x - 4} ${back}L${x} ${end}L${x + 4} ${back}`);
    arrow.arc(x, start, 2.5, 0, 7);
    context.lineCap = "round";
    for (const [width, color] of [[5, this.theme.panel], [2, this.theme.text]]) {
      context.lineWidth = width;
      context.strokeStyle = color;
      context.stroke(arrow);
    }
  }

  drawRuler() {
    const {theme, view, ratio, rulerContext: context} = this;
    const fill = (color, x, y, width, height) => {
      context.fillStyle = color;
      context.fillRect(x, y, width, height);
    };
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    fill(theme.panel, 0, 0, this.width, RULER_HEIGHT);
    this.drawRange(context, RULER_HEIGHT);
    context.font = theme.font;
    context.textBaseline = "middle";
    const step = tickStep(view.width / this.width * 110), minor = step / 5;
    for (let i = ceil(view.from / minor); i * minor <= view.to; i++)
      fill(theme.line, this.xAt(i * minor), RULER_HEIGHT - 4, 1, 4);
    for (let i = ceil(view.from / step); i * step <= view.to; i++) {
      const x = this.xAt(i * step);
      fill(theme.muted, x, RULER_HEIGHT - 8, 1, 8);
      const text = timeText(i * step, step, view.to);
      if (x + 4 + context.measureText(text).width <= this.width)
        context.fillText(text, x + 4, RULER_HEIGHT / 2 - 1);
    }
    fill(theme.line, 0, RULER_HEIGHT - 1, this.width, 1);
  }
}
