// From spans to what a pixel shows. For each thread of each GIL, a track keeps its spans'
// starts and the running sum of their lengths: the time covered in any interval is then two
// binary searches, exact at every zoom, and drawing costs pixels, not spans.

/** The number of values in `sorted[0, length)` that are below `value`. */
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

/** Non-overlapping spans of one thread, in the order of time. */
export class Track {
    constructor(count, start, sum, id) {
        this.count = count;
        this.start = start; // Float64Array(count)
        this.sum = sum;     // Float64Array(count + 1): of the lengths before span i
        this.id = id;       // Uint32Array(count): place in the GIL's Spans
    }

    end(i) {
        return this.start[i] + this.sum[i + 1] - this.sum[i];
    }

    /** Time covered before `time`, given how many spans start before it. */
    coveredUpTo(below, time) {
        if (below === 0)
            return 0;
        const i = below - 1;
        return this.sum[i] + Math.min(time - this.start[i], this.sum[below] - this.sum[i]);
    }

    /** Time covered in [from, to). */
    covered(from, to) {
        if (to <= from)
            return 0;
        return this.coveredUpTo(countBelow(this.start, to), to) -
            this.coveredUpTo(countBelow(this.start, from), from);
    }

    /** The first span that ends after `time`. */
    firstAfter(time) {
        const i = countBelow(this.start, time);
        return i > 0 && this.end(i - 1) > time ? i - 1 : i;
    }

    /** The span that covers `time`, or -1. */
    at(time) {
        const i = countBelow(this.start, time + 1) - 1;
        return i >= 0 && this.end(i) > time ? i : -1;
    }

    /** The share of each pixel that is covered: out[x] of [from + x·step, + step). */
    coverage(from, step, width, out) {
        const {start, count} = this;
        let below = countBelow(start, from);
        let before = this.coveredUpTo(below, from);
        for (let x = 0; x < width; x++) {
            const to = from + (x + 1) * step;
            if (below < count && start[below] < to) {
                // Gallop, then search: neighbours are near.
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

/** One track per member: views of arrays that all of them share. */
export function buildTracks(spans, members) {
    const {count, member} = spans;
    const first = new Uint32Array(members + 1); // where each member's spans begin
    for (let i = 0; i < count; i++)
        first[member[i] + 1]++;
    for (let m = 0; m < members; m++)
        first[m + 1] += first[m];
    const start = new Float64Array(count), sum = new Float64Array(count + members);
    const id = new Uint32Array(count);
    fillTracks(spans, first.slice(), new Float64Array(members), start, sum, id);
    return Array.from({length: members}, (_, m) => {
        const from = first[m], to = first[m + 1];
        return new Track(to - from, start.subarray(from, to),
                         sum.subarray(from + m, to + m + 1), id.subarray(from, to));
    });
}

/** `next` and `total` are each member's place and running sum. */
function fillTracks(spans, next, total, start, sum, id) {
    const {count, member, start: starts, end: ends} = spans;
    for (let i = 0; i < count; i++) {
        const m = member[i];
        const at = next[m]++;
        start[at] = starts[i];
        total[m] += ends[i] - starts[i];
        sum[at + m + 1] = total[m];
        id[at] = i;
    }
}

/** A process's samples of a counter, summed up: how many events until a time. */
export class Counts {
    constructor(samples, chosen) {
        const ids = [];
        for (let i = 0; i < samples.count; i++)
            if (chosen(samples.thread[i]))
                ids.push(i);
        this.time = Float64Array.from(ids, (id) => samples.time[id]);
        this.sum = new Float64Array(ids.length + 1);
        ids.forEach((id, i) => { this.sum[i + 1] = this.sum[i] + samples.period[id]; });
    }

    between(from, to) {
        return this.sum[countBelow(this.time, to)] - this.sum[countBelow(this.time, from)];
    }

    /** out[x]: events in that pixel; returns the most of all. */
    perPixel(from, step, width, out) {
        const {time, sum} = this;
        let most = 0, before = countBelow(time, from);
        for (let x = 0; x < width; x++) {
            const now = countBelow(time, from + (x + 1) * step, before);
            out[x] = sum[now] - sum[before];
            most = Math.max(most, out[x]);
            before = now;
        }
        return most;
    }
}

/** How many threads wait at a time, and on average within a pixel. */
export class Crowd {
    constructor(spans) {
        this.start = spans.start.slice().sort();
        this.end = spans.end.slice().sort();
    }

    at(time) {
        return countBelow(this.start, time + 1) - countBelow(this.end, time + 1);
    }

    /** out[x]: average number of waiters in that pixel. */
    average(from, step, width, out) {
        const {start, end} = this;
        let i = countBelow(start, from), j = countBelow(end, from);
        for (let x = 0; x < width; x++) {
            const to = from + (x + 1) * step;
            let area = (i - j) * step;
            for (; i < start.length && start[i] < to; i++)
                area += to - start[i];
            for (; j < end.length && end[j] < to; j++)
                area -= to - end[j];
            out[x] = area / step;
        }
    }
}

// A thread's states are drawn by kind. Kinds by enum gt_sched_state: the page's own list of
// names says what each number means.
export const STATE_KINDS = ["running", "runnable", "blocked", "asleep", "other"];
const KIND_OF_NAME = new Map([["running", 0], ["runnable (preempted)", 1],
                              ["runnable (woken)", 1], ["D", 2], ["S", 3], ["S(GIL)", 3],
                              ["off CPU", 3], ["off CPU (GIL)", 3]]);

/** One track per kind of state. */
export function buildStates(spans, names) {
    const member = Uint8Array.from(spans.flags, (state) => KIND_OF_NAME.get(names[state]) ?? 4);
    const {count, start, end} = spans;
    return buildTracks({count, start, end, member}, STATE_KINDS.length);
}

/** The owner lane tells this many threads apart, however many spans; for more of them, it
 * needs the track of all holds. */
export const LAYERS = 16;

/** All spans as one track. */
function buildWhole({count, start, end}) {
    return buildTracks({count, start, end, member: new Uint8Array(count)}, 1)[0];
}

/** One track per depth of a thread's calls. */
export function buildCallTracks({count, start, end, depth}) {
    let deepest = 0;
    for (let i = 0; i < count; i++)
        deepest = Math.max(deepest, depth[i]);
    return buildTracks({count, start, end, member: depth}, deepest + 1);
}

/** Everything of a GIL that drawing and measuring need. */
export function indexGil(gil) {
    gil.holdTracks = buildTracks(gil.holdSpans, gil.members.length);
    gil.waitTracks = buildTracks(gil.waitSpans, gil.members.length);
    gil.allHolds = gil.members.length > LAYERS ? buildWhole(gil.holdSpans) : null;
    gil.crowd = new Crowd(gil.waitSpans);
    // Threads by how long they held: the order of colours and of the owner lane's layers.
    const held = gil.holdTracks.map((track) => track.sum[track.count]);
    gil.ranked = held.map((_, member) => member).sort((a, b) => held[b] - held[a] || a - b);
    gil.rankOf = [];
    gil.ranked.forEach((member, rank) => { gil.rankOf[member] = rank; });
    gil.colorOf = gil.rankOf.map((rank) => rank + 5 * gil.index); // GILs differ in their first
}
