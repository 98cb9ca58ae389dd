// SPDX-License-Identifier: MIT
// A large page, which can be used while it is decoded.

import assert from "node:assert/strict";
import {join} from "node:path";
import {pathToFileURL} from "node:url";
import {after, afterEach, before, test} from "node:test";
import {closePages, launch, open, savedTrace} from "./browser.js";
import {heavyText, makePage, shots} from "./fixtures.js";

const BLOCKS = 7; // 4 series of slices, then 3 blocks of holds

let browser, large;
before(async () => {
    browser = await launch();
    large = await makePage("large", heavyText(240_000));
});
afterEach(() => closePages(browser));
after(() => browser?.close());

/** The page when it has decoded so many blocks; `goOn()` lets it decode the others. */
async function openEarly(hash = "") {
    const context = await browser.newContext({viewport: {width: 1440, height: 900},
                                              acceptDownloads: true});
    await context.setOffline(true);
    const page = await context.newPage(), errors = [];
    page.on("pageerror", (error) => errors.push(error.stack));
    await page.addInitScript((blocks) => {
        const {arrayBuffer} = Response.prototype;
        let decoded = 0;
        const gate = new Promise((resolve) => { window.goOn = resolve; });
        Response.prototype.arrayBuffer = async function held() {
            if (++decoded > blocks)
                await gate;
            return arrayBuffer.call(this);
        };
    }, BLOCKS);
    await page.goto(pathToFileURL(large.html).href + hash);
    await page.waitForFunction(() => window.giltracer?.model.gils[0].holdSpans.count > 0);
    page.goOn = async () => {
        await page.evaluate(() => window.goOn());
        await page.waitForFunction(() => document.getElementById("app").dataset.state === "ready");
        assert.deepEqual(errors, []);
    };
    return page;
}

const picture = (page) => page.evaluate(() =>
    document.getElementById("overview-canvas").toDataURL());

const texts = (page) => page.evaluate(() => ["verdict", "overview", "threads-table"].map((id) =>
    document.getElementById(id).textContent));

test("verdict, overview and table are at once what they are in the end", async () => {
    const page = await openEarly();
    const [early, words] = [await picture(page), await texts(page)];
    const {rows} = await page.evaluate(() => ({rows: window.giltracer.model.gils[0].holdSpans.count}));
    assert.ok(rows > 0 && rows < 120_000, `${rows} rows`);
    await page.screenshot({path: join(shots, "large-early.png")});
    await page.goOn();
    assert.equal(await picture(page), early);
    assert.deepEqual(await texts(page), words);
    assert.equal(await page.evaluate(() => window.giltracer.model.gils[0].holdSpans.count), 120_000);
    assert.ok(!await page.locator("#status").isVisible());
});

test("slices tell the shares of the spans that they were made of", async () => {
    const page = await open(browser, {html: large.html});
    const worst = await page.evaluate(() => {
        const {model, page: {overview}} = window.giltracer, parts = 256; // of whole slices
        const step = model.duration / parts, given = new Float32Array(parts);
        const known = new Float32Array(parts);
        let most = 0;
        const compare = (slices, spans) => {
            slices.coverage(0, step, parts, given);
            spans.coverage(0, step, parts, known);
            given.forEach((share, i) => { most = Math.max(most, Math.abs(share - known[i])); });
        };
        model.gils[0].members.forEach((_, i) =>
            compare(overview.pictures[0].holdTracks[i], model.gils[0].holdTracks[i]));
        compare(overview.curve, model.gils[0].waiting);
        return most;
    });
    assert.ok(worst < 0.011, `${worst}`);
    page.check();
});

test("while decoding, gestures and the search work, and what is known so far is said", async () => {
    const page = await openEarly();
    await page.locator("#lanes").press("w");
    await page.waitForFunction(() => window.giltracer.view.from > 0);
    await page.locator("#search").fill("python3");
    assert.match(await page.locator("#search-count").textContent(), /^[1-9]\d* so far$/);
    await page.goOn();
    assert.match(await page.locator("#search-count").textContent(), /^[1-9]\d*$/);
});

test("a link to a span that is not decoded yet selects it when it is", async () => {
    const whole = await open(browser, {html: large.html});
    const last = await whole.evaluate(() => {
        const {model} = window.giltracer, {holdSpans, members} = model.gils[0];
        const i = holdSpans.count - 1;
        return {tid: model.threads[members[holdSpans.member[i]]].tid, start: holdSpans.start[i]};
    });
    const page = await openEarly(`#thread=${last.tid}&gil=0&at=hold:${last.start}`);
    await page.goOn();
    const selection = await page.evaluate(() => window.giltracer.view.selection);
    assert.deepEqual([selection.kind, selection.start], ["hold", last.start]);
});

test("what is saved while decoding has all; saving can be cancelled", async () => {
    const page = await openEarly();
    const save = page.locator("#save");
    await save.click();
    assert.equal(await save.textContent(), "Cancel");
    await save.click();
    await page.waitForFunction(() => document.getElementById("save").textContent === "Save as JSON");
    const waiting = page.waitForEvent("download");
    await save.click();
    await page.goOn();
    const spans = (trace) => trace.traceEvents.filter(({cat}) => cat === "gil").length;
    assert.equal(spans(await savedTrace(await waiting)), spans(large.trace()));
    assert.equal(await save.textContent(), "Save as JSON");
});
