// SPDX-License-Identifier: MIT
// What happened in an interval.

import {FOR_THE_GIL, countBelow} from "./tracks.js";
import {Measurement} from "./dom.js";

function overlap(a0, a1, b0, b1) {
  return Math.max(0, Math.min(a1, b1) - Math.max(a0, b0));
}

// The GIL's first hold that ends after `time`.
export function firstHoldAfter(gil, time) {
  const {start, end} = gil.holdSpans;
  let i = countBelow(start, time);
  while (i > 0 && end[i - 1] > time)
    i--;
  return i;
}

// Add to `held` (ns per member) who held the GIL in [from, to): of few holds by walking them, of
// many by each member's track.
function addHolders(gil, from, to, held) {
  const {start, end, member} = gil.holdSpans;
  const first = firstHoldAfter(gil, from);
  const last = countBelow(start, to, first);
  if (last - first > 24 * gil.members.length) {
    gil.holdTracks.forEach((track, who) => { held[who] += track.covered(from, to); });
    return;
  }
  for (let i = first; i < last; i++)
    held[member[i]] += overlap(start[i], end[i], from, to);
}

// Largest first: [{member, ns}] of the entries above zero.
export function rankEntries(values) {
  return Array.from(values, (ns, member) => ({member, ns}))
    .filter((entry) => entry.ns > 0).sort((a, b) => b.ns - a.ns);
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
  const asked = Math.max(0, Math.ceil((holdStart - since) / interval));
  return since + (asked + 1) * interval;
}

function holdAt({holdSpans: {start, end, member}}, id) {
  return {id, member: member[id], start: start[id], end: end[id]};
}

// How a hold ended: who waited, in the order in which they asked for the GIL (or would have), and
// who took it next.
export function endOfHold(gil, selection, interval) {
  const waiting = [];
  gil.waitTracks.forEach((track, member) => {
    const i = track.at(selection.end - 1);
    if (i >= 0 && member !== selection.member)
      waiting.push({member, since: track.start[i],
                    asked: askedAt(track.start[i], selection.start, interval)});
  });
  waiting.sort((a, b) => a.asked - b.asked);
  const next = selection.id + 1;
  return {waiting, next: next < gil.holdSpans.count ? holdAt(gil, next) : null};
}

// The longest hold within an interval.
export function mainHold(gil, from, to) {
  const {start, end} = gil.holdSpans;
  let best = null;
  const first = firstHoldAfter(gil, from);
  const last = Math.min(countBelow(start, to, first), first + 100000);
  for (let i = first; i < last; i++) {
    const ns = overlap(start[i], end[i], from, to);
    if (ns > 0 && (!best || ns > best.ns))
      best = {...holdAt(gil, i), ns};
  }
  return best;
}

function measureTrack(track, from, to) {
  const first = track.firstAfter(from);
  let longest = 0, i = first;
  for (; i < track.count && track.start[i] < to; i++)
    longest = Math.max(longest, overlap(track.start[i], track.end(i), from, to));
  return {ns: track.covered(from, to), count: i - first, longest};
}

// A row of the table for [from, to), with the summary's keys.
export function measureLane(model, lane, from, to) {
  const {thread} = lane;
  const start = Math.max(from, lane.start), end = Math.max(start, Math.min(to, lane.end));
  const hold = measureTrack(lane.holds, start, end);
  const wait = measureTrack(lane.waits, start, end);
  let unknown = 0;
  for (const [lost0, lost1] of lane.lost)
    unknown += overlap(lost0, lost1, start, end);
  const lifetime = end - start, {index, tid, label, main} = thread;
  return {
    thread: index, tid, label, main,
    start_ns: start, end_ns: end, lifetime_ns: lifetime,
    hold_ns: hold.ns, wait_ns: wait.ns, unknown_ns: Math.min(unknown, lifetime),
    free_ns: Math.max(0, lifetime - hold.ns - wait.ns - unknown),
    holds: hold.count, waits: wait.count,
    longest_hold_ns: hold.longest, longest_wait_ns: wait.longest,
  };
}

export function measureStates(model, {thread, start_ns: from, end_ns: to}) {
  const tracks = model.threads[thread].stateTracks;
  if (!tracks)
    return {};
  const [running, runnable, ...others] = tracks.map((track) => track.covered(from, to));
  return {running_ns: running, runnable_ns: runnable,
          for_gil_ns: tracks[FOR_THE_GIL].covered(from, to),
          sleeping_ns: others.reduce((sum, ns) => sum + ns, 0), state_life_ns: to - from};
}

// Who waits for whom in [from, to): of each waiter {member, ns, holders: [{member, ns}], nobody:
// how long nobody held the GIL}. Null when the measurement has become stale.
export async function measureBlockers(gil, from, to, task = new Measurement()) {
  const waiters = [];
  for (let member = 0; member < gil.members.length; member++) {
    const track = gil.waitTracks[member];
    const ns = track.covered(from, to);
    if (ns === 0)
      continue;
    const held = new Float64Array(gil.members.length);
    for (let i = track.firstAfter(from); i < track.count && track.start[i] < to; i++) {
      addHolders(gil, Math.max(from, track.start[i]), Math.min(to, track.end(i)), held);
      if (task.due && await task.pause())
        return null;
    }
    held[member] = 0;
    const holders = rankEntries(held);
    waiters.push({member, ns, holders, nobody: Math.max(0, ns - sumOf(holders))});
  }
  return waiters;
}

// The `limit` longest spans of a kind in [from, to): ids, longest first.
export function longestSpans(spans, from, to, limit) {
  const found = [];
  let least = 0;
  for (let i = 0; i < spans.count; i++) {
    const ns = spans.end[i] - spans.start[i];
    if (ns <= least || spans.end[i] <= from || spans.start[i] >= to)
      continue;
    found.push({id: i, ns});
    if (found.length >= 2 * limit) {
      found.sort((a, b) => b.ns - a.ns);
      found.length = limit;
      least = found[limit - 1].ns;
    }
  }
  return found.sort((a, b) => b.ns - a.ns).slice(0, limit).map((each) => each.id);
}
