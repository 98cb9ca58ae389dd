// SPDX-License-Identifier: MIT
// What keys, gestures, links and buttons do.

import assert from "node:assert/strict";
import {join} from "node:path";
import {after, afterEach, before, test} from "node:test";
import {closePages, launch, open, press} from "./browser.js";
import {contended, makePage, Recording, shots, twoProcesses} from "./fixtures.js";

let browser, small, wide, several;

before(async () => {
    browser = await launch();
    small = await makePage("small", contended({turns: 80, names: ["io-loop", null, "数据"]}).text());
    wide = await makePage("wide", contended({threads: 200, turns: 900, seed: 3}).text());
    several = await makePage("several", twoProcesses());
});
afterEach(() => closePages(browser));
after(() => browser?.close());

test("keys act on the view", async () => {
    const page = await open(browser, {html: small.html});
    const {to: whole} = await page.state();
    await press(page, "w", "w");
    const zoomed = await page.state();
    assert.ok(zoomed.to - zoomed.from < whole * 0.65);
    await press(page, "d");
    const right = await page.state();
    assert.ok(right.from > zoomed.from);
    await press(page, "ArrowLeft");
    assert.ok(Math.abs((await page.state()).from - zoomed.from) < 1);
    await press(page, "a", "ArrowRight", "s");
    const out = await page.state();
    assert.ok(out.to - out.from > zoomed.to - zoomed.from);
    await press(page, "0");
    assert.deepEqual(await page.state().then(({from, to}) => [from, to]), [0, whole]);

    await press(page, "ArrowDown", "ArrowDown");
    const second = (await page.state()).selection;
    assert.equal(second.kind, "thread");
    await press(page, "]");
    const wait = (await page.state()).selection;
    assert.equal(wait.kind, "wait");
    assert.equal(wait.thread, second.thread);
    await press(page, "]");
    assert.ok((await page.state()).selection.start > wait.start);
    await press(page, "[");
    assert.deepEqual((await page.state()).selection, wait);
    await press(page, "f");
    const fitted = await page.state();
    assert.ok(fitted.from <= wait.start && fitted.to >= wait.end);
    assert.ok(fitted.to - fitted.from < 3 * (wait.end - wait.start) + 1000);
    await press(page, "j");
    const hold = (await page.state()).selection;
    assert.equal(hold.kind, "hold");
    assert.ok(hold.end > wait.start && hold.start < wait.end && hold.thread !== wait.thread);
    await press(page, "}");
    assert.ok((await page.state()).selection.start > hold.start);
    await press(page, "{");
    assert.deepEqual((await page.state()).selection, hold);
    await press(page, "ArrowUp");
    assert.equal((await page.state()).selection.kind, "thread");
    await press(page, "Escape");
    assert.equal((await page.state()).selection, null);

    await press(page, "?");
    assert.ok(await page.locator("#help").isVisible());
    await page.screenshot({path: join(shots, "help.png")});
    await press(page, "Escape");
    assert.ok(!await page.locator("#help").isVisible());
    page.check();
});

test("search finds threads, next and previous go through them", async () => {
    const page = await open(browser, {html: several.html});
    await press(page, "/");
    await page.keyboard.type("thread");
    await press(page, "Enter");
    const names = async () => page.evaluate(() =>
        window.giltracer.model.threads[window.giltracer.view.selection.thread].name);
    const first = await names();
    assert.match(first, /thread/);
    await press(page, "Enter");
    assert.notEqual(await names(), "");
    await press(page, "Shift+Enter");
    assert.equal(await names(), first);
    await page.keyboard.press("Control+a");
    await page.keyboard.type("writer");
    await press(page, "Enter");
    assert.equal(await names(), "writer");
    assert.equal(await page.locator("#search-count").textContent(), "1 of 1");
    await page.locator("#lanes").focus();
    await press(page, "n", "N");
    assert.equal(await names(), "writer");
    page.check();
});

