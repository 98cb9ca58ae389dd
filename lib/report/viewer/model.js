// The decoded page as one model: processes, threads and GILs that know each other, the
// lanes they make, and the spans under a point.

import {Counts, buildCallTracks, buildStates, countBelow, indexGil} from "./lod.js";
import {nameText, shortName} from "./format.js";

/** Join what readDocument decoded. `model.threads[i].lanes` are its parts in GILs. */
export function buildModel(names) {
    const {processes, threads, gils} = names;
    threads.forEach((thread, index) => {
        const {stateSpans, callSpans} = thread;
        Object.assign(thread, {
            index, name: nameText(thread.label), lanes: [],
            stateTracks: stateSpans && buildStates(stateSpans, names.states ?? []),
            callTracks: callSpans && buildCallTracks(callSpans),
        });
    });
    processes.forEach((process, index) => {
        Object.assign(process, {index, title: shortName(process.name), gils: []});
    });
    gils.forEach((gil, index) => {
        gil.index = index;
        indexGil(gil);
        processes[gil.process].gils.push(gil);
        gil.members.forEach((thread, member) => {
            threads[thread].lanes.push(makeLane(gil, member, threads[thread]));
        });
    });
    for (const process of processes)
        process.counters = buildCounters(names.counters ?? [], threads, process.index);
    for (const thread of threads)
        if (thread.lanes.length === 0)
            thread.lanes.push(makeLane(null, -1, thread));
    const functions = (names.functions ?? []).map((called) => ({
        ...called, title: nameText(called.name), where: whereText(called),
    }));
    return {processes, threads, gils, functions, counters: names.counters ?? [],
            lost: names.lost, duration: names.duration_ns,
            zero: names.zero_ns, stateNames: names.states ?? [],
            frames: (names.frames ?? []).map(nameText),
            flames: (names.flames ?? []).map(({state, values}) => ({state, nodes: values})),
            callThreads: threads.filter((thread) => thread.callTracks).length,
            hasStates: threads.some((thread) => thread.stateSpans)};
}

/** "file.py:12" of a function of Python, the module of one of C. */
function whereText({file, line}) {
    const short = nameText(file).split("/").slice(-2).join("/");
    return line > 0 ? `${short}:${line}` : short;
}

/** The counters that have samples of a process: [{name, counts}]. */
function buildCounters(counters, threads, process) {
    return counters.map((counter) => ({
        name: nameText(counter.name),
        counts: new Counts(counter.values, (thread) => threads[thread].process === process),
    })).filter(({counts}) => counts.time.length > 0);
}

/** A thread's part in a GIL, or a thread that never touched one (gil null). */
function makeLane(gil, member, thread) {
    const holds = gil?.holdTracks[member] ?? null;
    const waits = gil?.waitTracks[member] ?? null;
    return {
        gil, member, thread, holds, waits,
        // A thread may have run another program before: its part begins with the GIL's.
        start: Math.max(thread.start_ns, gil?.start_ns ?? 0),
        end: Math.min(thread.end_ns, gil?.end_ns ?? Infinity),
        hold_ns: holds ? holds.sum[holds.count] : 0,
        wait_ns: waits ? waits.sum[waits.count] : 0,
        color: gil ? gil.colorOf[member] : -1,
    };
}

/** "GIL", or "GIL 2" where a process has more than one. */
export function gilName(gil, model) {
    const alone = model.processes[gil.process].gils.length === 1;
    return alone ? "GIL" : `GIL ${gil.number}`;
}

const ORDERS = {
    start: (a, b) => a.thread.start_ns - b.thread.start_ns || a.thread.index - b.thread.index,
    wait: (a, b) => b.wait_ns - a.wait_ns,
    hold: (a, b) => b.hold_ns - a.hold_ns,
    name: (a, b) => a.thread.name.localeCompare(b.thread.name) || a.thread.tid - b.thread.tid,
};

const ROW_HEIGHT = {process: 22, gil: 36, thread: 22, counter: 26, others: 22};
export const CALL_HEIGHT = 14; // of each level of calls
// Levels shown of each thread: where there are few threads, where there are many, unfolded.
const CALL_LEVELS_FEW = 8, CALL_LEVELS_MANY = 4, CALL_LEVELS_UNFOLDED = 40;
const FEW_THREADS = 6;
export const STATES_HEIGHT = 9; // of the strip below a thread's bar, when states were recorded
const MOST_THREAD_HEIGHT = 34;

function matches(lane, process, words) {
    const text = `${lane.thread.name} ${lane.thread.tid} ${process.title} ${process.pid}`;
    return words.every((word) => text.toLowerCase().includes(word));
}

