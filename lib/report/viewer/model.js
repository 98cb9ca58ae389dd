// SPDX-License-Identifier: MIT
// The page as one model: processes, threads, GILs, the lanes of threads, and the spans under a point.

import {floor, matcher, max, min, nameText, placeText, shortName} from "./dom.js";
import {Rows} from "./data.js";
import {buildBlocked, buildCounts, buildStates, buildTracks, buildWhole, countBelow, indexGil}
  from "./tracks.js";

// Join the page's data with the summary's GILs. A thread has a lane in each GIL that it used. A GIL
// is `partial` when holds that nobody waited for are not known.
export function buildModel(data, summaries = []) {
  const {processes, threads, gils} = data;
  threads.forEach((thread, index) => {
    const {stateSpans, blockedSpans, callSpans} = thread, name = nameText(thread.label);
    Object.assign(thread, {
      index, name, process: processes[thread.process], lanes: [],
      title: thread.namesake ? `${name} (${thread.tid})` : name,
      stateTrack: stateSpans && buildWhole(stateSpans),
      stateTracks: stateSpans && buildStates(stateSpans, data.states),
      blockedTrack: blockedSpans && buildWhole(blockedSpans),
      blockedTracks: blockedSpans && buildBlocked(blockedSpans),
      callTracks: callSpans &&
        buildTracks(callSpans, thread.levels, (i) => callSpans.depth[i]),
    });
  });
  processes.forEach((process, index) => Object.assign(process, {
    index, title: shortName(process.name), gils: [], lost: joined(lostOf(data, index)),
  }));
  gils.forEach((gil, index) => {
    Object.assign(gil, {index, partial: summaries[index]?.source === "futex",
                        process: processes[gil.process]});
    const rows = summaries[index]?.threads;
    indexGil(gil, rows);
    gil.process.gils.push(gil);
    gil.lanes = gil.members.map((thread, member) =>
      makeLane(gil, member, threads[thread], rows?.[member]));
    for (const lane of gil.lanes)
      lane.thread.lanes.push(lane);
  });
  for (const thread of threads)
    if (thread.lanes.length === 0)
      thread.lanes.push(makeLane(null, -1, thread));
  const functions = data.functions.map((info) => ({
    ...info, title: nameText(info.name), where: placeText(info, 2),
  }));
  const model = {...data, functions, holes: data.holes ?? [], duration: data.duration_ns,
                 stateNames: data.states, frames: data.frames.map(nameText)};
  complete(model);
  return model;
}

// A lock as if it were a GIL of the threads that had it; made when it is looked at.
export function lockAsGil({locks, lockHolds: all, threads, loading}, index) {
  const lock = locks[index], {first, holds: total} = lock;
  if (lock.lanes && !loading)
    return lock;
  const [start, had] = [all.start, all.member].map((each) => each.subarray(first, first + total));
  const length = Float64Array.from(start, (_, i) => all.lengthOf(first + i));
  const members = [...new Set(had)], places = new Map(members.map((thread, i) => [thread, i]));
  const rows = (count) => new Rows(count, (fields) => ({
    start: fields[0], length: fields[1], member: fields[2],
  }));
  Object.assign(lock, {index, members, lanes: members.map((thread) => threads[thread].lanes[0]),
                       holdSpans: rows(total), waitSpans: rows(0), unknownSpans: rows(0)});
  lock.holdSpans.push([start, length, had.map((each) => places.get(each))]);
  indexGil(lock);
  return lock;
}

export function lockTitle({kind, type}) {
  return nameText(type ?? (kind === "native" ? "mutex of C’s" : "lock"));
}

// What is made of all rows: losses of lanes, and the counters and marks of processes and threads.
export function complete(model) {
  const {counters, processes, threads, gils} = model;
  for (const lane of gils.flatMap(({lanes}) => lanes)) {
    const unknown = lane.gil.unknownTracks[lane.member], {lost} = lane.thread.process;
    if (unknown.count > 0)
      lane.lost = joined([...lost, ...unknown.parts(0, Infinity)]);
  }
  addCounters(counters, processes, (thread) => threads[thread].process.index);
  addCounters(counters, threads, (thread) => thread);
  addMarks(model.marks, threads);
  model.countedThreads = threads.filter((thread) => thread.counters.length > 0).length;
}

