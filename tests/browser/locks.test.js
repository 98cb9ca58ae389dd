// SPDX-License-Identifier: MIT
// Locks and stops: the tab, the strips in the rows of threads, and what they say when they are chosen.

import assert from "node:assert/strict";
import {execFileSync} from "node:child_process";
import {readFileSync} from "node:fs";
import {join} from "node:path";
import {after, afterEach, before, test} from "node:test";
import {closePages, launch, open, press, savedTrace} from "./browser.js";
import {binaryDir, contended, folder, makePage, traceProgram} from "./fixtures.js";
import {require} from "./tests.js";

const PROGRAM = `
import threading, time
lock = threading.Lock()
def keep():
    for _ in range(3):
        with lock:
            time.sleep(0.02)
threads = [threading.Thread(target=keep, name="worker-%d" % i) for i in range(3)]
for t in threads: t.start()
for t in threads: t.join()
`;

let browser, small, program;
before(async () => {
    browser = await launch();
    small = await makePage("nolocks", contended({turns: 30}).text());
    program = traceProgram("locks", PROGRAM);
});
afterEach(() => closePages(browser));
after(() => browser?.close());

test("locks are listed with what had them, as the summary has them", async (t) => {
    if (!require(t, program.missing))
        return;
    const {rows} = program.trace().giltracer.locks;
    const page = await open(browser, {html: program.html, hash: "#tab=locks"});
    const panel = page.locator("#panel-locks");
    await panel.locator("tbody tr").first().waitFor();
    const shown = await panel.locator("tbody tr:not(.part) td[data-key=ns]").evaluateAll((cells) =>
        cells.map(({dataset}) => Number(dataset.value)));
    assert.deepEqual(shown, rows.map(({wait_ns: ns}) => ns));
    const first = panel.locator("tbody tr").first();
    assert.match(await first.textContent(), /keep.*lock.*worker-/);
    assert.match(await panel.locator("tr.part").first().textContent(), /had by time\.sleep/);
    await panel.locator("tr.part button").first().click();
    await page.settled();
    assert.equal((await page.state()).selection.kind, "call");
    page.check();
});

/** Choose the longest wait for a lock, as a click on it does; its thread, and who had the lock. */
function chooseWait(page) {
    return page.evaluate(() => {
        const {model, page: {timeline}, view} = window.giltracer;
        const waits = model.threads.flatMap((thread) => thread.blockedSpans
            ? [...thread.blockedSpans.flags].map((flags, id) => ({thread, id, flags})) : []);
        const length = ({thread: {blockedSpans}, id}) => blockedSpans.lengthOf(id);
        const {thread, id} = waits.filter(({flags}) => flags < 4)
            .sort((a, b) => length(b) - length(a))[0];
        const {start, hold} = thread.blockedSpans, end = thread.blockedSpans.endOf(id);
        const row = timeline.rows.find(({lane}) => lane?.thread === thread);
        const strip = row.strips.find(({kind}) => kind === "blocked");
        const at = timeline.pickAt(timeline.xAt((start[id] + end) / 2),
                                   timeline.yOf(row) + row.bar + strip.below + 2);
        view.set({selection: at});
        const had = {start: model.lockHolds.start[hold[id]], end: model.lockHolds.endOf(hold[id])};
        return {thread: thread.index, id, at, had,
                holder: model.lockHolds.member[hold[id]]};
    });
}

test("a wait for a lock is seen in its thread's row, and leads to who had it", async (t) => {
    if (!require(t, program.missing))
        return;
    const page = await open(browser, {html: program.html});
    const {thread, id, at, had, holder} = await chooseWait(page);
    assert.deepEqual([at.kind, at.thread, at.id], ["blocked", thread, id]);
    await page.settled();
    assert.equal(await page.locator("#details-title").textContent(), "Wait for a lock");
    assert.match(await page.locator("#details-body").textContent(),
                 /Locklock, number \d.*keep.*Who held it meanwhile.*time\.sleep in keep/);
    assert.deepEqual(await page.evaluate(() => {
        const {arrow} = window.giltracer.page.timeline;
        return [arrow.from.thread.index, arrow.to.thread.index];
    }), [holder, thread]);
    await press(page, "j");
    const {selection} = await page.state();
    assert.deepEqual([selection.kind, selection.thread, selection.start, selection.end],
                     ["had", holder, had.start, had.end]);
    assert.equal(await page.locator("#details-title").textContent(), "Hold of a lock");
    assert.match(await page.locator("#details-body").textContent(), /Cost others.*Who waited meanwhile/);
    page.check();
});