test("wheel, pinch, drag, click and double click act on the view", async () => {
    const page = await open(browser, {html: small.html});
    const box = await page.locator("#spans").boundingBox();
    const x = box.x + box.width * 0.25, y = box.y + 200;
    const timeAt = (px) => page.evaluate((at) => window.giltracer.page.timeline.timeAt(at), px);
    await page.mouse.move(x, y);
    const before = await timeAt(box.width * 0.25);
    await page.mouse.wheel(0, -600);
    await page.settled();
    const zoomed = await page.state();
    assert.ok(zoomed.from > 0);
    assert.ok(Math.abs(await timeAt(box.width * 0.25) - before) < (zoomed.to - zoomed.from) * 0.01);

    await page.keyboard.down("Control"); // a pinch of a touch pad comes as this
    await page.mouse.wheel(0, -20);
    await page.keyboard.up("Control");
    await page.settled();
    const pinched = await page.state();
    assert.ok(pinched.to - pinched.from < zoomed.to - zoomed.from);

    await page.keyboard.down("Shift");
    await page.mouse.wheel(0, 100);
    await page.keyboard.up("Shift");
    await page.settled();
    const panned = await page.state();
    assert.ok(panned.from > pinched.from);

    await page.mouse.down();
    await page.mouse.move(x + 120, y, {steps: 4});
    await page.mouse.up();
    await page.settled();
    const dragged = await page.state();
    const moved = (panned.from - dragged.from) / (panned.to - panned.from) * box.width;
    assert.ok(Math.abs(moved - 120) < 3, `${moved} pixels`);
    assert.equal(dragged.selection, null);

    await page.evaluate(() => window.giltracer.view.fitAll());
    await page.keyboard.down("Shift");
    await page.mouse.move(box.x + 300, y);
    await page.mouse.down();
    await page.mouse.move(box.x + 500, y, {steps: 4});
    await page.mouse.up();
    await page.keyboard.up("Shift");
    await page.settled();
    const {range, to: whole} = await page.state();
    assert.ok(Math.abs(range.from / whole * box.width - 300) < 3);
    assert.ok(Math.abs(range.to / whole * box.width - 500) < 3);
    page.check();
});

test("a click selects what is there, and the panel explains it", async () => {
    const page = await open(browser, {html: small.html});
    const {giltracer: summary} = small.trace();
    // The longest wait of all, in view and in the middle.
    const at = await page.evaluate(() => {
        const {page, view, model} = window.giltracer;
        const {waitSpans, members} = model.gils[0];
        let best = 0;
        for (let i = 0; i < waitSpans.count; i++)
            if (waitSpans.lengthOf(i) > waitSpans.lengthOf(best))
                best = i;
        view.showAround(waitSpans.start[best], waitSpans.endOf(best), 0.5);
        const row = page.timeline.rowOf(members[waitSpans.member[best]], 0);
        return {y: row.top + row.height / 2, start: waitSpans.start[best], end: waitSpans.endOf(best)};
    });
    await page.settled();
    const box = await page.locator("#spans").boundingBox();
    await page.mouse.move(box.x + box.width / 2 + 40, box.y + at.y);
    await page.settled();
    assert.match(await page.locator("#tip").textContent(), /waits for .*mostly for/);
    await page.mouse.click(box.x + box.width / 2, box.y + at.y);
    await page.settled();
    const {selection} = await page.state();
    assert.deepEqual([selection.kind, selection.start, selection.end], ["wait", at.start, at.end]);
    const longest = Math.max(...summary.gils[0].threads.map((row) => row.longest_wait_ns));
    assert.equal(at.end - at.start, longest);
    assert.equal(await page.locator("#details-title").textContent(), "Wait for the GIL");
    assert.ok(await page.locator("#details .ranking li").count() > 0);
    await page.screenshot({path: join(shots, "wait.png")});
    await page.locator("#jump").click();
    await page.settled();
    assert.equal((await page.state()).selection.kind, "hold");
    assert.match(await page.locator("#details-body").textContent(),
                 /How it ended.*(waiting|nobody)/s);
    await page.screenshot({path: join(shots, "hold.png")});
    await page.evaluate(() => window.giltracer.view.fitAll());
    await page.mouse.dblclick(box.x + box.width * 0.6, box.y + at.y);
    await page.settled();
    const after = await page.state();
    assert.ok(after.to - after.from < at.end * 2);
    page.check();
});

