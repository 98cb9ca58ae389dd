// SPDX-License-Identifier: MIT
// Tracks: a thread's spans, and their lengths' running sum: two binary searches give the time covered.

// The number of values in `sorted`, or at `places` of it, that are below `value`.
export function countBelow(sorted, value, low = 0, high = sorted.length, places = null) {
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[places ? places[middle] : middle] < value)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

const STRIDE = 16; // spans from one sum to the next

// Non-overlapping spans (indices of `spans`, in the order of time), which may still be growing.
class Track {
  count = 0;
  total = 0;
  sums = []; // of the lengths before every 16th

  constructor(spans, room = 0) {
    this.spans = spans;
    this.id = new Uint32Array(room);
  }

  add(id) {
    if (this.count === this.id.length) {
      const more = new Uint32Array(2 * this.count || STRIDE);
      more.set(this.id);
      this.id = more;
    }
    if (this.count % STRIDE === 0)
      this.sums.push(this.total);
    this.id[this.count++] = id;
    this.total += this.spans.lengthOf(id);
  }

  startOf(i) {
    return this.spans.start[this.id[i]];
  }

  endOf(i) {
    return this.spans.endOf(this.id[i]);
  }

  below(time, low = 0, high = this.count) {
    return countBelow(this.spans.start, time, low, high, this.id);
  }

  coveredUpTo(below, time) {
    if (below === 0)
      return 0;
    const last = below - 1;
    let i = last - last % STRIDE, sum = this.sums[i / STRIDE];
    for (; i < last; i++)
      sum += this.spans.lengthOf(this.id[i]);
    return sum + Math.min(time, this.endOf(last)) - this.startOf(last);
  }

  covered(from, to) {
    if (to <= from)
      return 0;
    return this.coveredUpTo(this.below(to), to) - this.coveredUpTo(this.below(from), from);
  }

  firstAfter(time) {
    const i = this.below(time);
    return i > 0 && this.endOf(i - 1) > time ? i - 1 : i;
  }

  // The parts of spans that lie in [from, to): [start, end, i].
  *parts(from, to) {
    for (let i = this.firstAfter(from); i < this.count && this.startOf(i) < to; i++)
      yield [Math.max(from, this.startOf(i)), Math.min(to, this.endOf(i)), i];
  }

  // The span that has most of [from, to), of the first so many; -1: there is none.
  mainIn(from, to, limit = 100000) {
    let best = -1, most = -1;
    for (const [start, end, i] of this.parts(from, to)) {
      if (end - start > most)
        [best, most] = [i, end - start];
      if (--limit === 0)
        break;
    }
    return best;
  }

  at(time) {
    const i = this.below(time + 1) - 1;
    return i >= 0 && this.endOf(i) > time ? i : -1;
  }

  coverage(from, step, width, out) {
    const {count} = this;
    let below = this.below(from);
    let before = this.coveredUpTo(below, from);
    for (let x = 0; x < width; x++) {
      const to = from + (x + 1) * step;
      let jump = 1; // the next pixel's spans are mostly near
      while (below + jump < count && this.startOf(below + jump) < to)
        jump *= 2;
      below = this.below(to, below, Math.min(below + jump, count));
      const now = this.coveredUpTo(below, to);
      out[x] = (now - before) / step;
      before = now;
    }
  }
}

// Tracks of spans, also of those to come; `rooms`: how many each will have, where that is known.
export function buildTracks(spans, {length, ...rooms}, keyOf = (i) => spans.member[i]) {
  const tracks = Array.from({length}, (_, i) => new Track(spans, rooms[i]));
  spans.each((i) => tracks[keyOf(i)].add(i));
  return tracks;
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

export function buildCounts(samples, groups, groupOf) {
  const ids = Array.from({length: groups}, () => []);
  for (let i = 0; i < samples.count; i++)
    ids[groupOf(samples.thread[i])].push(i);
  return ids.map((list) => list.length > 0 ? new Counts(samples, list) : null);
}

// A curve, by its area until points in time, between which it is even.
class Curve {
  constructor(time, area) {
    Object.assign(this, {time, area});
  }

  until(time) {
    const {time: times, area} = this, i = countBelow(times, time);
    if (i === 0 || i === times.length)
      return area[i - 1] ?? 0;
    const height = (area[i] - area[i - 1]) / (times[i] - times[i - 1]);
    return area[i - 1] + height * (time - times[i - 1]);
  }

  between(from, to) {
    return this.until(to) - this.until(from);
  }

  coverage(from, step, width, out) {
    for (let x = 0; x < width; x++)
      out[x] = this.between(from + x * step, from + (x + 1) * step) / step;
  }
}

// From hundredths in equal slices of the run.
export function curveOf(values, duration) {
  const width = duration / values.length, area = [0];
  values.forEach((value, i) => area.push(area[i] + value / 100 * width));
  return new Curve(area.map((_, i) => i * width), area);
}

export function waitersOf(list) {
  const times = (of) => Float64Array.from(list.flatMap((each) =>
    Array.from({length: each.count}, (_, i) => each[of](i)))).sort();
  const starts = times("startOf"), ends = times("endOf"), count = starts.length;
  const [time, area, any] = [0, 0, 0].map(() => new Float64Array(2 * count));
  for (let i = 0, j = 0, k = 0; k < 2 * count; k++) {
    const waiters = i - j, isEnd = i === count || ends[j] <= starts[i];
    time[k] = isEnd ? ends[j++] : starts[i++];
    const ns = waiters && time[k] - time[k - 1];
    area[k] = (area[k - 1] ?? 0) + waiters * ns;
    any[k] = (any[k - 1] ?? 0) + ns;
  }
  return Object.assign(new Curve(time, area), {contended: new Curve(time, any)});
}

// Kinds of states: running, ready, uninterruptible, asleep for the GIL, asleep, others.
const STATE_KINDS = [/^running$/, /^runnable/, /^D$/, /GIL/, /^(S|off CPU)$/, /^/];
export const FOR_THE_GIL = 3;

export function buildStates(spans, names) {
  const kinds = names.map((name) => STATE_KINDS.findIndex((kind) => kind.test(name)));
  return buildTracks(spans, STATE_KINDS, (i) => kinds[spans.flags[i]] ?? 5);
}

// A lock that a thread is known to have had, another lock, a stop, a stop of the others.
export function buildBlocked(spans) {
  return buildTracks(spans, {length: 4}, (i) =>
    spans.flags[i] >= 4 ? (spans.flags[i] >> 2) + 1 : spans.hold[i] < 0 ? 1 : 0);
}

export const LAYERS = 16;

export function buildWhole(spans) {
  return buildTracks(spans, [spans.total], () => 0)[0];
}

export function indexGil(gil, rows) {
  const {holdSpans, waitSpans, unknownSpans} = gil;
  const own = {length: gil.members.length};
  gil.holdTracks = buildTracks(holdSpans, own);
  gil.waitTracks = buildTracks(waitSpans, own);
  gil.unknownTracks = buildTracks(unknownSpans, own);
  gil.allHolds = buildWhole(holdSpans);
  let waiting = null;
  Object.defineProperty(gil, "waiting", {get: () =>
    waiting?.time.length === 2 * waitSpans.count ? waiting : waiting = waitersOf([waitSpans])});
  const held = gil.holdTracks.map((track, member) => rows?.[member].hold_ns ?? track.total);
  gil.ranked = held.map((_, member) => member).sort((a, b) => held[b] - held[a] || a - b);
  gil.colorOf = [];
  gil.ranked.forEach((member, rank) => { gil.colorOf[member] = rank + 5 * gil.index; });
}
