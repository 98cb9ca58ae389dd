// SPDX-License-Identifier: MIT
// Flame graphs and blocking functions: the page against offgil, the summary, and counting.

import assert from "node:assert/strict";
import {execFileSync} from "node:child_process";
import {readFileSync, writeFileSync} from "node:fs";
import {join} from "node:path";
import {after, afterEach, before, test} from "node:test";
import {closePages, launch, open} from "./browser.js";
import {Recording, binaryDir, folder, makePage, shots, traceProgram} from "./fixtures.js";
import {require} from "./tests.js";

const TAKE_GIL = ["futex_wait_[x]", "pthread_cond_timedwait", "take_gil", "eval_frame"];
const READ = ["vfs_read", "read", "</script><img src=x onerror=alert(1)>", "eval_frame"];

/** Two threads that sleep for the GIL and otherwise, with stacks. */
function stacked() {
    const record = new Recording();
    const frames = (names) => record.lines.push(...names.map((name, i) =>
        `\t${(0x7f0000001000 + i * 16).toString(16)} ${name} (${
            i === 0 ? "[kernel.kallsyms]" : "/usr/bin/python3.11"})\n`), "\n");
    const change = (from, state, to, names) => {
        record.line(from, `sched:sched_switch: prev_comm=python3 prev_pid=${from} ` +
            `prev_prio=120 prev_state=${state} ==> next_comm=python3 next_pid=${to} next_prio=120`);
        frames(names);
    };
    record.fork(101);
    for (let i = 0; i < 30; i++) {
        const [runs, sleeps] = i % 2 ? [100, 101] : [101, 100];
        change(sleeps, "S", runs, i % 3 === 0 ? READ
            : i % 3 === 1 ? TAKE_GIL : [...TAKE_GIL, `caller_${i % 4}`]);
        record.time += 1_000_000 + i * 7_919;
        record.line(runs, `sched:sched_wakeup: comm=python3 pid=${sleeps} prio=120 target_cpu=000`);
        frames(["try_to_wake_up"]);
        record.time += 3_000;
    }
    return record.text();
}

const MS = 1_000_000;

/** 101 has the GIL for 122 ms while 102 waits, then 102 for 122 ms, while 101 runs without it; then 101
 * for 2 ms. With samples of their stacks, each 10 ms; and when the holds begin. */
function sampled() {
    const record = new Recording(), samples = new Recording(), starts = [];
    const sample = (tid, ...names) => {
        samples.time = record.time;
        samples.line(tid, `${10 * MS} cpu-clock:u: `);
        samples.lines.push(...names.map((name, i) =>
            `\t${(0x1000 + i * 16).toString(16)} ${name} (/usr/lib/deep.so)\n`), "\n");
    };
    const hold = (tid, act) => {
        record.acquire(tid);
        starts.push(record.time);
        record.time += MS;
        act();
        record.time += MS;
        record.release(tid);
        record.time += MS;
    };
    for (const tid of [101, 102])
        record.fork(tid);
    for (let i = 0; i < 50; i++) {
        record.acquire(100);
        record.time += 1500;
        record.release(100);
        record.time += 8500;
    }
    hold(101, () => {
        record.wait(102);
        for (let i = 0; i < 12; i++) {
            record.time += 10 * MS;
            sample(101, i % 4 ? "burn" : "parse", "outer");
        }
    });
    hold(102, () => {
        for (let i = 0; i < 12; i++) {
            record.time += 10 * MS;
            if (i < 3)
                sample(102, "parse", "outer");
            sample(101, "away");
        }
    });
    hold(101, () => {});
    return {text: record.text(), native: samples.text(), starts};
}

const CALLS = `
import threading
def crunch(n):
    total = 0
    for i in range(n):
        total += i
    return total
def work():
    for i in range(40):
        crunch(60000)
threads = [threading.Thread(target=work, name=f"w{i}") for i in range(3)]
for t in threads: t.start()
for t in threads: t.join()
`;