test("a range recomputes the table; Escape and the button drop it", async () => {
    const page = await open(browser, {html: small.html});
    const box = await page.locator("#ruler").boundingBox();
    await page.mouse.move(box.x + 200, box.y + 10);
    await page.mouse.down();
    await page.mouse.move(box.x + 420, box.y + 10, {steps: 3});
    await page.mouse.up();
    await page.settled();
    const {range} = await page.state();
    await page.waitForFunction(() =>
        document.getElementById("table-scope").textContent.startsWith("Selected range"));
    const lives = await page.evaluate(() => [...document.querySelectorAll(
        "#threads-table td[data-key=lifetime_ns]")].map((cell) => Number(cell.dataset.value)));
    assert.ok(lives.length > 0);
    for (const life of lives)
        assert.ok(life <= range.to - range.from + 1e-6);
    await page.screenshot({path: join(shots, "range.png")});
    await press(page, "f");
    const fitted = await page.state();
    assert.ok(fitted.from <= range.from && fitted.to >= range.to &&
              fitted.to - fitted.from < (range.to - range.from) * 1.2);
    await page.locator("#drop-range").click();
    await page.settled();
    assert.equal((await page.state()).range, null);
    await page.waitForFunction(() =>
        document.getElementById("table-scope").textContent === "Whole run");
    page.check();
});

test("the overview's window can be drawn, moved, resized", async () => {
    const page = await open(browser, {html: small.html});
    const box = await page.locator("#overview-area").boundingBox();
    const {to: whole} = await page.state();
    const at = (share) => box.x + box.width * share;
    const drag = async (from, to) => {
        await page.mouse.move(at(from), box.y + 20);
        await page.mouse.down();
        await page.mouse.move(at(to), box.y + 20, {steps: 4});
        await page.mouse.up();
        await page.settled();
        const {from: start, to: end} = await page.state();
        return [start / whole, end / whole];
    };
    const near = (actual, expected) => actual.forEach((value, i) =>
        assert.ok(Math.abs(value - expected[i]) < 0.01, `${actual} is not ${expected}`));
    near(await drag(0.3, 0.5), [0.3, 0.5]);
    near(await drag(0.4, 0.6), [0.5, 0.7]);
    near(await drag(0.7, 0.9), [0.5, 0.9]);
    await page.mouse.dblclick(at(0.1), box.y + 20);
    await page.settled();
    near([(await page.state()).from / whole, (await page.state()).to / whole], [0, 1]);
    page.check();
});

test("links restore the view, and follow it", async () => {
    const page = await open(browser, {html: small.html});
    await press(page, "w", "ArrowDown", "]", "d");
    await page.locator("#tab-waits").click();
    await page.waitForFunction(() => location.hash.includes("tab=waits"));
    const hash = await page.evaluate(() => location.hash);
    const state = await page.state();
    const again = await open(browser, {html: small.html, hash});
    const restored = await again.state();
    assert.ok(Math.abs(restored.from - state.from) <= 1 && Math.abs(restored.to - state.to) <= 1);
    assert.deepEqual(restored.selection, state.selection);
    assert.equal(restored.tab, "waits");
    await again.evaluate(() => { location.hash = "#t=1000-2000&tab=holds"; });
    await again.waitForFunction(() => window.giltracer.view.tab === "holds");
    assert.deepEqual(await again.state().then(({from, to}) => [from, to]), [1000, 2000]);
    await again.locator("#order").selectOption("wait");
    await again.locator("#filter").fill("io & loop");
    await again.waitForFunction(() => location.hash.includes("filter=io"));
    const third = await open(browser, {html: small.html,
                                       hash: await again.evaluate(() => location.hash)});
    assert.deepEqual(await third.state().then(({order, filter}) => [order, filter]),
                     ["wait", "io & loop"]);
    assert.equal(await third.locator("#filter").inputValue(), "io & loop");
    const odd = await open(browser, {html: small.html, hash: "#t=%00-x&thread=999999999&tab=<b>"});
    assert.equal((await odd.state()).selection, null);
    for (const each of [page, again, odd])
        each.check();
});

