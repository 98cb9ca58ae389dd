// SPDX-License-Identifier: MIT
// A million events: the size of the file, the first drawing, and frames while moving.

import assert from "node:assert/strict";
import {statSync} from "node:fs";
import {cpus, loadavg} from "node:os";
import {after, afterEach, before, test} from "node:test";
import {closePages, launch, open} from "./browser.js";
import {heavyText, makePage, traceProgram} from "./fixtures.js";
import {require, timing} from "./tests.js";

const EVENTS = Number(process.env.GT_SPEED_EVENTS ?? 1_000_000);
const FIRST_DRAWING_MS = EVENTS > 1_000_000 ? 8000 : 1500;

// Half a million calls within calls, by threads that want the GIL, with their states.
const CALLS = `
import threading
def leaf(): pass
def branch():
    for i in range(99): leaf()
def tree():
    for i in range(1250): branch()
threads = [threading.Thread(target=tree) for _ in range(4)]
for t in threads: t.start()
for t in threads: t.join()
`;

let browser, heavy, calls;
before(async () => {
    browser = await launch();
    heavy = await makePage("heavy", heavyText(EVENTS));
    calls = traceProgram("manycalls", CALLS, "--state-detect");
});
afterEach(() => closePages(browser));
after(() => browser?.close());

test("the file has less than 6 bytes per event", (t) => {
    const {size} = statSync(heavy.html);
    t.diagnostic(`${size} bytes, ${(size / EVENTS).toFixed(2)} per event`);
    assert.ok(size < 6 * EVENTS, `${size} bytes`);
});

timing("the first drawing comes soon", (t) => firstDrawing(t, heavy.html));

timing("the first drawing comes soon with a million function events", async (t) => {
    if (!require(t, calls.missing))
        return;
    assert.ok(calls.trace().giltracer.functions.calls >= 500_000);
    await firstDrawing(t, calls.html);
});

async function firstDrawing(t, html) {
    const times = [];
    for (let i = 0; i < 3; i++) { // the machine may be busy: the best counts
        const page = await open(browser, {html});
        times.push(await page.evaluate(() =>
            performance.getEntriesByName("giltracer-drawn")[0].startTime));
        page.check();
        await page.context().close();
    }
    t.diagnostic(`first drawing after ${times.map(Math.round).join(", ")} ms`);
    // Where others want the CPUs, a share of the time is theirs.
    const busy = Math.max(1, loadavg()[0] / cpus().length);
    assert.ok(Math.min(...times) < FIRST_DRAWING_MS * busy, `${times} ms`);
}

timing("zoom and pan keep up", (t) => moving(t, heavy.html));

timing("zoom and pan keep up with a million function events", (t) =>
    require(t, calls.missing) && moving(t, calls.html));

async function moving(t, html) {
    const page = await open(browser, {html});
    await page.evaluate(() => {
        const {page} = window.giltracer, {draw} = page;
        window.frames_ms = [];
        page.draw = () => {
            const since = performance.now();
            draw.call(page);
            window.frames_ms.push(performance.now() - since);
        };
    });
    const round = () => page.evaluate(async () => {
        const {view} = window.giltracer;
        const gaps = [];
        let last = await new Promise(requestAnimationFrame);
        for (let i = 0; i < 120; i++) {
            if (i < 50)
                view.zoom(0.87, view.duration * 0.37);
            else if (i < 80)
                view.pan(view.width * 0.05);
            else
                view.zoom(1.2);
            const now = await new Promise(requestAnimationFrame);
            gaps.push(now - last);
            last = now;
        }
        return gaps.sort((a, b) => a - b)[Math.floor(gaps.length * 0.95)];
    });
    const times = [await round(), await round(), await round()];
    t.diagnostic(`95th percentile of frames: ${times.map((ms) => ms.toFixed(1)).join(", ")} ms`);
    const drawing = await page.evaluate(() => {
        const frames = window.frames_ms.sort((a, b) => a - b);
        return frames[Math.floor(frames.length * 0.95)];
    });
    t.diagnostic(`95th percentile of drawing: ${drawing.toFixed(1)} ms`);
    assert.ok(drawing < 33, `${drawing} ms`);
    // Where many others want the CPUs, the time between frames is theirs, not the page's.
    if (loadavg()[0] < 2 * cpus().length)
        assert.ok(Math.min(...times) < 33, `${times} ms`);
    page.check();
}