function lostOf({lost, holes = []}, process) {
  return [...lost, ...holes.filter(([, , owner]) => owner === process)];
}

// The same time as intervals that do not overlap.
function joined(intervals) {
  let until = 0;
  return intervals.sort((a, b) => a[0] - b[0]).flatMap(([start, end]) => {
    const from = max(start, until);
    until = max(until, end);
    return from < end ? [[from, end]] : [];
  });
}

export function isLost(ranges, from, to) {
  return ranges.some(([start, end]) => start < to && end > from);
}

function addMarks({count, time, thread, series}, threads) {
  const ids = threads.map(() => []);
  for (let i = 0; i < count; i++)
    if (!series[i])
      ids[thread[i]].push(i);
  threads.forEach((each, index) => {
    each.marks = {id: ids[index], time: Float64Array.from(ids[index], (id) => time[id])};
  });
}

export function markText({marks: {name, detail}, texts}, {marks}, time, near_ns) {
  const i = countBelow(marks.time, time - near_ns), id = marks.id[i];
  return marks.time[i] <= time + near_ns
    ? nameText(`${texts[name[id]]} ${texts[detail[id]]}`).trim() : null;
}

function addCounters(counters, owners, ownerOf) {
  for (const owner of owners)
    owner.counters = [];
  for (const {name, values} of counters)
    buildCounts(values, owners.length, ownerOf).forEach((counts, i) => counts &&
      owners[i].counters.push({name: nameText(name), counts}));
}

// A thread's lane in a GIL; of a thread that never used one, gil is null. After a loss, it is not
// known what it did until it is seen again: also `lost`.
function makeLane(gil, member, thread, row) {
  const {lost} = thread.process;
  const holds = gil?.holdTracks[member] ?? null;
  const waits = gil?.waitTracks[member] ?? null;
  return {
    gil, member, thread, holds, waits, lost,
    // A thread may have run another program before: its lane begins with the GIL.
    start: max(thread.start_ns, gil?.start_ns ?? 0),
    end: min(thread.end_ns, gil?.end_ns ?? Infinity),
    hold_ns: row?.hold_ns ?? holds?.total ?? 0,
    wait_ns: row?.wait_ns ?? waits?.total ?? 0,
    color: gil ? gil.colorOf[member] : -1,
  };
}

export function gilName({process, number}) {
  return process.gils.length === 1 ? "GIL" : `GIL ${number}`;
}

export const ORDERS = {
  start: (a, b) => a.thread.start_ns - b.thread.start_ns || a.thread.index - b.thread.index,
  wait: (a, b) => b.wait_ns - a.wait_ns,
  hold: (a, b) => b.hold_ns - a.hold_ns,
  name: (a, b) => a.thread.name.localeCompare(b.thread.name) || a.thread.tid - b.thread.tid,
};

const ROW_HEIGHT = {process: 22, gil: 36, thread: 22, counter: 26, others: 22};
export const CALL_HEIGHT = 14; // of each level of calls
export const COUNTER_HEIGHT = 16; // of each of a thread's own
const CALL_LEVELS_MIN = 4, CALL_LEVELS_FEW = 6, CALL_LEVELS_MAX = 12, CALL_LEVELS_UNFOLDED = 40;
const FEW_THREADS = 6;
const STRIP_HEIGHT = 9; // of what is below a thread's bar: what blocked it, its states
const STRIP_ALONE = 18; // the same where there is no GIL to show above it
const BAR_ALONE = 6;    // and what is left of the bar
const MAX_BAR_HEIGHT = 34;

export function laneText({thread: {name, tid, process: {title, pid}}}) {
  return `${name} ${tid} ${title} ${pid}`;
}

export function splitProcesses({processes, gils}) {
  const isMain = (process) => gils.length === 0 || process.gils.length > 0;
  return [processes.filter(isMain), processes.filter((process) => !isMain(process))];
}

