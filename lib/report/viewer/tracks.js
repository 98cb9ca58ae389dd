// SPDX-License-Identifier: MIT
// Tracks: the starts of a thread's spans and the running sum of their lengths. Two binary searches
// give the time covered in an interval, at every zoom.

// The number of values in `sorted[0, length)` that are below `value`.
export function countBelow(sorted, value, low = 0, high = sorted.length) {
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle] < value)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

// Non-overlapping spans of one thread, in the order of time. `sum`: of the lengths before span i;
// `id`: index in the spans that it was built from.
class Track {
  constructor(count, start, sum, id) {
    Object.assign(this, {count, start, sum, id});
  }

  end(i) {
    return this.start[i] + this.sum[i + 1] - this.sum[i];
  }

  get total() {
    return this.sum[this.count];
  }

  // Time covered before `time`, given how many spans start before it.
  coveredUpTo(below, time) {
    if (below === 0)
      return 0;
    const i = below - 1;
    return this.sum[i] + Math.min(time - this.start[i], this.sum[below] - this.sum[i]);
  }

  covered(from, to) {
    if (to <= from)
      return 0;
    return this.coveredUpTo(countBelow(this.start, to), to) -
      this.coveredUpTo(countBelow(this.start, from), from);
  }

  // The first span that ends after `time`.
  firstAfter(time) {
    const i = countBelow(this.start, time);
    return i > 0 && this.end(i - 1) > time ? i - 1 : i;
  }

  // The parts of spans that lie in [from, to): [[start, end]].
  intervals(from, to) {
    const found = [];
    for (let i = this.firstAfter(from); i < this.count && this.start[i] < to; i++)
      found.push([Math.max(from, this.start[i]), Math.min(to, this.end(i))]);
    return found;
  }

  // The span that covers `time`, or -1.
  at(time) {
    const i = countBelow(this.start, time + 1) - 1;
    return i >= 0 && this.end(i) > time ? i : -1;
  }

  // The share of each pixel that is covered: out[x] of [from + x·step, + step).
  coverage(from, step, width, out) {
    const {start, count} = this;
    let below = countBelow(start, from);
    let before = this.coveredUpTo(below, from);
    for (let x = 0; x < width; x++) {
      const to = from + (x + 1) * step;
      if (below < count && start[below] < to) {
        // Gallop, then search: the next pixel's spans are mostly near.
        let jump = 1;
        while (below + jump < count && start[below + jump] < to)
          jump *= 2;
        below = countBelow(start, to, below + (jump >> 1), Math.min(below + jump, count));
      }
      const now = this.coveredUpTo(below, to);
      out[x] = (now - before) / step;
      before = now;
    }
  }
}

// One track per member: views of arrays that all of them share.
export function buildTracks({count, member, start: starts, end: ends}, members) {
  const first = new Uint32Array(members + 1); // where each member's spans begin
  for (let i = 0; i < count; i++)
    first[member[i] + 1]++;
  for (let m = 0; m < members; m++)
    first[m + 1] += first[m];
  const start = new Float64Array(count), sum = new Float64Array(count + members);
  const id = new Uint32Array(count);
  const next = first.slice(), total = new Float64Array(members); // index, running sum
  for (let i = 0; i < count; i++) {
    const m = member[i], at = next[m]++;
    start[at] = starts[i];
    total[m] += ends[i] - starts[i];
    sum[at + m + 1] = total[m];
    id[at] = i;
  }
  return Array.from(total, (_, m) => {
    const from = first[m], to = first[m + 1];
    return new Track(to - from, start.subarray(from, to),
                     sum.subarray(from + m, to + m + 1), id.subarray(from, to));
  });
}

// The usual time between a thread's samples that stand for many events; 0: each event has one.
function usualGap({time, thread, period}, ids) {
  const last = new Map(), gaps = [];
  for (const id of ids.some((each) => period[each] !== 1) ? ids : []) {
    gaps.push(time[id] - (last.get(thread[id]) ?? NaN));
    last.set(thread[id], time[id]);
  }
  const known = gaps.filter((gap) => gap >= 0).sort((a, b) => a - b);
  return known[known.length >> 1] ?? 0;
}

// Samples of a counter as a running sum of events.
class Counts {
  constructor(samples, ids) {
    this.time = Float64Array.from(ids, (id) => samples.time[id]);
    this.sum = new Float64Array(ids.length + 1);
    ids.forEach((id, i) => { this.sum[i + 1] = this.sum[i] + samples.period[id]; });
    this.gap = usualGap(samples, ids);
  }