let browser, stacks, calls;
before(async () => {
    browser = await launch();
    stacks = await makePage("stacks", stacked(), "all");
    writeFileSync(join(folder, "stacks.txt"), stacked());
    calls = traceProgram("flamecalls", CALLS);
});
afterEach(() => closePages(browser));
after(() => browser?.close());

/** The graph that is shown, as offgil writes it. */
const folded = (page, unit = 1000) => page.evaluate((each) => {
    const {tree} = window.giltracer.page.tabs.flame;
    const lines = [];
    for (let i = 1; i < tree.count; i++) {
        if (tree.self[i] <= 0)
            continue;
        const path = [];
        for (let node = i; node > 0; node = tree.parent[node])
            path.unshift(tree.title(node));
        lines.push(`${path.join(";")} ${Math.ceil(tree.self[i] / each)}`);
    }
    return lines.sort();
}, unit);

const foldedBy = (...words) => execFileSync(join(binaryDir, "offgil"), words, {encoding: "utf8"})
    .split("\n").filter(Boolean).sort();
const offgil = (...words) => foldedBy(...words, join(folder, "stacks.txt"));

async function show(page, what) {
    await page.locator("#flame-what").selectOption(what);
    await page.waitForFunction((key) => window.giltracer.page.tabs.flame.key === key &&
        document.querySelector(".flame-figure").textContent !== "Measuring…", what);
    await page.settled();
}

test("the page's graph is offgil's, for each state, joined and apart", async () => {
    const page = await open(browser, {html: stacks.html, hash: "#tab=flame"});
    await page.locator(".frame").first().waitFor();
    assert.match(await page.locator("#headline").textContent(),
                 /^Threads slept for the GIL [1-9][\d.]*% of their time, .* longest (main|thread 2), /);
    const kinds = await page.evaluate(() => window.giltracer.page.tabs.flame.kinds
        .map(({key, name}) => ({key, name})));
    assert.deepEqual(kinds.map(({name}) => name).sort(), ["S", "S(GIL)"]);
    assert.equal(await page.locator("#flame-what").inputValue(),
                 kinds.find(({name}) => name === "S(GIL)").key);
    for (const {key, name} of kinds) {
        await show(page, key);
        const lines = await folded(page);
        assert.deepEqual(lines, offgil("--state", name), name);
        assert.ok(lines.length > 0, name);
        await page.locator("#flame-threads").check();
        await page.settled();
        assert.deepEqual(await folded(page), offgil("--threads", "--state", name), name);
        await page.locator("#flame-threads").uncheck();
    }
    page.check();
});