function callLevels(lane, most) {
  const {callTracks, lanes} = lane.thread;
  return callTracks && lanes[0] === lane ? min(callTracks.length, most) : 0;
}

function threadParts(model, lane, view) {
  const {thread} = lane, first = thread.lanes[0] === lane;
  const few = model.countedThreads <= FEW_THREADS, height = lane.gil ? STRIP_HEIGHT : STRIP_ALONE;
  const strips = ["blocked", "state"].filter((kind) => first && thread[`${kind}Spans`])
    .map((kind, i) => ({kind, height, below: i * height}));
  return {bar: strips.length > 0 && !lane.gil ? BAR_ALONE : ROW_HEIGHT.thread, strips, calls: 0,
          counters: first && (few || view.unfolded) ? thread.counters : []};
}

export function callsTop({bar, strips}) {
  return bar + strips.reduce((sum, {height}) => sum + height, 0) - 1;
}

function growThreads(rows, room, view) {
  const threads = rows.filter((row) => row.kind === "thread");
  const height = (row) => row.kind === "thread"
    ? callsTop(row) + 1 + row.calls + row.counters.length * COUNTER_HEIGHT : row.height;
  const left = () => room - rows.reduce((sum, row) => sum + height(row), 0);
  const withCalls = threads.filter(({lane}) => callLevels(lane, 1) > 0);
  const least = withCalls.length <= FEW_THREADS ? CALL_LEVELS_FEW : CALL_LEVELS_MIN;
  const fit = floor(left() / (max(1, withCalls.length) * CALL_HEIGHT));
  const levels = view.unfolded ? CALL_LEVELS_UNFOLDED
    : min(CALL_LEVELS_MAX, max(least, fit));
  for (const row of withCalls)
    row.calls = callLevels(row.lane, levels) * CALL_HEIGHT;
  const more = floor(max(0, left()) / max(1, threads.length));
  let top = 0;
  for (const row of rows) {
    if (row.kind === "thread" && row.bar >= ROW_HEIGHT.thread)
      row.bar = min(MAX_BAR_HEIGHT, row.bar + more);
    row.top = top;
    row.height = height(row);
    top += row.height;
  }
  return rows;
}

export function layRows(model, view, room) {
  const rows = [];
  const matches = matcher(view.filter);
  const groups = model.processes.map(() => []);
  const add = (kind, fields) => rows.push({kind, height: ROW_HEIGHT[kind], ...fields});
  for (const thread of model.threads)
    groups[thread.process.index].push(...thread.lanes);
  const [main, others] = splitProcesses(model);
  const shown = view.others || matches ? [...main, ...others] : main;
  for (const process of shown) {
    const lanes = groups[process.index]
      .filter((lane) => !matches || matches(laneText(lane))).sort(ORDERS[view.order]);
    if (lanes.length === 0)
      continue;
    add("process", {process, count: lanes.length});
    if (view.collapsed.has(process.index))
      continue;
    for (const gil of [...process.gils, null]) {
      const members = lanes.filter((lane) => lane.gil === gil);
      if (gil && members.length > 0)
        add("gil", {process, gil});
      for (const lane of members)
        add("thread", {process, gil, lane, ...threadParts(model, lane, view)});
    }
    for (const counter of matches ? [] : process.counters)
      add("counter", {process, counter});
  }
  if (others.length > 0 && !matches)
    add("others", {count: others.length});
  return growThreads(rows, room, view);
}

export function threadSelection({gil, member, thread}) {
  return {kind: "thread", gil: gil?.index ?? null, member, thread: thread.index};
}

function rowSelection(lane, kind, spans, id) {
  return {...threadSelection(lane), kind, id, start: spans.start[id], end: spans.endOf(id)};
}

export function spanSelection(gil, kind, id) {
  const spans = gil[`${kind}Spans`];
  return {...rowSelection(gil.lanes[spans.member[id]], kind, spans, id), flags: spans.flags[id]};
}

