// A million events: the size of the file, the first drawing, and frames while moving.

import assert from "node:assert/strict";
import {statSync} from "node:fs";
import {cpus, loadavg} from "node:os";
import {after, afterEach, before, test} from "node:test";
import {closePages, launch, open} from "./browser.js";
import {heavyText, makePage} from "./fixtures.js";

const EVENTS = Number(process.env.GT_SPEED_EVENTS ?? 1_000_000);
const FIRST_DRAWING_MS = EVENTS > 1_000_000 ? 8000 : 1500;

let browser, heavy;
before(async () => {
    browser = await launch();
    heavy = await makePage("heavy", heavyText(EVENTS));
});
afterEach(() => closePages(browser));
after(() => browser?.close());

test("the file has less than 6 bytes per event", (t) => {
    const {size} = statSync(heavy.html);
    t.diagnostic(`${size} bytes, ${(size / EVENTS).toFixed(2)} per event`);
    assert.ok(size < 6 * EVENTS, `${size} bytes`);
});

test("the first drawing comes soon", async (t) => {
    const times = [];
    for (let i = 0; i < 3; i++) { // the machine may be busy: the best counts
        const page = await open(browser, {html: heavy.html});
        times.push(await page.evaluate(() =>
            performance.getEntriesByName("giltracer-drawn")[0].startTime));
        page.check();
        await page.context().close();
    }
    t.diagnostic(`first drawing after ${times.map(Math.round).join(", ")} ms`);
    assert.ok(Math.min(...times) < FIRST_DRAWING_MS, `${times} ms`);
});

test("zoom and pan keep up", async (t) => {
    const page = await open(browser, {html: heavy.html});
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
        const {frames} = window.giltracer.page;
        return frames.sort((a, b) => a - b)[Math.floor(frames.length * 0.95)];
    });
    t.diagnostic(`95th percentile of drawing: ${drawing.toFixed(1)} ms`);
    assert.ok(drawing < 33, `${drawing} ms`);
    // Where many others want the CPUs, the time between frames is theirs, not the page's.
    if (loadavg()[0] < 2 * cpus().length)
        assert.ok(Math.min(...times) < 33, `${times} ms`);
    page.check();
});