test("the sentence on the worst stretch leads there", async () => {
    const recording = new Recording(); // two idle seconds, then all want the GIL
    recording.acquire(100);
    recording.release(100);
    recording.time += 2e9;
    const made = await makePage("worst", contended({threads: 4, turns: 200, recording}).text());
    const [{stretch, sentence}] = made.trace().giltracer.worst;
    const page = await open(browser, {html: made.html});
    const link = page.locator("#findings a");
    assert.equal(await link.textContent(), sentence);
    await link.click();
    await page.waitForFunction(() => window.giltracer.view.range);
    const {from, to, range} = await page.state();
    assert.deepEqual([range.from, range.to], [stretch.start_ns, stretch.end_ns]);
    assert.ok(Math.abs(from - range.from) <= 1 && Math.abs(to - range.to) <= 1);
    await page.waitForFunction(() =>
        document.getElementById("table-scope").textContent.startsWith("Selected range"));
    const waited = await page.locator("#threads-table td[data-key=wait_ns]").evaluateAll((cells) =>
        cells.reduce((sum, cell) => sum + Number(cell.dataset.value), 0));
    assert.equal(waited, stretch.wait_ns);
    await page.screenshot({path: join(shots, "worst.png")});
    page.check();
});

test("each tab has its content, and a click there goes to the span", async () => {
    const page = await open(browser, {html: several.html});
    const {giltracer: summary} = several.trace();
    await page.locator("#tab-matrix").click();
    await page.locator("#panel-matrix table").first().waitFor();
    const cells = await page.evaluate(() => [...document.querySelectorAll(
        "#panel-matrix td[data-value]")].reduce((sum, cell) => sum + Number(cell.dataset.value), 0));
    const blamed = summary.gils.flatMap((gil) => gil.threads).flatMap((row) => row.blocked_by)
        .filter((each) => each.tid !== null).reduce((sum, each) => sum + each.ns, 0);
    assert.equal(cells, blamed);
    await page.screenshot({path: join(shots, "matrix.png")});

    for (const [tab, key] of [["waits", "longest_wait_ns"], ["holds", "longest_hold_ns"]]) {
        await page.locator(`#tab-${tab}`).click();
        await page.locator(`#panel-${tab} tbody tr`).first().waitFor();
        const longest = Math.max(...summary.gils.flatMap((gil) => gil.threads).map((row) => row[key]));
        const row = page.locator(`#panel-${tab} tbody tr`).first();
        assert.equal(Number(await row.locator("td[data-value]").getAttribute("data-value")), longest);
        await row.click();
        await page.settled();
        const {selection} = await page.state();
        assert.equal(selection.kind, tab.slice(0, -1));
        assert.equal(selection.end - selection.start, longest);
    }
    await page.screenshot({path: join(shots, "holds.png")});
    page.check();
});

test("the table sorts, is used by keyboard, and leads to the thread", async () => {
    const page = await open(browser, {html: wide.html});
    for (const kind of await page.locator("#threads-table tr[data-kind] button").all())
        await kind.click();
    await page.locator("#threads-table th:nth-child(5) button").press("Enter");
    const values = await page.evaluate(() => [...document.querySelectorAll("#threads-table tr")]
        .filter((row) => row.dataset.thread).map((row) => {
            const value = (key) => Number(row.querySelector(`[data-key=${key}]`).dataset.value);
            return value("wait_ns") / value("lifetime_ns");
        }));
    assert.deepEqual(values, [...values].sort((a, b) => b - a));
    const header = page.locator("#threads-table th:nth-child(5)");
    assert.equal(await header.getAttribute("aria-sort"), "descending");
    await page.keyboard.press("Enter");
    assert.equal(await header.getAttribute("aria-sort"), "ascending");
    const last = page.locator("#threads-table tbody tr").last();
    await last.locator("button").focus();
    await page.keyboard.press("Enter");
    await page.settled();
    const {selection} = await page.state();
    assert.equal(selection.thread, Number(await last.getAttribute("data-thread")));
    const seen = await page.evaluate(() => {
        const {timeline} = window.giltracer.page;
        const {selection} = window.giltracer.view;
        const row = timeline.rowOf(selection.thread, selection.gil);
        const {scrollTop, clientHeight} = timeline.scroller;
        return row.top >= scrollTop && row.top + row.height <= scrollTop + clientHeight;
    });
    assert.ok(seen, "the thread's lane is not in sight");
    page.check();
});