/** Processes with a GIL, and those without: shells, helpers. All are of the first kind where
 * no process has one. */
export function splitProcesses({processes, gils}) {
    const isMain = (process) => gils.length === 0 || process.gils.length > 0;
    return [processes.filter(isMain), processes.filter((process) => !isMain(process))];
}

/** How many levels of a lane's calls are shown. */
export function callLevels(model, lane, view) {
    const {callTracks, lanes} = lane.thread;
    if (!callTracks || lanes[0] !== lane)
        return 0;
    const folded = model.callThreads <= FEW_THREADS ? CALL_LEVELS_FEW : CALL_LEVELS_MANY;
    return Math.min(callTracks.length, view.unfolded ? CALL_LEVELS_UNFOLDED : folded);
}

function statesHeight(lane) {
    return lane.thread.stateSpans && lane.thread.lanes[0] === lane ? STATES_HEIGHT : 0;
}

/** Few rows grow with the room there is; many keep the least height and scroll. */
function growThreads(rows, room) {
    const threads = rows.filter((row) => row.kind === "thread").length;
    const used = rows.reduce((sum, row) => sum + row.height, 0);
    const more = Math.floor(Math.max(0, room - used) / Math.max(1, threads));
    let top = 0;
    for (const row of rows) {
        row.top = top;
        if (row.kind === "thread")
            row.height = Math.max(row.height, Math.min(
                MOST_THREAD_HEIGHT + row.states + row.calls, row.height + more));
        top += row.height;
    }
    return rows;
}

/** The rows of the timeline from top to bottom, each with its place; `room` pixels are seen. */
export function layRows(model, view, room) {
    const rows = [];
    const words = view.filter.toLowerCase().split(/\s+/).filter(Boolean);
    const groups = model.processes.map(() => []);
    const add = (kind, fields) => rows.push({
        kind, ...fields, height: ROW_HEIGHT[kind] + (fields.states ?? 0) + (fields.calls ?? 0),
    });
    for (const thread of model.threads)
        groups[thread.process].push(...thread.lanes);
    const [main, others] = splitProcesses(model);
    const shown = view.others || words.length > 0 ? [...main, ...others] : main;
    for (const process of shown) {
        const lanes = groups[process.index]
            .filter((lane) => matches(lane, process, words)).sort(ORDERS[view.order]);
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
                add("thread", {process, gil, lane, states: statesHeight(lane),
                               calls: callLevels(model, lane, view) * CALL_HEIGHT});
        }
        for (const counter of words.length === 0 ? process.counters : [])
            add("counter", {process, counter});
    }
    if (others.length > 0 && words.length === 0)
        add("others", {count: others.length});
    return growThreads(rows, room);
}

/** A selection for the span `i` of a lane's track. */
export function spanSelection(lane, kind, i) {
    const track = kind === "wait" ? lane.waits : lane.holds;
    const spans = kind === "wait" ? lane.gil.waitSpans : lane.gil.holdSpans;
    const id = track.id[i];
    return {kind, gil: lane.gil.index, member: lane.member, thread: lane.thread.index, id,
            start: spans.start[id], end: spans.end[id], flags: spans.flags[id]};
}

export function threadSelection(lane) {
    return {kind: "thread", gil: lane.gil?.index ?? null, member: lane.member,
            thread: lane.thread.index};
}

/** The lane of a thread in a GIL (any of its lanes when the GIL is null). */
export function laneOf(model, thread, gil) {
    const {lanes} = model.threads[thread];
    return lanes.find((lane) => (lane.gil?.index ?? null) === gil) ?? lanes[0];
}

/** The longest span of a track that touches [from, to); looks at no more than `limit`. */
function longestIn(track, from, to, limit = 5000) {
    let best = -1, length = -1;
    const first = track.firstAfter(from);
    for (let i = first; i < track.count && track.start[i] < to && i < first + limit; i++) {
        if (track.end(i) - track.start[i] > length) {
            best = i;
            length = track.end(i) - track.start[i];
        }
    }
    return best;
}

/** What is in a lane at a time, within `near_ns`: a wait or hold, else the free stretch. */
export function pick(lane, time, near_ns) {
    if (lane.gil) {
        for (const [kind, track] of [["hold", lane.holds], ["wait", lane.waits]]) {
            const exact = track.at(time);
            if (exact >= 0 && track.end(exact) - track.start[exact] > near_ns)
                return spanSelection(lane, kind, exact);
        }
        for (const [kind, track] of [["wait", lane.waits], ["hold", lane.holds]]) {
            const i = longestIn(track, time - near_ns, time + near_ns);
            if (i >= 0)
                return spanSelection(lane, kind, i);
        }
    }
    if (time < lane.start || time > lane.end)
        return threadSelection(lane);
    return {...threadSelection(lane), kind: "free", ...freeAround(lane, time)};
}