test("who waits for whom over locks is listed", async (t) => {
    if (!require(t, program.missing))
        return;
    const {locks: {rows: [lock]}, threads} = program.trace().giltracer;
    const page = await open(browser, {html: program.html, hash: "#tab=locks"});
    await page.locator("#panel-locks tbody tr").first().waitFor();
    const shown = await page.locator("#panel-locks tr.part", {hasText: "waited for"}).evaluateAll(
        (list) => list.map((row) => [row.cells[0].textContent,
                                     Number(row.querySelector("[data-key=ns]").dataset.value)]));
    for (const {label, holder, ns} of lock.pairs.slice(0, 6)) {
        const text = `${label} waited for ${threads[holder].label}`;
        assert.ok(shown.some(([name, value]) => name === text && value === ns), text);
    }
    page.check();
});

test("the saved JSON has waits for locks as the trace has them", async (t) => {
    if (!require(t, program.missing))
        return;
    const page = await open(browser, {html: program.html});
    const [download] = await Promise.all([page.waitForEvent("download"), page.click("#save")]);
    const own = ({cat, args, tid}) => ["lock", "stop"].includes(cat) || /locks$/.test(args?.name) ||
        (tid & 2 ** 28 && tid < 2 ** 29);
    const saved = (await savedTrace(download)).traceEvents.filter(own);
    const traced = program.trace().traceEvents.filter(own);
    assert.ok(traced.filter(({cat}) => cat === "lock").length > 1);
    assert.deepEqual(saved, traced);
    page.check();
});

test("without a GIL, stops are told with who asked for them, and saved", async (t) => {
    const html = join(folder, "stopped.html"), json = join(folder, "stopped.json");
    const python = execFileSync("../pythons/free-threaded", ["3.13"], {encoding: "utf8"}).trim();
    execFileSync(join(binaryDir, "giltracer"), ["-q", "--gil-source", "agent", "--python", python,
        "-o", html, "-o", json, "../targets/parallel.py", "collect", "0.2"], {stdio: "pipe"});
    const page = await open(browser, {html});
    const kinds = await page.evaluate(() => {
        const {model, view} = window.giltracer;
        const find = (kind) => model.threads.flatMap((thread) => {
            const id = thread.blockedSpans?.flags.findIndex((flags) => flags >> 2 === kind) ?? -1;
            return id < 0 ? [] : [{kind: "blocked", thread: thread.index, gil: thread.lanes[0].gil?.index
                ?? null, id, start: thread.blockedSpans.start[id], end: thread.blockedSpans.endOf(id)}];
        })[0];
        const [stopped, stops] = [find(1), find(2)];
        view.set({selection: stopped});
        return {stopped, stops};
    });
    await page.settled();
    assert.equal(await page.locator("#details-title").textContent(), "Stopped");
    assert.match(await page.locator("#details-body").textContent(),
                 /Asked by.*Had to stop\d threads?.*What asked for it.*gc\.collect/);
    await press(page, "j");
    const {selection} = await page.state();
    assert.equal(selection.thread, kinds.stops.thread);
    assert.equal(await page.locator("#details-title").textContent(), "Stops all threads");
    assert.ok(await page.locator("#legend .key.stop").isVisible());
    assert.ok(await page.locator('#threads-table td[data-key="stopped_ns"]').first().isVisible());
    const [download] = await Promise.all([page.waitForEvent("download"), page.click("#save")]);
    const own = ({cat}) => cat === "stop";
    const saved = (await savedTrace(download)).traceEvents.filter(own);
    assert.deepEqual(saved, JSON.parse(readFileSync(json, "utf8")).traceEvents.filter(own));
    page.check();
});

test("where nobody waited for a lock there is no such tab", async () => {
    const page = await open(browser, {html: small.html, hash: "#tab=locks"});
    assert.ok(!await page.locator("#tab-locks").isVisible());
    assert.equal(await page.locator("#legend .key.lock").count(), 0);
    assert.equal(await page.locator("#threads-table th", {hasText: "Lock wait"}).count(), 0);
    assert.equal((await page.state()).tab, "threads");
    page.check();
});
