// SPDX-License-Identifier: MIT
// The page's modules alone, under node.

import assert from "node:assert/strict";
import {cpSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync} from "node:fs";
import {join} from "node:path";
import {gunzipSync, gzipSync} from "node:zlib";
import {test} from "node:test";
import {folder, random, viewerFolder} from "./fixtures.js";

// node takes a .js file for a module only where a package.json says so.
const modules = join(folder, "viewer");
mkdirSync(modules);
cpSync(viewerFolder, modules, {recursive: true});
writeFileSync(join(modules, "package.json"), '{"type":"module"}');
const load = (name) => import(join(modules, name));

const {decodeBase64, readBlocks, readColumns, readData, readVarints} = await load("data.js");
const {buildCounts, buildTracks, countBelow, curveOf, indexGil, waitersOf} =
    await load("tracks.js");
const {durationText, nameText, percentText, tickStep, timeText} = await load("dom.js");
const {View, readHash, viewToHash, MIN_WIDTH_NS} = await load("view.js");
const {CALL_HEIGHT, buildModel, layRows} = await load("model.js");
const {isLarge, lengthText, traceBlob} = await load("export.js");
const {attributeTime, attributionText} = await load("flame.js");
const {FlameTree, figures, findFrames, innermostCalls, layBoxes, sampleTree, stackTree} =
    await load("flame.js");
const {nativeText} = await load("lists.js");
const {endOfHold, holdersDuring, longestSpans, measureBlockers, measureLane, measureStates,
       waitersDuring} = await load("select.js");

test("lengths of spans in the JSON add up to the same end, which is not above it", () => {
    let state = 7;
    const random = (below) => (state = (state * 48271) % 2147483647) % below;
    const endOf = (start, end) => start / 1000 + Number(lengthText(start, end));
    for (let i = 0; i < 200000; i++) {
        const start = random(2 ** 30) * random(2 ** (i % 20)), inner = start + random(1e7);
        const end = inner + 1 + random(1e9);
        assert.ok(endOf(start, end) <= end / 1000, `${start} ${end}`);
        assert.equal(endOf(start, end), endOf(inner, end), `${start} ${inner} ${end}`);
    }
    assert.equal(lengthText(0, 1500), 1.5);
    assert.equal(lengthText(7, 7), 0);
});

test("threads of one name are called with their tid", () => {
    const thread = (tid, namesake) =>
        ({tid, process: 0, label: "w", main: false, namesake, start_ns: 0, end_ns: 9});
    const {threads} = buildModel({
        processes: [{pid: 1, name: "python3", parent: null, start_ns: 0, end_ns: 9}],
        threads: [thread(5, true), thread(6, true), thread(7, false)], gils: [], functions: [],
        counters: [], marks: {count: 0, time: [], thread: [], series: []}, texts: [], lost: [],
        frames: [], flames: [], duration_ns: 9, states: [],
    });
    assert.deepEqual(threads.map(({title}) => title), ["w (5)", "w (6)", "w"]);
});

test("a way into native code has its share, and of few samples their number", () => {
    const way = [{function: "burn", samples: 12, ns: 120}, {function: "deep", samples: 9, ns: 90}];
    assert.equal(nativeText({native: {samples: 12, ns: 120, way}}), "burn → deep 75.0%");
    assert.equal(nativeText({native: {samples: 9, ns: 90, way}}), "burn → deep 9 of 9 samples");
    assert.equal(nativeText({native: {samples: 0, ns: 0, way: []}}), "");
    assert.equal(nativeText({}), "");
});