  between(from, to) {
    return this.sum[countBelow(this.time, to)] - this.sum[countBelow(this.time, from)];
  }

  // Events per ns around a time; the interval is never shorter than that of one sample.
  rateAt(time, near_ns) {
    const half = Math.max(near_ns, this.gap / 2);
    return this.between(time - half, time + half) / (2 * half);
  }

  // out[x]: their rate in that pixel; returns the highest of all.
  rates(from, step, width, out) {
    let most = 0;
    for (let x = 0; x < width; x++) {
      const rate = this.rateAt(from + (x + 0.5) * step, step / 2);
      most = Math.max(most, rate);
      out[x] = rate;
    }
    return most;
  }
}

// The Counts of each of `groups` that has samples, by the group of their threads.
export function buildCounts(samples, groups, groupOf) {
  const ids = Array.from({length: groups}, () => []);
  for (let i = 0; i < samples.count; i++)
    ids[groupOf(samples.thread[i])].push(i);
  return ids.map((list) => list.length > 0 ? new Counts(samples, list) : null);
}

// How many threads wait, and the running sum of their waiting (an area: threads × time).
export class Waiting {
  constructor({start, end}) {
    const starts = start.slice().sort(), ends = end.slice().sort(), count = start.length;
    this.time = new Float64Array(2 * count);      // of starts and ends
    this.area = new Float64Array(2 * count);      // until each of them
    this.waiters = new Int32Array(2 * count + 1); // between two of them
    for (let i = 0, j = 0, k = 0; k < 2 * count; k++) {
      const isEnd = i === count || ends[j] <= starts[i];
      this.time[k] = isEnd ? ends[j++] : starts[i++];
      this.waiters[k + 1] = this.waiters[k] + (isEnd ? -1 : 1);
      if (k > 0)
        this.area[k] = this.area[k - 1] +
          this.waiters[k] * (this.time[k] - this.time[k - 1]);
    }
  }

  until(time) {
    const i = countBelow(this.time, time);
    return i === 0 ? 0 : this.area[i - 1] + this.waiters[i] * (time - this.time[i - 1]);
  }

  between(from, to) {
    return this.until(to) - this.until(from);
  }

  // out[x]: average number of waiters in that pixel.
  average(from, step, width, out) {
    for (let x = 0, before = this.until(from); x < width; x++) {
      const now = this.until(from + (x + 1) * step);
      out[x] = (now - before) / step;
      before = now;
    }
  }
}

// Kinds of states: running, ready, uninterruptible, asleep for the GIL, asleep, others.
const STATE_KINDS = 6;
export const FOR_THE_GIL = 3;
const KIND_OF_NAME = new Map([["running", 0], ["runnable (preempted)", 1],
                              ["runnable (woken)", 1], ["D", 2], ["S(GIL)", 3],
                              ["off CPU (GIL)", 3], ["S", 4], ["off CPU", 4]]);

export function buildStates(spans, names) {
  const member = Uint8Array.from(spans.flags, (state) => KIND_OF_NAME.get(names[state]) ?? 5);
  return buildTracks({...spans, member}, STATE_KINDS);
}

// So many owners have a layer each in a GIL's lane; the others share one.
export const LAYERS = 16;

export function buildWhole(spans) {
  return buildTracks({...spans, member: new Uint8Array(spans.count)}, 1)[0];
}

export function buildCallTracks(calls) {
  const levels = calls.depth.reduce((most, each) => Math.max(most, each + 1), 1);
  return buildTracks({...calls, member: calls.depth}, levels);
}

export function indexGil(gil) {
  gil.holdTracks = buildTracks(gil.holdSpans, gil.members.length);
  gil.waitTracks = buildTracks(gil.waitSpans, gil.members.length);
  if (gil.unknownSpans?.count)
    gil.unknownTracks = buildTracks(gil.unknownSpans, gil.members.length);
  gil.allHolds = gil.members.length > LAYERS ? buildWhole(gil.holdSpans) : null;
  gil.waiting = new Waiting(gil.waitSpans);
  // Threads that held longest come first in colours and layers.
  const held = gil.holdTracks.map((track) => track.total);
  gil.ranked = held.map((_, member) => member).sort((a, b) => held[b] - held[a] || a - b);
  gil.colorOf = [];
  gil.ranked.forEach((member, rank) => { gil.colorOf[member] = rank + 5 * gil.index; });
}