export function laneOf(model, {thread, gil = null}) {
  const {lanes} = model.threads[thread];
  return lanes.find((lane) => (lane.gil?.index ?? null) === gil) ?? lanes[0];
}

const PICKS = [[exactly, "hold"], [exactly, "wait"], [nearest, "wait"], [nearest, "hold"]];

// What is in a lane at a time, within `near_ns`: a wait or hold, else the free stretch.
export function pick(lane, time, near_ns) {
  for (const [find, kind] of lane.gil ? PICKS : []) {
    const track = lane[`${kind}s`], i = find(track, time, near_ns);
    if (i >= 0)
      return spanSelection(lane.gil, kind, track.id[i]);
  }
  if (time < lane.start || time > lane.end)
    return threadSelection(lane);
  return {...threadSelection(lane), kind: "free", ...freeAround(lane, time)};
}

// The span of a track at a time; -1 where there is none that is wide enough to hit.
function exactly(track, time, near_ns) {
  const i = track.at(time);
  return i >= 0 && track.endOf(i) - track.startOf(i) > near_ns ? i : -1;
}

export function nearest(track, time, near_ns) {
  const i = exactly(track, time, near_ns);
  return i >= 0 ? i : track.mainIn(time - near_ns, time + near_ns, 5000);
}

export function pickCall(lane, level, time, near_ns) {
  const track = lane.thread.callTracks[level];
  const i = track ? nearest(track, time, near_ns) : -1;
  return i < 0 ? null : callSelection(lane, track.id[i]);
}

export function callSelection(lane, id) {
  const calls = lane.thread.callSpans;
  return {...rowSelection(lane, "call", calls, id), function: calls.function[id],
          depth: calls.depth[id]};
}

export function pickStrip({thread}, kind, time, near_ns) {
  const i = nearest(thread[`${kind}Track`], time, near_ns);
  return i < 0 ? null : rowSelection(thread.lanes[0], kind, thread[`${kind}Spans`], i);
}

export function hadSelection({lockHolds, threads}, id) {
  return rowSelection(threads[lockHolds.member[id]].lanes[0], "had", lockHolds, id);
}

function freeAround(lane, time) {
  let {start, end} = lane;
  for (const track of lane.gil ? [lane.holds, lane.waits] : []) {
    const i = track.below(time);
    if (i > 0)
      start = max(start, track.endOf(i - 1));
    if (i < track.count)
      end = min(end, track.startOf(i));
  }
  return {start, end};
}

function nthSpan({gil, ...lane}, kind, i) {
  const {count, id} = lane[`${kind}s`];
  return i >= 0 && i < count ? spanSelection(gil, kind, id[i]) : null;
}

export function neighbour(model, selection, kind, direction, time) {
  const lane = laneOf(model, selection);
  if (!lane.gil)
    return null;
  const track = lane[`${kind}s`], at = selection.start ?? time;
  const below = track.below(at);
  return nthSpan(lane, kind, direction < 0 ? below - 1
    : below < track.count && track.startOf(below) === at ? below + 1 : below);
}

export function findSelection(model, {tid, nth, gil, at}) {
  const thread = model.threads.filter((each) => each.tid === tid)[nth];
  if (!thread)
    return null;
  const lane = laneOf(model, {thread: thread.index, gil: gil ?? thread.lanes[0].gil?.index});
  return (at && findSpan(lane, at)) ?? threadSelection(lane);
}

// What of a kind begins in a lane at a time, or is the next to begin; null where nothing is.
function findSpan(lane, {kind, start}) {
  const {callSpans} = lane.thread;
  if (kind === "state" || kind === "blocked")
    return lane.thread[`${kind}Spans`] && pickStrip(lane, kind, start, 0);
  if (kind === "call") {
    const id = callSpans && countBelow(callSpans.start, start);
    return id < callSpans?.count ? callSelection(lane, id) : null;
  }
  if (!lane.gil || kind === "free")
    return lane.gil && pick(lane, start + 1, 0);
  return nthSpan(lane, kind, lane[`${kind}s`].below(start));
}