test("samples of stacks: of all, with the GIL, without it, of a range, and of one hold", async () => {
    const {text, native, starts} = sampled();
    const recorded = join(folder, "sampled.txt"), samples = join(folder, "sampled-native.txt");
    writeFileSync(recorded, text);
    writeFileSync(samples, native);
    const {html} = await makePage("sampled", text, "gil", ["--native", samples]);
    const page = await open(browser, {html, hash: "#tab=flame"});
    await page.locator("#panel-flame .frame").first().waitFor();
    const options = {time: [], held: ["--gil", "held"], free: ["--gil", "free"]};
    const {key} = await page.evaluate(() => window.giltracer.page.tabs.flame.kinds
        .find(({title}) => title === "Running"));
    for (const [what, words] of Object.entries(options)) {
        await show(page, key.replace("time", what));
        const lines = await folded(page);
        assert.deepEqual(lines, foldedBy("--native", samples, ...words, recorded), what);
        assert.equal(lines.length, {time: 3, held: 2, free: 1}[what], lines);
    }
    await show(page, key);
    await page.evaluate((from) => window.giltracer.view.set({range: {from, to: from + 25e6}}), starts[0]);
    await page.settled();
    assert.deepEqual(await page.evaluate(() => {
        const {tree: {few, samples}} = window.giltracer.page.tabs.flame;
        return {few, samples};
    }), {few: true, samples: 2});
    page.check();

    const details = page.locator("#details-body");
    const select = async (tid, start) => {
        await page.evaluate((hash) => { location.hash = hash; }, `#thread=${tid}&gil=0&at=hold:${start}`);
        await page.settled();
        assert.equal((await page.state()).selection.start, start);
        return details.locator("h3").first().textContent();
    };
    assert.equal(await select(101, starts[0]), "Its stack, in 12 samples");
    await details.locator(".frame").first().waitFor();
    await page.settled();
    assert.deepEqual(await details.locator(".frame").allTextContents(), ["all", "outer", "burn", "parse"]);
    const figure = () => details.locator(".flame-figure").textContent();
    await details.locator(".frame", {hasText: "burn"}).hover();
    assert.equal(await figure(), "burn · 90.0 ms · 75.0% of all");
    await page.screenshot({path: join(shots, "hold-flame.png")});
    await details.locator(".frame", {hasText: "burn"}).click();
    await page.settled();
    assert.equal(await details.locator(".frame.above").count(), 2);
    await page.keyboard.press("Escape");
    await page.settled();
    assert.equal(await details.locator(".frame.above").count(), 0);
    assert.equal(await select(102, starts[1]), "Its stack, in 3 samples");
    await details.locator(".frame", {hasText: "parse"}).hover();
    assert.equal(await figure(), "parse · 3 of 3 samples");
    assert.equal(await select(101, starts[2]), "Its stack, in 0 samples");
    assert.equal(await details.locator(".flame").count(), 0);
    page.check();
});

test("events with stacks have graphs by their number", async () => {
    const record = new Recording();
    const fault = (tid, ...names) => {
        record.time += MS;
        record.line(tid, "3 page-faults: ");
        record.lines.push(...names.map((name, i) =>
            `\t${(0x1000 + i * 16).toString(16)} ${name} (/usr/lib/deep.so)\n`), "\n");
    };
    record.fork(101);
    for (let i = 0; i < 50; i++) {
        record.acquire(100);
        record.time += 1500;
        record.release(100);
        record.time += 8500;
    }
    record.acquire(101);
    for (let i = 0; i < 12; i++)
        fault(101, i % 4 ? "burn" : "parse", "outer");
    record.time += MS;
    record.release(101);
    for (let i = 0; i < 12; i++)
        fault(101, "away");
    const saved = join(folder, "events.txt");
    writeFileSync(saved, record.text());
    const {html} = await makePage("events", record.text(), "all");
    const page = await open(browser, {html, hash: "#tab=flame"});
    await page.locator(".frame").first().waitFor();
    const kinds = await page.evaluate(() => window.giltracer.page.tabs.flame.kinds
        .map(({key, title}) => ({key, title})));
    assert.deepEqual(kinds.map(({title}) => title),
                     ["page-faults", "page-faults with the GIL", "page-faults without it"]);
    const words = [[], ["--gil", "held"], ["--gil", "free"]];
    for (const [i, {key}] of kinds.entries()) {
        await show(page, key);
        const lines = await folded(page, 1);
        assert.deepEqual(lines, foldedBy("--event", "page-faults", ...words[i], saved));
        assert.equal(lines.length, [3, 2, 1][i]);
    }
    await show(page, kinds[1].key);
    await page.locator(".frame", {hasText: "burn"}).hover();
    assert.equal(await page.locator(".flame-figure").textContent(), "burn · 27 · 75.0% of all");
    page.check();
});