test("the page's code is small, and safe inside a page", () => {
    const files = readdirSync(viewerFolder).map((name) => join(viewerFolder, name));
    const bytes = files.reduce((sum, file) => sum + statSync(file).size, 0);
    assert.ok(bytes < 200 * 1000, `${bytes} bytes`);
    for (const file of files.filter((each) => /\.(js|css)$/.test(each))) {
        const text = readFileSync(file, "utf8");
        assert.doesNotMatch(text, /<\/(script|style)|<!--/i, file);
        assert.doesNotMatch(text, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(/,
                            file);
        assert.doesNotMatch(text, /@(DATA|SCRIPT|STYLE|SCRIPT_HASH|STYLE_HASH)@/, file);
    }
});

/** Ends of lines and beginnings of comments that lie within a quoted text. */
function misread(text) {
    const found = [], around = []; // `: a template's text, {: its code
    const tokens = /\\.|\/\*[^]*?\*\/|(?<=\s)\/\/.*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|\$\{|[`{}\n]/g;
    const inText = () => around.at(-1) === "`";
    for (let match; (match = tokens.exec(text));) {
        const [token] = match;
        if ((inText() && /^(\n|\/[/*])/.test(token)) || /^["'].*(\s\/\/|\/\*)/.test(token))
            found.push(token);
        if (inText() && !["`", "${", "\n"].includes(token))
            tokens.lastIndex = match.index + (token[0] === "\\" ? 2 : 1);
        else if ("`}".includes(token) && (token === "}" || inText()))
            around.pop();
        else if (["`", "{", "${"].includes(token))
            around.push(token);
    }
    assert.deepEqual(around, []);
    return found;
}

test("embedding takes comments and indentation for what they are", () => {
    assert.deepEqual(misread('a(`b {${c ? "`" : `d\n`}`, "`"); // `\n`e /**/`, " //"'),
                     ["\n", "/**/", '" //"']);
    for (const name of readdirSync(viewerFolder).filter((each) => each.endsWith(".js"))) {
        assert.deepEqual(misread(readFileSync(join(viewerFolder, name), "utf8")), [], name);
    }
});

test("samples make a tree of those that are wanted, and few are counted", () => {
    const values = {count: 4, parent: [-1, 0, 1, 2], name: [0, 1, 2, 3], self: [0, 0, 0, 0]};
    const samples = {time: Float64Array.from({length: 24}, (_, i) => i * 10),
                     thread: Array.from({length: 24}, (_, i) => i % 2), period: Array(24).fill(5),
                     node: Array.from({length: 24}, (_, i) => i < 12 ? 3 : 2)};
    const names = ["process", "t1", "f", "g"];
    const make = (from, to) => sampleTree({values, samples}, names, 0, from, to, (who) => who === 0);
    const many = make(0, 240), few = make(40, 150);
    assert.deepEqual([many.samples, many.few, [...many.total]], [12, false, [60, 60, 30]]);
    assert.deepEqual(many.name.slice(1).map((name) => names[name]), ["f", "g"]);
    assert.equal(figures(many, 1), "60 ns · 100.0% of all · 30 ns in itself");
    assert.deepEqual([few.samples, few.few, [...few.total]], [6, true, [6, 6, 4]]);
    assert.equal(figures(few, 2), "4 of 6 samples");
    assert.equal(make(10, 20).samples, 0);
});

test("durations and times read as the terminal's", () => {
    assert.equal(durationText(850), "850 ns");
    assert.equal(durationText(5_200_000), "5.2 ms");
    assert.equal(durationText(12_300_000_000), "12.30 s");
    assert.equal(timeText(1_234_567_891, 1), "1.234567891 s");
    assert.equal(timeText(600e6, 200e6, 1.2e9), "0.6 s");
    assert.equal(percentText(1, 3), "33.3");
    assert.equal(percentText(1, 0), "–");
    assert.deepEqual([1, 3, 7, 120].map(tickStep), [1, 5, 10, 200]);
});

test("names show what cannot be seen", () => {
    assert.equal(nameText("a\u0000b\u202ec"), "a\u2400b\ufffdc");
    assert.equal(nameText("🦊 שלום"), "🦊 שלום");
});

test("base64 and varints decode, and damage is noticed", () => {
    const bytes = Uint8Array.from({length: 1000}, (_, i) => i * 7 & 255);
    for (const length of [0, 1, 2, 3, 999, 1000])
        assert.deepEqual(decodeBase64(Buffer.from(bytes.slice(0, length)).toString("base64")),
                         bytes.slice(0, length));
    assert.throws(() => decodeBase64("a*aa"), /damaged/);
    const out = new Float64Array(5);
    readVarints(Uint8Array.of(0, 127, 128, 1, 255, 255, 3, 128, 128, 128, 128, 16), 0, 5, out);
    assert.deepEqual([...out], [0, 127, 128, 65535, 2 ** 32]);
    assert.throws(() => readVarints(Uint8Array.of(1), 0, 2, out), /damaged/);
    assert.throws(() => readColumns(Uint8Array.of(1, 2, 5, 6), 1), /damaged/);
});

function varint(value) {
    const bytes = [];
    for (; value >= 128; value = Math.floor(value / 128))
        bytes.push(value % 128 | 128);
    return [...bytes, value];
}

function block(table, key, columns) {
    const bodies = columns.map((column) => column.flatMap(varint));
    const bytes = [varint(columns.length), ...bodies.map((body) => varint(body.length)),
                   ...bodies].flat();
    return {table, key, rows: columns[0].length,
            text: gzipSync(Buffer.from(bytes)).toString("base64")};
}

async function readAll(data, blocks) {
    for await (const _ of readBlocks(data, blocks))
        ;
}

/** Rows as they are when all of them are decoded. */
function rows({start, end, ...fields}) {
    return {count: start.length, start, ...fields, startOf: (i) => start[i], endOf: (i) => end[i],
            lengthOf: (i) => end[i] - start[i], each: (act) => start.forEach((_, i) => act(i))};
}

const endsOf = (spans) => Array.from(spans.start, (_, i) => spans.endOf(i));

const NAMES = {
    schema: 1, zero_ns: 5, duration_ns: 1000, lost: [], functions: [], counters: [], flames: [],
    frames: [], states: [], texts: [""], marks: 0,
    processes: [{pid: 1, name: "p", parent: null, start_ns: 0, end_ns: 1000}],
    threads: [0, 1].map((i) => ({tid: 1 + i, process: 0, label: `t${i}`, main: i === 0,
                                 start_ns: 0, end_ns: 1000})),
    gils: [{process: 0, number: 0, start_ns: 0, end_ns: 1000, holds: 3, waits: 1, members: [0, 1]}],
};

test("blocks become spans; each starts anew; unknown tables are skipped", async () => {
    const data = readData(JSON.stringify(NAMES));
    await readAll(data, [
        block("holds", 0, [[0, 4 + 2], [20, 10], [30, 40]]),
        block("future", 0, [[1]]),
        block("holds", 0, [[0], [400], [50]]),
        block("waits", 0, [[4], [90], [33]]),
    ]);
    const {holdSpans, waitSpans} = data.gils[0];
    assert.deepEqual([...holdSpans.start], [10, 45, 200]);
    assert.deepEqual(endsOf(holdSpans), [40, 85, 250]);
    assert.deepEqual([...holdSpans.member], [0, 1, 0]);
    assert.deepEqual([...holdSpans.flags], [0, 2, 0]);
    assert.deepEqual([waitSpans.start[0], waitSpans.endOf(0)], [12, 45]);
});

test("damaged blocks are refused", async () => {
    const fresh = () => readData(JSON.stringify(NAMES));
    await assert.rejects(readAll(fresh(), [block("holds", 0, [[8], [0], [1]])]), /no thread/);
    await assert.rejects(readAll(fresh(), [block("waits", 0, [[0, 0], [0, 0], [1, 1]])]),
                         /more spans/);
    await assert.rejects(readAll(fresh(), [{table: "holds", key: 0, rows: 1,
                                               text: "AAAA"}]));
    assert.throws(() => readData('{"schema":2}'), /version 2/);
});

/** Random spans of `members` threads of one GIL: holds never overlap, waits may. */
function randomGil(seed, members = 4, turns = 400) {
    const next = random(seed);
    const pick = (most) => Math.floor(next() * most);
    const holds = [], waits = [], freeAt = new Array(members).fill(0);
    for (let i = 0, time = 0; i < turns; i++) {
        const member = pick(members);
        const start = Math.max(time, freeAt[member]) + pick(50);
        if (next() < 0.5 && start > freeAt[member])
            waits.push([member, freeAt[member] + pick(start - freeAt[member]), start]);
        time = start + 1 + pick(next() < 0.1 ? 5000 : 80);
        holds.push([member, start, time]);
        freeAt[member] = time;
    }
    waits.sort((a, b) => a[2] - b[2]);
    const spans = (list) => rows({
        member: Uint32Array.from(list, (each) => each[0]),
        start: Float64Array.from(list, (each) => each[1]),
        end: Float64Array.from(list, (each) => each[2]), flags: new Uint8Array(list.length),
    });
    const gil = {index: 0, process: 0, number: 0, start_ns: 0, end_ns: 1e9,
                 members: Array.from({length: members}, (_, i) => i),
                 holdSpans: spans(holds), waitSpans: spans(waits), unknownSpans: spans([])};
    indexGil(gil);
    return {gil, holds, waits, end: Math.max(...freeAt)};
}

const overlap = ([, start, end], from, to) => Math.max(0, Math.min(end, to) - Math.max(start, from));

test("coverage, picking and measuring agree with counting by hand", async () => {
    for (let seed = 1; seed <= 20; seed++) {
        const {gil, holds, waits, end} = randomGil(seed);
        const next = random(seed + 1000);
        for (let round = 0; round < 10; round++) {
            const from = Math.floor(next() * end), to = from + 1 + Math.floor(next() * (end - from));
            const sum = (list, member) => list.filter((each) => each[0] === member)
                .reduce((total, each) => total + overlap(each, from, to), 0);
            gil.members.forEach((member) => {
                assert.equal(gil.holdTracks[member].covered(from, to), sum(holds, member));
                assert.equal(gil.waitTracks[member].covered(from, to), sum(waits, member));
                const width = 37, out = new Float32Array(width), step = (to - from) / width;
                gil.holdTracks[member].coverage(from, step, width, out);
                const drawn = out.reduce((total, each) => total + each * step, 0);
                assert.ok(Math.abs(drawn - sum(holds, member)) < 1e-3 * (to - from) + 1e-6);
                out.forEach((share) => assert.ok(share > -1e-6 && share < 1 + 1e-6));
            });
            const held = Object.fromEntries(holdersDuring(gil, from, to)
                .map((each) => [each.member, each.ns]));
            gil.members.forEach((member) =>
                assert.equal(held[member] ?? 0, sum(holds, member)));
            assert.equal(waitersDuring(gil, from, to).reduce((total, each) => total + each.ns, 0),
                         waits.reduce((total, each) => total + overlap(each, from, to), 0));
            const waiters = await measureBlockers(gil, from, to);
            const blamed = waiters.reduce((total, {holders, nobody}) =>
                total + nobody + holders.reduce((part, each) => part + each.ns, 0), 0);
            for (const {member, ns} of waiters)
                assert.equal(ns, sum(waits, member));
            assert.equal(blamed, waits.reduce((total, each) => total + overlap(each, from, to), 0));
        }
    }
});

test("waiters are counted, on average and at a moment", () => {
    const {gil, waits, end} = randomGil(3);
    const waiting = waitersOf([gil.waitSpans]);
    const width = 50, out = new Float32Array(width), step = end / width;
    waiting.coverage(0, step, width, out);
    out.forEach((value, x) => {
        const area = waits.reduce((sum, each) => sum + overlap(each, x * step, (x + 1) * step), 0);
        assert.ok(Math.abs(value - area / step) < 1e-3);
    });
});

test("how long anybody waited is the union of all waits", () => {
    const {gil, waits, end} = randomGil(11), {contended} = waitersOf([gil.waitSpans]);
    const next = random(14);
    for (let i = 0; i < 100; i++) {
        const from = Math.floor(next() * end), to = from + Math.floor(next() * (end - from));
        let until = from, sum = 0;
        for (const [, start, stop] of [...waits].sort((a, b) => a[1] - b[1])) {
            sum += Math.max(0, Math.min(stop, to) - Math.max(start, until));
            until = Math.max(until, Math.min(stop, to));
        }
        assert.ok(Math.abs(contended.between(from, to) - sum) < 1e-3);
    }
});

test("the longest spans are found", () => {
    const {gil, holds, end} = randomGil(5);
    const lengths = longestSpans(gil.holdSpans, 0, end, 10)
        .map((id) => gil.holdSpans.lengthOf(id));
    const expected = holds.map(([, start, stop]) => stop - start).sort((a, b) => b - a).slice(0, 10);
    assert.deepEqual(lengths, expected);
});

test("searches: countBelow, spans at a time, tracks of members without spans", () => {
    assert.deepEqual([0, 1, 2, 3, 9].map((x) => countBelow([1, 2, 2, 5], x)), [0, 0, 1, 3, 4]);
    const {gil} = randomGil(6);
    const track = gil.holdTracks[0];
    for (let i = 0; i < track.count; i++) {
        assert.equal(track.at(track.startOf(i)), i);
        assert.equal(track.firstAfter(track.startOf(i)), i);
        assert.notEqual(track.at(track.endOf(i)), i);
    }
    const none = buildTracks(rows({member: [], start: [], end: []}), {length: 2});
    assert.equal(none[1].covered(0, 100), 0);
    assert.equal(none[1].at(5), -1);
});

test("a range's row clips to the thread's and the GIL's life, and to what was lost", async () => {
    const data = readData(JSON.stringify({...NAMES, lost: [[60, 80, 9]]}));
    await readAll(data, [block("holds", 0, [[0, 4, 0], [20, 10, 230], [30, 40, 50]]),
                             block("waits", 0, [[4], [90], [33]])]);
    const model = buildModel(data);
    const row = measureLane(model, model.threads[0].lanes[0], 20, 220);
    assert.deepEqual([row.lifetime_ns, row.hold_ns, row.wait_ns, row.unknown_ns, row.holds,
                      row.longest_hold_ns], [200, 20 + 20, 0, 20, 2, 20]);
    assert.equal(row.contended_ns, 45 - 20); // the other waited until then
});

test("while it is not known what a thread did, it does not matter who waited", async () => {
    const data = readData(JSON.stringify({...NAMES, lost: [[30, 40, 9]]}));
    await readAll(data, [block("waits", 0, [[4], [90], [33]])]);
    const {lanes: [lane]} = buildModel(data).threads[0];
    assert.deepEqual([measureLane(null, lane, 0, 220), measureLane(null, lane, 35, 42)]
        .map((row) => row.contended_ns), [33 - 10, 2]);
});

test("the view stays within the run and keeps what is under the pointer", () => {
    const view = new View(1e9);
    view.zoom(0.1, 3e8);
    assert.deepEqual([view.from, view.to].map(Math.round), [27e7, 37e7]);
    view.pan(-1e9);
    assert.equal(view.from, 0);
    for (let i = 0; i < 100; i++)
        view.zoom(0.5, 5e7);
    assert.ok(Math.abs(view.width - MIN_WIDTH_NS) < 1e-6);
    for (let i = 0; i < 100; i++)
        view.zoom(3, 5e7);
    assert.deepEqual([view.from, view.to], [0, 1e9]);
    const changes = [];
    view.onChange = (changed) => changes.push(...changed);
    view.set({tab: view.tab});
    view.set({tab: "matrix"});
    assert.deepEqual(changes, ["tab"]);
});

test("links say the view and are read back; nonsense is left out", () => {
    const view = new View(1e9);
    const model = {threads: [{tid: 7}, {tid: 8}, {tid: 8}]};
    view.show(1e8, 2e8);
    view.set({range: {from: 11e7, to: 12e7}, tab: "waits",
              selection: {kind: "wait", thread: 2, gil: 0, start: 123}});
    const hash = viewToHash(view, model);
    assert.equal(hash, "t=100000000-200000000&thread=8.1&gil=0&at=wait:123&" +
        "range=110000000-120000000&tab=waits");
    const asked = readHash(`#${hash}`);
    assert.deepEqual(asked, {interval: {from: 1e8, to: 2e8}, range: {from: 11e7, to: 12e7}, tid: 8,
                             nth: 1, gil: 0, at: {kind: "wait", start: 123}, tab: "waits"});
    const nothing = readHash("#t=9-1&thread=x&at=die:1&range=&tab=%3Cb%3E&gil=-1");
    assert.deepEqual(nothing, {interval: null, range: null, tid: null, nth: 0, gil: null,
                               at: null, tab: null});
});

test("waiting in an interval is counted exactly", () => {
    const {gil, waits, end} = randomGil(12);
    const area = waitersOf([gil.waitSpans]);
    const next = random(13);
    for (let i = 0; i < 200; i++) {
        const from = Math.floor(next() * end), to = from + Math.floor(next() * (end - from));
        assert.equal(area.between(from, to),
                     waits.reduce((sum, each) => sum + overlap(each, from, to), 0));
    }
    assert.equal(waitersOf([]).between(0, 9), 0);
    assert.equal(waitersOf([]).contended.between(0, 9), 0);
});

/** Random calls that nest: [start, end, depth], in the order of their starts. */
function randomCalls(next, from, to, depth, out) {
    for (let at = from; at < to;) {
        const start = at + Math.floor(next() * 20), end = Math.min(to, start + Math.floor(next() * 60));
        if (start >= to)
            return;
        out.push([start, end, depth]);
        if (depth < 5 && next() < 0.6)
            randomCalls(next, start, end, depth + 1, out);
        at = end;
    }
}

test("the innermost call of each moment is found", () => {
    for (let seed = 1; seed <= 20; seed++) {
        const list = [];
        randomCalls(random(seed), 10, 700, 0, list);
        const calls = rows({start: list.map((each) => each[0]), end: list.map((each) => each[1]),
                            depth: list.map((each) => each[2]), function: list.map((_, i) => i)});
        const from = 5 + seed * 3, to = 720 - seed * 11, seen = [], around = [];
        const tracks = buildTracks(calls, {length: 6}, (i) => calls.depth[i]);
        assert.deepEqual([...innermostCalls(calls, from, to, tracks)],
                         [...innermostCalls(calls, from, to)]);
        for (const [id, start, end, call, outer] of innermostCalls(calls, from, to)) {
            assert.equal(id, call);
            for (let time = start; time < end; time++) {
                seen.push(call);
                around.push(outer);
            }
        }
        assert.equal(seen.length, to - from);
        for (let time = from; time < to; time++) {
            const open = list.map((_, i) => i).filter((i) => list[i][0] <= time && time < list[i][1])
                .sort((a, b) => list[b][2] - list[a][2]);
            assert.equal(seen[time - from], open[0] ?? -1);
            assert.equal(around[time - from], open[1] ?? -1);
        }
    }
});

test("a tree of frames sums up, joins threads, is searched once and laid in its room", () => {
    const nodes = {count: 6, parent: [-1, 0, 1, 0, 3, 4], name: [0, 1, 3, 2, 3, 4],
                   self: [0, 5, 10, 0, 20, 40]};
    const names = ["process", "t1", "t2", "f", "f inner"];
    const apart = stackTree(nodes, names, 2);
    assert.deepEqual([...apart.total], [75, 75, 15, 10, 60, 60, 40]);
    const joined = stackTree(nodes, names, 1);
    assert.deepEqual(joined.name, [-1, 0, 3, 4]);
    assert.deepEqual([...joined.total], [75, 75, 70, 40]);
    assert.deepEqual([joined.self[1], joined.self[2]], [5, 30]);
    const {found, ns} = findFrames(joined, "F");
    assert.deepEqual([[...found], ns], [[2, 3], 70]);
    assert.equal(findFrames(joined, " ").found.size, 0);
    const boxes = layBoxes(joined, 2, 0, 100);
    assert.deepEqual(boxes.map(({node, depth, above}) => [node, depth, above === true]),
                     [[0, 0, true], [1, 1, true], [2, 2, false], [3, 3, false]]);
    assert.ok(Math.abs(boxes[3].share - 40 / 70) < 1e-9);
    const wide = new FlameTree(Array.from({length: 500}, (_, i) => `f${i}`));
    for (let i = 0; i < 500; i++)
        wide.self[wide.child(0, i)] = i + 1;
    const laid = layBoxes(wide.finalize(), 0, 0, 101);
    assert.equal(laid.length, 101);
    assert.ok(laid.slice(1).every(({node}) => wide.self[node] > 400));
});

/** A model of two threads with calls, states, counters and marks, by hand. */
async function richModel(waits = [[4], [90], [33]]) {
    const data = readData(JSON.stringify({
        ...NAMES, gils: [{...NAMES.gils[0], waits: waits[0].length}],
        threads: NAMES.threads.map((thread, i) => ({...thread, calls: i ? 0 : 4, levels: [1, 3],
                                                       states: i ? 5 : 0})),
        states: ["", "running", "runnable (woken)", "S", "S(GIL)"],
        functions: [{name: "main", file: "/a/b/app.py", line: 3, kind: "python"},
                    {name: "sleep", file: "time", line: 0, kind: "c"},
                    {name: "gc.collect generation 0", file: "gc", line: 0, kind: "gc"}],
        counters: [{name: "faults", samples: 2}], marks: 2, texts: ["", "hello", '{"x":1}'],
    }));
    await readAll(data, [
        block("holds", 0, [[0, 4 + 2], [20, 10], [30, 40]]), // 10–40 and 45–85
        block("holds", 0, [[0], [400], [50]]),               // 200–250
        block("waits", 0, waits),
        block("calls", 0, [[0, 1, 2, 1], [10, 30, 40, 20], [260, 10, 10, 100], [0, 16, 16, 16]]),
        block("states", 1, [[1, 2, 4, 3, 1], [0, 0, 0, 0, 0], [10, 20, 30, 40, 50]]),
        block("counters", 0, [[0, 1], [10, 200], [5, 7]]),
        block("marks", 0, [[0, 3], [40, 20], [1, 1], [2, 0]]),
    ]);
    return buildModel(data);
}

test("a trace is the same gzipped, and is so where it is large", async () => {
    const model = await richModel();
    const [plain, packed] = await Promise.all([false, true].map((gzipped) =>
        traceBlob(model, '{"schema":1}', gzipped)));
    const text = await plain.text();
    assert.equal(gunzipSync(Buffer.from(await packed.arrayBuffer())).toString(), text);
    const {traceEvents, giltracer} = JSON.parse(text);
    assert.deepEqual(giltracer, {schema: 1});
    assert.equal(traceEvents.filter(({cat}) => cat === "gil").length, 3 + 1);
    assert.ok(!isLarge(model));
    model.gils[0].waitSpans.total = 2_000_001;
    assert.ok(isLarge(model));
});

test("what a thread did is told by function, C function and caller", async () => {
    const model = await richModel();
    const [thread] = model.threads; // main 5–265: sleep 20–30, collect 40–50, sleep 50–150
    const intervals = [...model.gils[0].holdTracks[0].parts(0, 230)].map(([a, b]) => [a, b]);
    assert.deepEqual(intervals, [[10, 40], [200, 230]]);
    const rows = attributeTime(model, thread, intervals);
    assert.deepEqual(rows, [{id: 0, python: 0, ns: 50}, {id: 1, python: 0, ns: 10}]);
    assert.deepEqual(attributeTime(model, thread, [[0, 60]]).map((row) => [attributionText(model, row), row.ns]),
                     [["main (b/app.py:3)", 25], ["C function time.sleep in main (b/app.py:3)", 20],
                      ["gc.collect generation 0 in main (b/app.py:3)", 10],
                      ["outside of all functions", 5]]);
    assert.deepEqual(attributeTime(model, model.threads[1], intervals), []);
});

test("a hold ends by itself, or late after a waiter asked", async () => {
    const {gils: [gil]} = await richModel([[4, 0], [2 * 60, 2 * 140], [42, 22]]);
    // Thread 1 waits 18–60, thread 0 178–200. Of an interval of 5: asked for at 18 + 5·k.
    const hold = {start: 20, end: 40, member: 0, id: 0};
    const end = endOfHold(gil, hold, 5);
    assert.deepEqual(end.waiting, [{member: 1, since: 18, asked: 28}]); // once more from 23 on
    assert.equal(end.next.start, 45);
    assert.equal(endOfHold(gil, {...hold, start: 10}, 5).waiting[0].asked, 23);
    assert.equal(endOfHold(gil, {...hold, start: 10}, 30).waiting[0].asked, 48); // would have
    assert.deepEqual(endOfHold(gil, {start: 200, end: 250, member: 0, id: 2}, 5),
                     {waiting: [], next: null});
});

test("states of a row are clipped to its time", async () => {
    const model = await richModel();
    const row = (start_ns, end_ns) => measureStates(model, {thread: 1, start_ns, end_ns});
    assert.deepEqual(row(0, 150), {running_ns: 60, runnable_ns: 20, for_gil_ns: 30, sleeping_ns: 70,
                                   state_life_ns: 150});
    assert.deepEqual(row(5, 45), {running_ns: 5, runnable_ns: 20, for_gil_ns: 15, sleeping_ns: 15,
                                  state_life_ns: 40});
    assert.deepEqual(measureStates(model, {thread: 0, start_ns: 0, end_ns: 9}), {});
});

test("a counter's rate is that of whole samples, however near one looks", () => {
    const count = 200, time = Float64Array.from({length: count}, (_, i) => 1e6 * (i >> 1));
    const thread = Uint32Array.from(time, (_, i) => i & 1); // two threads, a sample each ms
    const rates = (period) => {
        const samples = {count, time, thread, period: new Float64Array(count).fill(period)};
        const [counts] = buildCounts(samples, 1, () => 0);
        const near = new Float32Array(1000), far = new Float32Array(10);
        return [counts.rates(40e6, 1e3, 1000, near), counts.rates(10e6, 8e6, 10, far),
                counts.rateAt(40.3e6, 10), counts.between(0, 1e9)].map((each) => each * 1e6);
    };
    // 5000 events of each thread within a ms; where each event has its sample, moments are told.
    assert.deepEqual(rates(5000), [10000, 10000, 10000, 1e12]);
    assert.deepEqual(rates(1), [2000, 2, 0, 200e6]);
});

test("counters and marks are their thread's; rows hold all of a thread", async () => {
    const model = await richModel();
    const [one, two] = model.threads;
    assert.deepEqual(model.processes[0].counters.map(({name, counts}) => [name, counts.sum[2]]),
                     [["faults", 12]]);
    assert.deepEqual([one, two].map(({counters}) => [...counters[0].counts.time]), [[5], [105]]);
    assert.deepEqual([one, two].map(({marks}) => [...marks.time]), [[20], []]); // the other: a number
    const rows = layRows(model, new View(1000), 2000);
    assert.deepEqual(rows.map(({kind}) => kind), ["process", "gil", "thread", "thread", "counter"]);
    for (const [i, row] of rows.entries())
        assert.equal(row.top, i === 0 ? 0 : rows[i - 1].top + rows[i - 1].height);
    const [first, second] = rows.filter(({kind}) => kind === "thread");
    assert.equal(first.calls, 2 * CALL_HEIGHT); // as deep as it is
    assert.deepEqual([first, second].map(({strips}) => strips.map(({kind}) => kind)), [[], ["state"]]);
    assert.equal(first.height, first.bar + first.calls + 16);
    assert.equal(second.height, second.bar + second.strips[0].height + 16);
});
