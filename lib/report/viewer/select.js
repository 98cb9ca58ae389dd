// SPDX-License-Identifier: MIT
// What happened in an interval.

import {ceil, max, Measurement, min} from "./dom.js";
import {hadSelection, laneOf, pickStrip, spanSelection} from "./model.js";
import {FOR_THE_GIL} from "./tracks.js";

// Add to `held` (ns per member) who held the GIL in [from, to): of few holds by walking them, of
// many by each member's track.
function addHolders(gil, from, to, held) {
  const {allHolds, holdSpans: {member}} = gil, first = allHolds.firstAfter(from);
  if (allHolds.below(to, first) - first > 24 * gil.members.length)
    gil.holdTracks.forEach((track, who) => { held[who] += track.covered(from, to); });
  else
    for (const [start, end, i] of allHolds.parts(from, to))
      held[member[i]] += end - start;
}

export const byNs = (a, b) => b.ns - a.ns;

export function rankEntries(values) {
  return Array.from(values, (ns, member) => ({member, ns}))
    .filter(({ns}) => ns > 0).sort(byNs);
}

export function sumOf(entries) {
  return entries.reduce((sum, {ns}) => sum + ns, 0);
}

export function holdersDuring(gil, from, to) {
  const held = new Float64Array(gil.members.length);
  addHolders(gil, from, to, held);
  return rankEntries(held);
}

export function waitersDuring(gil, from, to) {
  return rankEntries(gil.waitTracks.map((track) => track.covered(from, to)));
}

// When a waiter asks for the GIL: at the end of the first switch interval of its wait in which
// nobody took it.
function askedAt(since, holdStart, interval) {
  const asked = max(0, ceil((holdStart - since) / interval));
  return since + (asked + 1) * interval;
}

// How a hold ended: who waited, in the order in which they asked (or would have), and who took it next.
export function endOfHold(gil, selection, interval) {
  const waiting = [];
  gil.waitTracks.forEach((track, member) => {
    const i = track.at(selection.end - 1);
    if (i >= 0 && member !== selection.member)
      waiting.push({member, since: track.startOf(i),
                    asked: askedAt(track.startOf(i), selection.start, interval)});
  });
  waiting.sort((a, b) => a.asked - b.asked);
  const next = selection.id + 1;
  return {waiting, next: next < gil.holdSpans.count ? spanSelection(gil, "hold", next) : null};
}

export function blockerOf(model, {kind, thread, gil: index, id, start, end}) {
  if (kind === "wait") {
    const gil = model.gils[index], i = gil.allHolds.mainIn(start, end);
    return i < 0 ? null : spanSelection(gil, "hold", i);
  }
  const {hold, member, flags} = kind === "blocked" ? model.threads[thread].blockedSpans : {};
  if (!flags || flags[id] >= 8)
    return null;
  if (flags[id] < 4)
    return hold[id] < 0 ? null : hadSelection(model, hold[id]);
  const {stops} = model, asker = laneOf(model, {thread: stops.member[member[id]]});
  return pickStrip(asker, "blocked", stops.start[member[id]], 0);
}

function measureTrack(track, from, to) {
  let longest = 0, count = 0;
  for (const [start, end] of track.parts(from, to)) {
    longest = max(longest, end - start);
    count++;
  }
  return {ns: track.covered(from, to), count, longest};
}

export function measureLane(model, lane, from, to) {
  const {thread} = lane;
  const start = max(from, lane.start), end = max(start, min(to, lane.end));
  const hold = measureTrack(lane.holds, start, end);
  const wait = measureTrack(lane.waits, start, end);
  const lost = (measure) => lane.lost.reduce((sum, [a, b]) =>
    sum + max(0, measure(max(a, start), min(b, end))), 0);
  const unknown = lost((a, b) => b - a), {contended} = lane.gil.waiting;
  const lifetime = end - start, {index, tid, label, main} = thread;
  return {
    thread: index, tid, label, main,
    start_ns: start, end_ns: end, lifetime_ns: lifetime,
    hold_ns: hold.ns, wait_ns: wait.ns, unknown_ns: min(unknown, lifetime),
    free_ns: max(0, lifetime - hold.ns - wait.ns - unknown),
    holds: hold.count, waits: wait.count,
    longest_hold_ns: hold.longest, longest_wait_ns: wait.longest,
    contended_ns: contended.between(start, end) - lost((a, b) => contended.between(a, b)),
  };
}

export function measureStates(model, {thread, start_ns: from, end_ns: to}) {
  const tracks = model.threads[thread].stateTracks;
  if (!tracks || model.loading)
    return {};
  const [running, runnable, ...others] = tracks.map((track) => track.covered(from, to));
  return {running_ns: running, runnable_ns: runnable,
          for_gil_ns: tracks[FOR_THE_GIL].covered(from, to),
          sleeping_ns: others.reduce((sum, ns) => sum + ns, 0), state_life_ns: to - from};
}

export function measureBlocked(model, {thread, start_ns: from, end_ns: to}) {
  const [had, unknown, stopped] = (model.threads[thread].blockedTracks ?? [])
    .map((track) => track.covered(from, to));
  return {lock_wait_ns: had + unknown || 0, stopped_ns: stopped ?? 0};
}

// Who waits for whom in [from, to): of each waiter {member, ns, holders: [{member, ns}], nobody: how
// long nobody held the GIL}. Null when it has become stale.
export async function measureBlockers(gil, from, to, task = new Measurement()) {
  const waiters = [];
  for (let member = 0; member < gil.members.length; member++) {
    const track = gil.waitTracks[member];
    const ns = track.covered(from, to);
    if (ns === 0)
      continue;
    const held = new Float64Array(gil.members.length);
    for (const [start, end] of track.parts(from, to)) {
      addHolders(gil, start, end, held);
      if (task.due && await task.pause())
        return null;
    }
    held[member] = 0;
    const holders = rankEntries(held);
    waiters.push({member, ns, holders, nobody: max(0, ns - sumOf(holders))});
  }
  return waiters;
}

export function longestSpans(spans, from, to, limit) {
  const found = [];
  let least = 0;
  for (let i = 0; i < spans.count; i++) {
    const ns = spans.lengthOf(i);
    if (ns <= least || spans.endOf(i) <= from || spans.start[i] >= to)
      continue;
    found.push({id: i, ns});
    if (found.length >= 2 * limit) {
      found.sort(byNs);
      found.length = limit;
      least = found[limit - 1].ns;
    }
  }
  return found.sort(byNs).slice(0, limit).map((each) => each.id);
}