test("processes collapse, threads are filtered and reordered", async () => {
    const page = await open(browser, {html: several.html});
    const rows = () => page.evaluate(() => window.giltracer.page.timeline.rows.map((row) =>
        row.kind === "thread" ? row.lane.thread.name : row.kind));
    assert.equal((await rows()).filter((each) => each === "process").length, 2);
    const all = (await rows()).length;
    await page.locator(".row.process").first().click();
    await page.settled();
    assert.ok((await rows()).length < all);
    assert.equal(await page.locator(".row.process").first().getAttribute("aria-expanded"), "false");
    await page.locator(".row.process").first().click();
    await page.locator("#order").selectOption("wait");
    await page.settled();
    const waits = await page.evaluate(() => window.giltracer.page.timeline.rows
        .filter((row) => row.kind === "thread" && row.process.index === 0)
        .map((row) => row.lane.wait_ns));
    assert.deepEqual(waits, [...waits].sort((a, b) => b - a));
    await page.locator("#filter").fill("writ");
    await page.settled();
    assert.deepEqual((await rows()).filter((each) => !["process", "gil"].includes(each)), ["writer"]);
    await page.locator("#filter").fill("nothing like it");
    await page.settled();
    assert.equal(await page.locator("#no-rows").textContent(), "No thread matches the filter.");
    page.check();
});

test("helpers without a GIL stay out of sight until asked for", async () => {
    const record = contended({turns: 10, seed: 2});
    record.fork(777, "ldconfig", 777);
    record.time += 50_000;
    record.exit(777, 777);
    const made = await makePage("helpers", record.text());
    const page = await open(browser, {html: made.html});
    const pids = () => page.evaluate(() => window.giltracer.page.timeline.rows
        .filter((row) => row.kind === "process").map((row) => row.process.pid));
    assert.deepEqual(await pids(), [100]);
    await page.locator(".row.process").last().click();
    await page.settled();
    assert.deepEqual(await pids(), [100, 777]);
    await page.locator(".row.process").last().click();
    await page.settled();
    assert.deepEqual(await pids(), [100]);
    await press(page, "/");
    await page.keyboard.type("777");
    await press(page, "Enter");
    await page.settled();
    assert.deepEqual(await pids(), [100, 777]);
    page.check();
});

test("two fingers zoom", async () => {
    const page = await open(browser, {html: small.html});
    const box = await page.locator("#spans").boundingBox();
    const session = await page.context().newCDPSession(page);
    const touch = (type, ...xs) => session.send("Input.dispatchTouchEvent", {
        type, touchPoints: xs.map((x, id) => ({x: box.x + x, y: box.y + 100, id})),
    });
    const before = await page.state();
    await touch("touchStart", 400, 500);
    for (const step of [10, 30, 60, 100])
        await touch("touchMove", 400 - step, 500 + step);
    await touch("touchEnd");
    await page.settled();
    const after = await page.state();
    const factor = (before.to - before.from) / (after.to - after.from);
    assert.ok(Math.abs(factor - 3) < 0.2, `zoomed by ${factor}`);
    page.check();
});

test("Perfetto is asked only by a click", async () => {
    const page = await open(browser, {html: small.html});
    const popup = page.waitForEvent("popup");
    await page.locator("#perfetto").click();
    const asked = await (await popup).waitForEvent("requestfailed", {timeout: 2000})
        .catch(() => null);
    assert.ok(asked === null || asked.url().startsWith("https://ui.perfetto.dev"));
    page.check();
});