test("a click zooms, a search marks, the pointer and the keyboard tell figures", async () => {
    const page = await open(browser, {html: stacks.html, hash: "#tab=flame"});
    const frame = (text) => page.locator(".frame", {hasText: text}).first();
    await frame("caller_1").waitFor();
    await page.screenshot({path: join(shots, "flame.png")});
    const figure = () => page.locator(".flame-figure").textContent();
    await frame("caller_1").hover();
    assert.match(await figure(), /^caller_1 · [\d.]+ ms · [\d.]+% of all$/);
    const width = async () => (await frame("caller_1").boundingBox()).width;
    const before = await width();
    await frame("caller_1").click();
    await page.settled();
    assert.ok(await width() > before * 1.5, `${await width()} of ${before}`);
    assert.ok((await page.locator(".frame.above").count()) >= 2);
    assert.equal(await page.locator(".frame", {hasText: "caller_3"}).count(), 0);
    await page.locator(".flame-tools button").click();
    await page.settled();
    assert.ok(Math.abs(await width() - before) < 1);

    await page.locator("#flame-search").fill("CALLER_");
    await page.settled();
    const found = await page.locator(".frame.found").allTextContents();
    assert.ok(found.length >= 2 && found.every((text) => text.startsWith("caller_")), found);
    assert.match(await page.locator(".flame-tools").textContent(), new RegExp(`${found.length} found`));

    await page.locator(".frame[data-node='0']").focus();
    const state = await page.state();
    await page.keyboard.press("ArrowDown");
    assert.match(await figure(), /^python3 /);
    await page.keyboard.press("ArrowUp");
    assert.match(await figure(), /^all /);
    assert.deepEqual(await page.state(), state); // the timeline did not move
    page.check();
});

test("hostile frames are text; what was not recorded has no tab", async () => {
    const page = await open(browser, {html: stacks.html, hash: "#tab=flame"});
    await page.locator(".frame").first().waitFor();
    const {key} = await page.evaluate(() => window.giltracer.page.tabs.flame.kinds
        .find(({name}) => name === "S"));
    await show(page, key);
    assert.ok((await page.locator(".flame").textContent()).includes("</script><img src=x"));
    assert.equal(await page.locator(".flame img").count(), 0);
    assert.ok(!await page.locator("#tab-blockers").isVisible());
    page.check();
    const record = new Recording();
    record.acquire(100);
    record.time += 5000;
    record.release(100);
    record.time += 5000;
    record.acquire(100);
    const plain = await makePage("plain", record.text());
    const none = await open(browser, {html: plain.html, hash: "#tab=flame"});
    assert.equal((await none.state()).tab, "threads");
    for (const tab of ["flame", "blockers"])
        assert.ok(!await none.locator(`#tab-${tab}`).isVisible(), tab);
    none.check();
});

const sum = (values) => values.reduce((total, value) => total + value, 0);

test("graphs of functions add up to the summary", async (t) => {
    if (!require(t, calls.missing))
        return;
    const {giltracer: summary, traceEvents} = calls.trace();
    const rows = summary.gils.flatMap((gil) => gil.threads);
    const page = await open(browser, {html: calls.html, hash: "#tab=flame"});
    await page.locator(".frame").first().waitFor();
    const total = async (what) => {
        await show(page, `calls:${what}`);
        return page.evaluate(() => window.giltracer.page.tabs.flame.tree.total[0]);
    };
    assert.equal(await total("hold"), sum(rows.map((row) => row.hold_ns)));
    assert.equal(await total("wait"), sum(rows.map((row) => row.wait_ns)));
    assert.equal(await total("caused"), sum(rows.flatMap((row) => row.blocked_by)
        .filter(({thread}) => thread !== null).map(({ns}) => ns)));
    await page.screenshot({path: join(shots, "flame-calls.png")});
    // Time in functions: calls that lie in no other, from the JSON.
    const events = traceEvents.filter(({ph, cat}) => ph === "X" && ["python", "c", "gc"].includes(cat))
        .map(({tid, ts, dur}) => ({tid, from: Math.round(ts * 1000), ns: Math.round(dur * 1000)}));
    let outer = 0;
    for (const tid of new Set(events.map((event) => event.tid))) {
        let end = -1;
        for (const each of events.filter((event) => event.tid === tid)
            .sort((a, b) => a.from - b.from || b.ns - a.ns)) {
            if (each.from >= end)
                outer += each.ns;
            end = Math.max(end, each.from + each.ns);
        }
    }
    assert.equal(await total("time"), outer);
    await page.evaluate(() => window.giltracer.view.set({range: {from: 0, to: 1e6}}));
    await page.settled();
    assert.ok(await total("hold") < sum(rows.map((row) => row.hold_ns)));
    page.check();
});