/** The call of a level at a time, or the longest one near; null where there is none. */
export function pickCall(lane, level, time, near_ns) {
    const track = lane.thread.callTracks[level];
    if (!track)
        return null;
    let i = track.at(time);
    if (i < 0)
        i = longestIn(track, time - near_ns, time + near_ns);
    return i < 0 ? null : callSelection(lane, track.id[i]);
}

export function callSelection(lane, id) {
    const calls = lane.thread.callSpans;
    return {...threadSelection(lane), kind: "call", id, start: calls.start[id],
            end: calls.end[id], function: calls.function[id], depth: calls.depth[id]};
}

/** The innermost call of a thread at a time: a function, or null. */
export function functionAt(model, thread, time) {
    const {callTracks, callSpans} = model.threads[thread];
    let found = null;
    for (const track of callTracks ?? []) {
        const i = track.at(time);
        if (i < 0)
            break;
        found = model.functions[callSpans.function[track.id[i]]];
    }
    return found;
}

/** The state of a thread at a time: a selection, or null where it is not known. */
export function pickState(lane, time, near_ns) {
    const spans = lane.thread.stateSpans;
    let best = -1;
    const first = Math.max(0, countBelow(spans.start, time - near_ns) - 1);
    for (let i = first; i < spans.count && spans.start[i] < time + near_ns && i < first + 5000; i++)
        if (spans.end[i] > time - near_ns &&
            (best < 0 || spans.end[i] - spans.start[i] > spans.end[best] - spans.start[best]))
            best = i;
    const exact = countBelow(spans.start, time + 1) - 1;
    if (exact >= 0 && spans.end[exact] > time && spans.end[exact] - spans.start[exact] > near_ns)
        best = exact;
    return best < 0 ? null : stateSelection(lane, best);
}

function stateSelection(lane, id) {
    const spans = lane.thread.stateSpans;
    return {...threadSelection(lane), kind: "state", id, start: spans.start[id],
            end: spans.end[id], state: spans.flags[id], cpu: spans.member[id] - 1};
}

/** The stretch around `time` in which a thread neither holds nor waits. */
function freeAround(lane, time) {
    let {start, end} = lane;
    for (const track of lane.gil ? [lane.holds, lane.waits] : []) {
        const i = countBelow(track.start, time);
        if (i > 0)
            start = Math.max(start, track.end(i - 1));
        if (i < track.count)
            end = Math.min(end, track.start[i]);
    }
    return {start, end};
}

/** The next (+1) or previous (-1) span of the same kind in a selection's lane. */
export function neighbour(model, selection, kind, direction, time) {
    const lane = laneOf(model, selection.thread, selection.gil);
    if (!lane.gil)
        return null;
    const track = kind === "hold" ? lane.holds : lane.waits;
    const at = selection.start ?? time;
    const below = countBelow(track.start, at);
    const i = direction < 0 ? below - 1
        : below < track.count && track.start[below] === at ? below + 1 : below;
    return i >= 0 && i < track.count ? spanSelection(lane, kind, i) : null;
}

/** The selection that a link asks for (readHash), or null. */
export function findSelection(model, asked) {
    const thread = model.threads.filter((each) => each.tid === asked.tid)[asked.twin];
    if (!thread)
        return null;
    const lane = laneOf(model, thread.index, asked.gil ?? thread.lanes[0].gil?.index ?? null);
    if (asked.at?.kind === "state" && thread.stateSpans)
        return pickState(lane, asked.at.start, 0) ?? threadSelection(lane);
    if (asked.at?.kind === "call" && thread.callSpans) {
        const id = countBelow(thread.callSpans.start, asked.at.start);
        return id < thread.callSpans.count ? callSelection(lane, id) : threadSelection(lane);
    }
    if (!asked.at || !lane.gil || ["state", "call"].includes(asked.at.kind))
        return threadSelection(lane);
    if (asked.at.kind === "free")
        return pick(lane, asked.at.start + 1, 0);
    const track = asked.at.kind === "wait" ? lane.waits : lane.holds;
    const i = countBelow(track.start, asked.at.start);
    return i < track.count ? spanSelection(lane, asked.at.kind, i) : threadSelection(lane);
}
