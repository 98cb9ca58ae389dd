// The timeline: names on the left, lanes as one canvas, a ruler above.

import {byId, make, threadLabel} from "./dom.js";
import {durationText, nameText, percentText, rateText, tickStep, timeText} from "./format.js";
import {CALL_HEIGHT, COUNTER_HEIGHT, gilName, layRows, markText, pick, pickCall,
        pickState, splitProcesses, threadSelection} from "./model.js";
import {Painter} from "./paint.js";
import {FOR_THE_GIL, countBelow} from "./lod.js";
import {firstHoldAfter, mainHold} from "./select.js";

const BAR_INSET = 3;     // CSS pixels above and below a bar
const LABEL_PIXELS = 44; // a narrower box has no text
const RULER_HEIGHT = 24;
const MARK_PIXELS = 4;   // half a mark's width
const MOST_IN_VIEW = 2000; // spans of a lane that are looked at for texts

function sizeCanvas(canvas, width, height, ratio) {
  const w = Math.max(1, Math.round(width * ratio)), h = Math.max(1, Math.round(height * ratio));
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
}

function waitText(lane) {
  const lifetime = lane.end - lane.start;
  if (lane.gil)
    return `${percentText(lane.wait_ns, lifetime)}% wait`;
  const ns = lane.thread.stateTracks?.[FOR_THE_GIL].total;
  return ns > 0 ? `${percentText(ns, lifetime)}% S(GIL)` : "no GIL use";
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
    this.arrow = null;      // {from, to}: lanes of the holder and of the selected wait
    this.measure();
  }

  /** Lay the rows anew: after a filter, an order, or a collapsed process. */
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
    return make("button.row.process", {"aria-expanded": String(open), title, onclick},
                make("span.arrow", {"aria-hidden": "true"}, open ? "▾" : "▸"), ...children);
  }

  processName({process, count}) {
    return this.toggle(!this.view.collapsed.has(process.index),
      () => this.view.toggleProcess(process.index), nameText(process.name),
      make("bdi.name", process.title || "process"), make("span.tid", `${process.pid}`),
      make("span.stat", `${count} thread${count === 1 ? "" : "s"}`));
  }

  gilName({gil}) {
    return make("div.row.gil", make("span.name", `${gilName(gil, this.model)}: who holds it`));
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
    return make("button", {
      className: "row thread", title: `${thread.name} (${thread.tid})`,
      onclick: () => this.view.set({selection: threadSelection(lane)}),
    }, ...threadLabel(this.theme.ownerColor(lane.color), thread.name, thread.tid),
    make("span.stat", waitText(lane)),
    ...row.counters.map(({name}, i) => make("span.strip",
      {style: {top: `${this.countersTop(row) - row.top + i * COUNTER_HEIGHT}px`}},
      make("bdi", name))));
  }

  markSelected() {
    for (const row of this.rows.filter(({kind}) => kind === "thread")) {
      const chosen = this.isSelected(row, this.view.selection);
      row.element.classList.toggle("selected", chosen);
      row.element.setAttribute("aria-pressed", String(chosen));
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

  /** Show the selected thread's lane: open its process, and scroll, if need be. */
  revealRow(selection) {
    const {process} = this.model.threads[selection.thread];
    const {view, model} = this;
    if (view.collapsed.has(process))
      view.toggleProcess(process);
    if (!view.others && splitProcesses(model)[1].some(({index}) => index === process))
      view.set({others: true});
    const find = () => this.rowOf(selection.thread, selection.gil);
    if (!find())
      this.layOut();
    const row = find();
    if (!row) // the filter leaves it out
      return;
    const {scrollTop, clientHeight} = this.scroller;
    if (row.top < scrollTop || row.top + row.height > scrollTop + clientHeight)
      this.scroller.scrollTop = row.top - clientHeight / 3;
  }

  /** The room there is, in CSS pixels: once per drawing, since it costs a layout. */
  measure() {
    this.namesWidth = this.names.offsetWidth;
    this.width = Math.max(10, this.scroller.clientWidth - this.namesWidth);
    this.height = Math.max(1, this.scroller.clientHeight);
  }

  /** Is the canvas of the size that there is room for? */
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
    return this.rows.find((row) => at >= row.top && at < row.top + row.height) ?? null;
  }

  /** What is at a point of the canvas (CSS pixels): a selection, or null. */
  pickAt(x, y) {
    const row = this.rowAt(y);
    const near = 1.5 * this.view.width / this.width;
    const time = this.timeAt(x);
    if (row?.kind === "thread") {
      const inStates = row.states > 0 &&
        y + this.scroller.scrollTop > row.top + row.bar - BAR_INSET;
      return this.pickCallAt(row, y, time, near) ??
        (inStates ? pickState(row.lane, time, near) : null) ?? pick(row.lane, time, near);
    }
    if (row?.kind !== "gil")
      return null;
    const i = firstHoldAfter(row.gil, time);
    const {holdSpans} = row.gil;
    if (i >= holdSpans.count || holdSpans.start[i] > time + near)
      return null;
    return pick(row.gil.lanes[holdSpans.member[i]], time, near);
  }

  /** The moment, or the counter's rate, at a point of the canvas: a text, or null. */
  noteAt(x, y) {
    const row = this.rowAt(y), at = y + this.scroller.scrollTop, time = this.timeAt(x);
    const near = MARK_PIXELS * this.view.width / this.width;
    if (row?.kind === "thread" && at - row.top <= MARK_PIXELS * 2)
      return markText(this.model, row.lane.thread, time, near);
    const counter = row?.counter ??
      row?.counters?.[Math.floor((at - this.countersTop(row)) / COUNTER_HEIGHT)];
    return counter ? `${counter.name}: ${rateText(counter.counts.rateAt(time, near))}` : null;
  }

  pickCallAt(row, y, time, near) {
    const level = Math.floor((y + this.scroller.scrollTop - this.callsTop(row)) / CALL_HEIGHT);
    return row.calls > 0 && level >= 0 && (level + 1) * CALL_HEIGHT <= row.calls
      ? pickCall(row.lane, level, time, near) : null;
  }

  /** Where a row's calls begin: below the bar and the states. */
  callsTop(row) {
    return row.top + row.bar + row.states - 1;
  }

  countersTop(row) {
    return this.callsTop(row) + row.calls;
  }

  draw() {
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    this.measure();
    const {width, height} = this;
    sizeCanvas(this.canvas, width, height, ratio);
    sizeCanvas(this.ruler, width, RULER_HEIGHT, ratio);
    this.ratio = ratio;
    const {from, to} = this.view;
    this.painter.begin(this.context, this.canvas.width, this.canvas.height, from, to,
                       this.theme);
    const visible = this.visibleRows(height);
    for (const row of visible)
      this.paintRow(row);
    for (const row of visible)
      this.paintLost(row, ratio);
    this.painter.end(this.context);
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.drawTexts(visible);
    this.drawRange(this.context, height);
    this.drawSelection();
    this.drawRuler(ratio);
  }

  /** A process's own, over its rows. */
  paintLost(row, ratio) {
    const process = row.gil?.process ?? row.lane?.thread.process ?? row.process?.index;
    const top = row.top - this.scroller.scrollTop;
    this.painter.lost(this.model.processes[process]?.lost ?? this.model.lost,
                      Math.round((top + row.height) * ratio), Math.round(top * ratio));
  }

  visibleRows(height) {
    const top = this.scroller.scrollTop;
    return this.rows.filter((row) => row.top + row.height > top && row.top < top + height);
  }

  paintRow(row) {
    const {painter, ratio, theme} = this;
    const line = Math.max(1, Math.round(ratio));
    const y = Math.round((row.top - this.scroller.scrollTop) * ratio);
    const height = Math.round(row.height * ratio);
    const inset = Math.round(BAR_INSET * ratio);
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
    const {lane, states} = row;
    const bar = Math.round(row.bar * this.ratio);
    this.painter.thread(lane, y + inset, bar - 2 * inset - (states > 0 ? line : 0), line);
    if (states > 0)
      this.painter.states(lane.thread.stateTracks, y + bar - inset,
                          Math.round(states * this.ratio), line, !lane.gil);
    this.paintCalls(row);
    const top = this.countersTop(row) - this.scroller.scrollTop;
    row.counters.forEach(({counts}, i) => this.painter.counter(counts,
      Math.round((top + i * COUNTER_HEIGHT) * this.ratio) + line,
      Math.round((COUNTER_HEIGHT - 1) * this.ratio) - line, line));
  }

  paintCalls(row) {
    const {callTracks, callSpans} = row.lane.thread;
    const top = this.callsTop(row) - this.scroller.scrollTop;
    for (let level = 0; (level + 1) * CALL_HEIGHT <= row.calls; level++) {
      const y = Math.round((top + level * CALL_HEIGHT) * this.ratio);
      this.painter.calls(callTracks[level], callSpans, y,
                         Math.round((CALL_HEIGHT - 1) * this.ratio),
                         this.theme.functionPixel);
    }
  }

  /** Spans in view, by `start`, `first` in front; none where they are too many for texts. */
  eachInView({start}, first, act) {
    const last = countBelow(start, this.view.to, first);
    for (let i = first; i < last && last - first <= MOST_IN_VIEW; i++)
      act(i);
  }

  labelCalls(row) {
    const {callTracks, callSpans} = row.lane.thread;
    this.context.fillStyle = this.theme.text;
    for (let level = 0; (level + 1) * CALL_HEIGHT <= row.calls; level++) {
      const track = callTracks[level];
      const y = this.callsTop(row) - this.scroller.scrollTop + (level + 0.5) * CALL_HEIGHT;
      this.eachInView(track, track.firstAfter(this.view.from), (i) =>
        this.labelCall(track, i, this.model.functions[callSpans.function[track.id[i]]], y));
    }
  }

  labelCall(track, i, called, y) {
    const x0 = Math.max(0, this.xAt(track.start[i]));
    const room = Math.min(this.width, this.xAt(track.end(i))) - x0 - 6;
    if (room < 24)
      return;
    const letters = Math.floor(room / 6.2);
    const text = called.title.length > letters
      ? `${called.title.slice(0, Math.max(1, letters - 1))}…` : called.title;
    this.context.fillText(text, x0 + 4, y);
  }

  /** Moments that the program recorded itself: small arrows from above. */
  drawMarks({lane, top}) {
    const {context} = this, {time} = lane.thread.marks;
    const y = top - this.scroller.scrollTop + 1;
    const first = countBelow(time, this.view.from), last = countBelow(time, this.view.to);
    context.fillStyle = this.theme.text;
    context.beginPath();
    for (let i = first, end = -1; i < last; i++) {
      const x = this.xAt(time[i]);
      if (x - end < 1)
        continue; // under the one before
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
      const y = row.top - this.scroller.scrollTop + (row.bar ?? row.height) / 2;
      if (row.calls > 0)
        this.labelCalls(row);
      if (row.lane?.thread.marks.id.length > 0)
        this.drawMarks(row);
      if (row.kind === "gil")
        this.labelOwners(row.gil, y);
      else if (row.kind === "thread" && row.lane.gil)
        this.labelLane(row.lane, y);
    }
  }

  /** The boxes of these spans that are wide enough get a text. */
  labelLane(lane, y) {
    for (const [track, word] of [[lane.holds, "holds"], [lane.waits, "waits"]])
      this.eachInView(track, track.firstAfter(this.view.from), (i) =>
        this.label(track.start[i], track.end(i), y, word));
  }

  labelOwners(gil, y) {
    const {start, end, member} = gil.holdSpans;
    this.eachInView(gil.holdSpans, firstHoldAfter(gil, this.view.from), (i) => {
      const {name, called} = gil.lanes[member[i]].thread;
      this.label(start[i], end[i], y, called, name);
    });
  }

  /** Write a word and how long in a box, or the shorter text. */
  label(start, end, y, word, shorter = durationText(end - start)) {
    const {context, theme} = this, hatched = word === "waits";
    const x0 = Math.max(0, this.xAt(start)), x1 = Math.min(this.width, this.xAt(end));
    const room = x1 - x0 - 10;
    if (room < LABEL_PIXELS - 10)
      return;
    const widthOf = (text) => context.measureText(text).width;
    const texts = [`${word} ${durationText(end - start)}`, shorter];
    const text = texts.find((each) => widthOf(each) <= room);
    if (!text)
      return;
    const width = widthOf(text);
    const x = (x0 + x1 - width) / 2;
    if (hatched) {
      context.fillStyle = theme.lane;
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
    context.globalAlpha = 0.13;
    context.fillStyle = this.theme.accent;
    context.fillRect(x0, 0, x1 - x0, height);
    context.globalAlpha = 1;
    context.fillRect(x0 - 0.5, 0, 1, height);
    context.fillRect(x1 - 0.5, 0, 1, height);
  }

  drawSelection() {
    this.arrow = null;
    const {selection} = this.view;
    const row = selection && this.rowOf(selection.thread, selection.gil);
    if (!row)
      return;
    const {context, theme} = this;
    const top = row.top - this.scroller.scrollTop;
    context.strokeStyle = theme.accent;
    context.lineWidth = 2;
    if (selection.kind === "thread") {
      context.strokeRect(1, top + 1, this.width - 2, row.height - 3);
      return;
    }
    const x0 = Math.max(-5, this.xAt(selection.start));
    const x1 = Math.min(this.width + 5, Math.max(this.xAt(selection.end), x0 + 3));
    const {bar, states} = row, {kind, depth} = selection;
    if (kind === "call" && (depth + 1) * CALL_HEIGHT > row.calls)
      return; // its level is folded
    const [y, height] = kind === "state" ? [top + bar - 4, states + 3]
      : kind !== "call" ? [top + 1, bar - 3]
        : [this.callsTop(row) - row.top + top + depth * CALL_HEIGHT - 1, CALL_HEIGHT + 1];
    context.strokeRect(x0 - 1, y, x1 - x0 + 2, height);
    if (kind === "wait")
      this.drawArrow(selection, top + bar / 2);
  }

  /** From the hold that a wait waited for most to the wait's lane. */
  drawArrow(selection, y) {
    const gil = this.model.gils[selection.gil];
    const hold = mainHold(gil, selection.start, selection.end);
    const row = hold && this.rowOf(gil.members[hold.member], gil.index);
    if (!row)
      return;
    const {context} = this;
    const from = Math.max(hold.start, selection.start, this.view.from);
    const to = Math.min(hold.end, selection.end, this.view.to);
    if (to <= from)
      return;
    this.arrow = {from: row.lane, to: this.rowOf(selection.thread, selection.gil).lane};
    const x = this.xAt((from + to) / 2);
    const start = row.top - this.scroller.scrollTop + row.bar / 2;
    const down = y > start ? 1 : -1;
    const end = y - down * 8;
    const back = end - down * 6;
    const arrow = new Path2D(`M${x} ${start}V${end}M${x - 4} ${back}L${x} ${end}L${x + 4} ${back}`);
    arrow.arc(x, start, 2.5, 0, 7);
    context.lineCap = "round";
    for (const [width, color] of [[5, this.theme.lane], [2, this.theme.text]]) {
      context.lineWidth = width;
      context.strokeStyle = color;
      context.stroke(arrow);
    }
  }

  drawRuler(ratio) {
    const context = this.rulerContext, {theme, view} = this;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = theme.panel;
    context.fillRect(0, 0, this.width, RULER_HEIGHT);
    this.drawRange(context, RULER_HEIGHT);
    context.font = theme.font;
    context.textBaseline = "middle";
    const step = tickStep(view.width / this.width * 110);
    const minor = step / 5;
    context.fillStyle = theme.line;
    for (let i = Math.ceil(view.from / minor); i * minor <= view.to; i++)
      context.fillRect(this.xAt(i * minor), RULER_HEIGHT - 4, 1, 4);
    for (let i = Math.ceil(view.from / step); i * step <= view.to; i++) {
      const x = this.xAt(i * step);
      context.fillStyle = theme.muted;
      context.fillRect(x, RULER_HEIGHT - 8, 1, 8);
      const text = timeText(i * step, step, view.to);
      if (x + 4 + context.measureText(text).width <= this.width)
        context.fillText(text, x + 4, RULER_HEIGHT / 2 - 1);
    }
    context.fillStyle = theme.line;
    context.fillRect(0, RULER_HEIGHT - 1, this.width, 1);
  }
}