test("blockers are measured from calls, and a click finds the function", async (t) => {
    if (!require(t, calls.missing))
        return;
    const {giltracer: summary} = calls.trace();
    const page = await open(browser, {html: calls.html});
    await page.evaluate(() => {
        const {page, view} = window.giltracer;
        page.tabs.blockers.given = []; // measured here, whatever the summary says
        view.set({tab: "blockers"});
    });
    await page.locator(".blockers tbody tr").first().waitFor();
    await page.evaluate(() => { // a thread and a function whose names have the function's in them
        const {threads, functions} = window.giltracer.model;
        threads[1].name = "crunch";
        functions.find(({title}) => title === "Thread.run").title = "precrunch";
    });
    const values = (key) => page.evaluate((name) => [...document.querySelectorAll(
        `.blockers td[data-key=${name}]`)].map((cell) => Number(cell.dataset.value)), key);
    const waiting = await values("waiting_ns");
    assert.deepEqual(waiting, [...waiting].sort((a, b) => b - a));
    assert.equal(sum(waiting), sum(summary.gils.flatMap((gil) => gil.threads)
        .flatMap((row) => row.blocked_by).filter(({thread}) => thread !== null)
        .map(({ns}) => ns)));
    const [longest] = await values("longest_hold_ns"), [all] = await values("total_hold_ns");
    const [count] = await values("count");
    assert.ok(longest <= all && longest * count >= longest && count > 1);
    const first = page.locator(".blockers tbody tr").first();
    assert.match(await first.textContent(), /^crunch.*flamecalls\.py:3Python.*flamecalls\.py:8$/);
    await page.screenshot({path: join(shots, "blockers.png")});
    await first.locator("button").click();
    await page.settled();
    assert.equal((await page.state()).selection.kind, "call");
    assert.match(await page.locator("#details-body").textContent(), /^Functioncrunch/);
    page.check();
});

test("the summary's own blockers come first", async () => {
    const given = {function: "parse <b>", file: "/app/lib/json.py", line: 12, kind: "gc",
                   waiting_ns: 5_200_000, share: 0.61, count: 7, longest_hold_ns: 2_000_000,
                   total_hold_ns: 9_000_000, caller: "/app/main.py:3", sentence: "It was it."};
    const kept = {...given, function: null, file: null, line: null, caller: null, kind: "native",
                  waiting_ns: 1000, kept_cause: "call", kept_known: true, sentence: "Release it."};
    const html = readFileSync(stacks.html, "utf8");
    const made = join(folder, "given.html");
    const text = JSON.stringify([kept, given]).replaceAll("<", "\\u003c");
    writeFileSync(made, html.replace(/"blockers":\[\],/, "")
        .replace(/(id="summary-data">\{)/, `$1"blockers":${text},`)
        .replace('["whatif",', '["blockers","Blockers"],["whatif",'));
    const page = await open(browser, {html: made, hash: "#tab=blockers"});
    await page.locator(".blockers tbody tr").first().waitFor();
    const cells = await page.locator(".blockers tbody td").allTextContents();
    assert.deepEqual(cells.slice(0, 9), ["parse <b>", "json.py:12", "GC", "5.2 ms", "61.0%",
                             "7", "2.0 ms", "9.0 ms", "main.py:3"]);
    assert.deepEqual(cells.slice(9), ["(no function recorded)", "", "native, does not release",
                                      "1.0 µs", "61.0%", "7", "2.0 ms", "9.0 ms", "",
                                      "Release it."]);
    assert.equal(await page.locator(".blockers tbody tr").first().getAttribute("title"),
                 "It was it.");
    page.check();
});
