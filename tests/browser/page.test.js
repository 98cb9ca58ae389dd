// The page in a real browser, from file://, with the network cut.

import assert from "node:assert/strict";
import {mkdirSync, readFileSync, writeFileSync} from "node:fs";
import {join} from "node:path";
import {after, afterEach, before, test} from "node:test";
import {closePages, launch, open} from "./browser.js";
import {Recording, contended, folder, makePage, traceProgram} from "./fixtures.js";
import {require} from "./tests.js";

// Screenshots for people: GT_SCREENSHOTS names a folder to keep them in.
const shots = process.env.GT_SCREENSHOTS ?? join(folder, "screenshots");
mkdirSync(shots, {recursive: true});

const HOSTILE = ["</script>", "<img src=x>", "\"><svg/onload=", "🦊🔥", "שלום\u202eabc", "a\tb\u0001c",
                 "&lt;b&gt;", "'`${1}"];

let browser, small, lost, wide, hostile, several, states;

/** Two threads that share a CPU, with scheduling events. */
function scheduled() {
    const record = new Recording();
    record.fork(101);
    const change = (from, state, to) => record.line(from, `sched:sched_switch: prev_comm=python3 ` +
        `prev_pid=${from} prev_prio=120 prev_state=${state} ==> next_comm=python3 ` +
        `next_pid=${to} next_prio=120`);
    for (let i = 0; i < 20; i++) {
        record.acquire(100);
        record.time += 900_000;
        record.release(100);
        record.time += 100_000;
        change(100, ["S", "R", "D"][i % 3], 101);
        record.time += 50_000;
        record.acquire(101);
        record.time += 700_000;
        record.release(101);
        record.time += 20_000;
        if (i % 3 !== 1)
            record.line(101, "sched:sched_wakeup: comm=python3 pid=100 prio=120 target_cpu=000");
        record.time += 30_000;
        record.line(101, `${i + 1} page-faults: `);
        if (i % 4 === 0)
            record.line(100, "7 cycles:u: ");
        change(101, "R", 100);
        record.time += 10_000;
    }
    return record.text();
}

function lossy() {
    const record = new Recording();
    const half = contended({recording: record, turns: 20, seed: 4});
    const cut = half.lines.length;
    const exits = half.lines.splice(cut - 4);
    record.lost(77);
    record.time += 5_000_000;
    half.lines.push(...exits.slice(0, 0));
    record.acquire(101);
    record.time += 3_000_000;
    record.release(101);
    return record;
}

function twoProcesses() {
    const record = contended({turns: 30, seed: 8, names: ["reader", "writer", "worker"]});
    const other = contended({recording: new Recording(5000, "helper"), turns: 10, seed: 9});
    return record.text() + other.text();
}

before(async () => {
    browser = await launch();
    small = await makePage("small", contended({turns: 80, names: ["io-loop", null, "数据"]}).text());
    lost = await makePage("lost", lossy().text());
    wide = await makePage("wide", contended({threads: 200, turns: 900, seed: 3}).text());
    hostile = await makePage("hostile", contended({threads: HOSTILE.length, names: HOSTILE,
                                                   turns: 60, seed: 5}).text());
    several = await makePage("several", twoProcesses());
    states = await makePage("states", scheduled(), "all");
});
afterEach(() => closePages(browser));
after(() => browser?.close());

const press = async (page, ...keys) => {
    for (const key of keys)
        await page.keyboard.press(key);
    await page.settled();
};

test("each page opens without complaint, request or script of its data", async () => {
    for (const [name, made] of Object.entries({small, lost, wide, hostile, several,
                                                    states})) {
        const page = await open(browser, {html: made.html});
        assert.equal(await page.evaluate(() => document.getElementById("app").dataset.state),
                     "ready");
        for (const colorScheme of ["light", "dark"]) {
            await page.emulateMedia({colorScheme});
            await page.settled();
            const dark = colorScheme === "dark";
            assert.equal(await page.evaluate(() => window.giltracer.page.timeline.theme.dark), dark);
            await page.screenshot({path: join(shots, `${name}${dark ? "-dark" : ""}.png`)});
        }
        page.check();
        await page.context().close();
    }
});

test("what a page holds besides its data is small", () => {
    const html = readFileSync(small.html, "utf8");
    const own = html.replace(/<script (?:type="application\/|id=)[^>]*>[^<]*<\/script>\n/g, "");
    assert.ok(own.length < html.length && own.includes('<script type="module">'));
    const bytes = Buffer.byteLength(own);
    assert.ok(bytes < 200_000, `${bytes} bytes`);
});

test("what is not recorded has no key in the legend, and no claim about it", async () => {
    const shown = (page) => page.locator("#legend .key").evaluateAll((keys) => keys
        .filter((key) => key.checkVisibility()).map((key) => key.className.slice(4)));
    const gil = ["hold", "wait", "free"], sched = ["running", "runnable", "blocked", "asleep"];
    const alone = await makePage("legend", scheduled(), "sched");
    for (const [made, keys] of [[small, gil], [lost, [...gil, "lost"]], [states, [...gil, ...sched]],
                                [alone, sched]]) {
        const page = await open(browser, {html: made.html});
        assert.deepEqual(await shown(page), keys);
    }
    const html = join(folder, "futex.html"); // holds that nobody waited for are not known
    writeFileSync(html, readFileSync(small.html, "utf8").replace(/"source":"cond"/, '"source":"futex"'));
    const page = await open(browser, {html});
    assert.match(await page.locator("#overview .label").textContent(), /holds that were waited for \d/);
    assert.doesNotMatch(await page.locator("#overview .label").textContent(), /held/);
    assert.equal(await page.locator("#neither").textContent(), "not waiting");
    await page.evaluate(() => {
        const {view, page: {timeline}} = window.giltracer;
        const {lane} = timeline.rows.find((row) => row.kind === "thread");
        view.set({selection: {kind: "free", thread: lane.thread.index, gil: 0, member: lane.member,
                              start: lane.start, end: lane.start + 1000}});
    });
    await page.settled();
    assert.match(await page.locator("#details-body").textContent(), /nobody waited while it held it/);
    await page.evaluate(() => window.giltracer.view.set({range: {from: 0, to: 1e7}}));
    await page.waitForFunction(() => /^Selected/.test(document.getElementById("table-scope").textContent));
    assert.equal(await page.locator("#threads-table [data-key=hold_ns]").count(), 0);
    page.check();
});

test("a recording without threads says that there are none", async () => {
    const record = new Recording();
    record.line(100, "PERF_RECORD_NAMESPACES 100/100 - nr_namespaces: 0");
    const page = await open(browser, {html: (await makePage("nothing", record.text())).html});
    assert.equal(await page.locator("#no-rows").textContent(), "No thread was recorded.");
    assert.ok(await page.locator("#no-threads").isVisible());
    for (const tab of await page.locator("[role=tab]:visible").all()) {
        await tab.click();
        const panel = page.locator(`#${await tab.getAttribute("aria-controls")}`);
        await panel.locator(".hint:visible").first().waitFor();
    }
    page.check();
});

test("the table of threads fits, and lists tell times in one unit", async () => {
    const page = await open(browser, {html: several.html, hash: "#tab=threads", width: 1400});
    const [inner, outer] = await page.locator("#panel-threads").evaluate((panel) =>
        [panel.scrollWidth, panel.clientWidth]);
    assert.ok(inner <= outer, `${inner} of ${outer} pixels`);
    const slow = new Recording(); // waits at 0.1 s and at 3 s
    slow.fork(101);
    for (let i = 0; i < 2; i++) {
        slow.acquire(100);
        slow.time += 1e8;
        slow.wait(101);
        slow.time += 5e6;
        slow.release(100);
        slow.acquire(101);
        slow.time += 3e9;
        slow.release(101);
    }
    const long = await open(browser, {html: (await makePage("slow", slow.text())).html,
                                      hash: "#tab=waits"});
    await long.locator("#panel-waits tbody tr").nth(1).waitFor();
    assert.deepEqual((await long.locator("#panel-waits td:nth-child(3)").allTextContents()).sort(),
                     ["0.10000 s", "3.20500 s"]);
    long.check();
});

test("the verdict and the table are the summary, and measuring gives it again", async () => {
    for (const made of [small, lost, wide, hostile, several, states]) {
        const {giltracer: summary} = made.trace();
        const page = await open(browser, {html: made.html});
        const shown = await page.evaluate(() => ({
            headline: document.getElementById("headline").textContent,
            findings: [...document.querySelectorAll("#findings li")].map((e) => e.textContent),
            summary: window.giltracer.summary,
            rows: [...document.querySelectorAll("#threads-table tr[data-thread]")].map((row) => ({
                gil: Number(row.dataset.gil), thread: Number(row.dataset.thread),
                cells: Object.fromEntries([...row.querySelectorAll("td[data-key]")].map((cell) =>
                    [cell.dataset.key, {value: cell.dataset.value, text: cell.textContent}])),
            })),
        }));
        assert.deepEqual(shown.summary, summary);
        assert.deepEqual([shown.headline, ...shown.findings], summary.findings);
        const expected = summary.gils.flatMap((gil) =>
            gil.threads.map((row) => ({gil: gil.index, ...row})));
        assert.equal(shown.rows.length, expected.length);
        shown.rows.forEach(({gil, thread, cells}, i) => {
            const row = expected[i];
            assert.deepEqual([gil, thread], [row.gil, row.thread]);
            for (const key of ["lifetime_ns", "free_ns", "hold_ns", "wait_ns", "longest_wait_ns",
                               "longest_hold_ns", "holds", "waits"])
                assert.equal(Number(cells[key].value), row[key], key);
            for (const key of ["free_ns", "hold_ns", "wait_ns"])
                assert.equal(cells[key].text, (100 * row[key] /
                    (row.lifetime_ns - row.unknown_ns)).toFixed(1));
            const first = row.blocked_by[0];
            assert.ok(first ? cells.blocked_by.text.includes(`${(100 * first.share).toFixed(0)}%`)
                : cells.blocked_by.text === "–");
        });
        const blocks = await page.evaluate(async () => {
            const {page, view} = window.giltracer;
            const range = {from: 0, to: view.duration};
            page.table.blocks = page.table.measured(range);
            await page.table.blame(range);
            return page.table.blocks.map(({rows}) => rows);
        });
        assert.equal(blocks.length, summary.gils.length);
        summary.gils.forEach((gil, i) => gil.threads.forEach((row, j) => {
            const measured = blocks[i][j];
            for (const key of ["tid", "lifetime_ns", "hold_ns", "wait_ns", "holds", "waits",
                               "longest_wait_ns", "longest_hold_ns", "unknown_ns", "free_ns"])
                assert.equal(measured[key], row[key], `${key} of ${row.tid}`);
            assert.deepEqual(new Map((measured.blocked_by ?? []).map((each) => [each.thread, each.ns])),
                             new Map(row.blocked_by.map((each) => [each.thread, each.ns])));
        }));
        await page.context().close();
    }
});

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
            if (waitSpans.end[i] - waitSpans.start[i] > waitSpans.end[best] - waitSpans.start[best])
                best = i;
        view.showAround(waitSpans.start[best], waitSpans.end[best], 0.5);
        const row = page.timeline.rowOf(members[waitSpans.member[best]], 0);
        return {y: row.top + row.height / 2, start: waitSpans.start[best], end: waitSpans.end[best]};
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

test("hostile names are text, everywhere", async () => {
    const page = await open(browser, {html: hostile.html});
    for (const tab of ["matrix", "waits", "holds", "threads"]) {
        await page.locator(`#tab-${tab}`).click();
        await page.settled();
    }
    for (const key of ["ArrowDown", "ArrowDown", "ArrowDown", "]", "j"])
        await press(page, key);
    const found = await page.evaluate(() => ({
        elements: document.querySelectorAll("img, svg, b[onload], #names script").length,
        text: document.body.textContent,
    }));
    assert.equal(found.elements, 0);
    for (const name of ["</script>", "<img src=x>", "\"><svg/onload=", "🦊🔥", "&lt;b&gt;"])
        assert.ok(found.text.includes(name), name);
    assert.ok(!readFileSync(hostile.html, "latin1").includes("<img src=x>"));
    page.check();
});

test("states of threads are drawn, explained, linked and saved", async () => {
    const page = await open(browser, {html: states.html});
    const {giltracer: summary, traceEvents} = states.trace();
    const sums = await page.evaluate(() => window.giltracer.model.threads.map((thread) => {
        const sums = {};
        const spans = thread.stateSpans;
        for (let i = 0; spans && i < spans.count; i++) {
            const name = window.giltracer.model.stateNames[spans.flags[i]];
            sums[name] ??= {ns: 0, count: 0};
            sums[name].ns += spans.end[i] - spans.start[i];
            sums[name].count++;
        }
        return sums;
    }));
    assert.ok(Object.keys(sums[0]).length >= 3, "fewer than three states");
    assert.deepEqual(sums, summary.threads.map((thread) => thread.states));
    assert.ok(await page.locator("#states-legend span").first().isVisible());

    const at = await page.evaluate(() => {
        const {page, view, model} = window.giltracer;
        const spans = model.threads[0].stateSpans;
        const i = spans.flags.findIndex((state) => model.stateNames[state] === "D");
        view.showAround(spans.start[i], spans.end[i], 1);
        const row = page.timeline.rowOf(0, 0);
        return {y: row.top + row.height - 6, start: spans.start[i], end: spans.end[i]};
    });
    await page.settled();
    const box = await page.locator("#spans").boundingBox();
    await page.mouse.click(box.x + box.width / 2, box.y + at.y);
    await page.settled();
    const {selection} = await page.state();
    assert.deepEqual([selection.kind, selection.start, selection.end], ["state", at.start, at.end]);
    assert.match(await page.locator("#details-body").textContent(), /kernel/);
    await page.waitForFunction(() => location.hash.includes("at=state"));
    const again = await open(browser, {html: states.html,
                                       hash: await page.evaluate(() => location.hash)});
    assert.deepEqual((await again.state()).selection, selection);
    const waiting = page.waitForEvent("download");
    await page.locator("#save").click();
    const saved = JSON.parse(readFileSync(await (await waiting).path(), "utf8"));
    const sched = (events) => events.filter((event) => event.cat === "sched")
        .map((event) => JSON.stringify(Object.entries(event).sort())).sort();
    assert.deepEqual(sched(saved.traceEvents), sched(traceEvents));
    page.check();
});

test("the table has states, without a GIL too, and what was lost", async () => {
    const stateOf = (row, ...names) => names.reduce((sum, name) => sum + (row.states[name]?.ns ?? 0), 0);
    const alone = await makePage("alone", scheduled(), "sched");
    for (const made of [states, alone]) {
        const page = await open(browser, {html: made.html});
        const {giltracer: summary} = made.trace();
        const rows = summary.gils[0]?.threads ?? summary.threads;
        const shown = await page.evaluate(() => [...document.querySelectorAll(
            "#threads-table tr[data-thread]")].map((row) => Object.fromEntries([...row.querySelectorAll(
            "td[data-key]")].map((cell) => [cell.dataset.key, Number(cell.dataset.value)]))));
        assert.equal(shown.length, rows.length);
        for (const [i, row] of rows.entries()) {
            const all = stateOf(row, ...Object.keys(row.states)), running = stateOf(row, "running");
            const runnable = stateOf(row, "runnable (preempted)", "runnable (woken)");
            assert.ok(running > 0 && runnable > 0);
            assert.deepEqual([shown[i].running_ns, shown[i].runnable_ns, shown[i].sleeping_ns],
                             [running, runnable, all - running - runnable]);
        }
        await page.evaluate(() => window.giltracer.view.set({range: {from: 2e6, to: 3e6}}));
        await page.locator("#drop-range").waitFor();
        const [part] = await page.locator("#threads-table tbody tr[data-thread]").evaluateAll((list) =>
            list.map((row) => ["lifetime_ns", "running_ns", "runnable_ns", "sleeping_ns"].map((key) =>
                Number(row.querySelector(`[data-key=${key}]`).dataset.value))));
        assert.equal(part[0], 1e6);
        assert.ok(part[1] > 0 && part[1] < 1e6 && Math.abs(part[1] + part[2] + part[3] - 1e6) < 1);
        page.check();
        await page.context().close();
    }
    const page = await open(browser, {html: lost.html});
    const {giltracer: summary} = lost.trace();
    const unknown = await page.evaluate(() => [...document.querySelectorAll(
        "#threads-table td[data-key=unknown_ns]")].map((cell) => Number(cell.dataset.value)));
    assert.deepEqual(unknown, summary.gils[0].threads.map((row) => row.unknown_ns));
    assert.ok(unknown.some((ns) => ns > 0));
    page.check();
});

test("counters are drawn as curves, listed and saved", async () => {
    const page = await open(browser, {html: states.html, hash: "#tab=counters"});
    const {giltracer: summary, traceEvents} = states.trace();
    assert.deepEqual(summary.counters.map(({name}) => name), ["page-faults", "cycles:u"]);
    const drawn = await page.evaluate(() => window.giltracer.page.timeline.rows
        .filter((row) => row.kind === "counter").map(({counter}) =>
            [counter.name, counter.counts.between(0, window.giltracer.view.duration + 1)]));
    assert.deepEqual(drawn, summary.counters.map(({name, threads}) =>
        [name, threads.reduce((sum, each) => sum + each.total, 0)]));
    const ofThreads = await page.evaluate(() => window.giltracer.page.timeline.rows
        .filter((row) => row.kind === "thread").map(({counters}) => counters.map(({name, counts}) =>
            [name, counts.between(0, window.giltracer.view.duration + 1)])));
    assert.deepEqual(ofThreads, summary.threads.map(({thread}) => summary.counters.flatMap(
        ({name, threads}) => threads.filter((each) => each.thread === thread && each.total > 0)
            .map((each) => [name, each.total]))));
    assert.deepEqual(await page.locator("#names .strip").allTextContents(),
                     ofThreads.flat().map(([name]) => name));
    const strip = await page.evaluate(() => {
        const {timeline} = window.giltracer.page;
        const row = timeline.rows.find(({counters}) => counters?.length > 0);
        return {x: timeline.xAt(row.counters[0].counts.time[3]), y: timeline.countersTop(row) + 8};
    });
    const box = await page.locator("#spans").boundingBox();
    await page.mouse.move(box.x + strip.x, box.y + strip.y);
    assert.match(await page.locator("#tip").textContent(), /^cycles:u: 967\/s$/);
    await page.locator("#panel-counters table").first().waitFor();
    const listed = await page.evaluate(() => [...document.querySelectorAll(
        "#panel-counters td[data-key=total]")].map((cell) => Number(cell.dataset.value)));
    assert.deepEqual(listed, summary.counters.flatMap(({threads}) =>
        threads.map((each) => each.total)));
    const waiting = page.waitForEvent("download");
    await page.locator("#save").click();
    const saved = JSON.parse(readFileSync(await (await waiting).path(), "utf8"));
    const counts = (events) => events.filter((event) => event.ph === "C");
    assert.ok(counts(traceEvents).length > 20);
    assert.deepEqual(counts(saved.traceEvents), counts(traceEvents));
    page.check();
    const none = await open(browser, {html: small.html, hash: "#tab=counters"});
    assert.equal((await none.state()).tab, "threads");
    assert.ok(!await none.locator("#tab-counters").isVisible());
});

const CALLS = `
import threading, time
def crunch(n):
    return sum(range(n))
def outer():
    for i in range(200):
        crunch(3000)
exec("def f(): return outer()")
hostile = f.__code__.replace(co_name='"><img src=x onerror=alert(1)>')
if hasattr(hostile, "co_qualname"):
    hostile = hostile.replace(co_qualname='"><img src=x onerror=alert(1)>')
f.__code__ = hostile
threads = [threading.Thread(target=f) for _ in range(2)]
for t in threads: t.start()
for t in threads: t.join()
`;

test("calls are drawn, found, explained and saved", async (t) => {
    const made = traceProgram("calls", CALLS);
    if (!require(t, made.missing))
        return;
    const page = await open(browser, {html: made.html});
    const {traceEvents} = made.trace();
    await press(page, "/");
    await page.keyboard.type("crunch");
    await press(page, "Enter");
    const {selection} = await page.state();
    assert.equal(selection.kind, "call");
    assert.match(await page.locator("#details-body").textContent(), /crunch.*calls\.py:3/s);
    assert.match(await page.locator("#search-count").textContent(), /^1 of 400$/);
    await page.locator("#lanes").focus();
    await press(page, "n");
    assert.ok((await page.state()).selection.start > selection.start);
    const heights = () => page.evaluate(() =>
        Math.max(...window.giltracer.page.timeline.rows.map((row) => row.calls ?? 0)));
    const folded = await page.evaluate(() => window.giltracer.view.unfolded);
    const height = await heights();
    await page.screenshot({path: join(shots, "calls.png")});
    await press(page, "e");
    assert.notEqual(await page.evaluate(() => window.giltracer.view.unfolded), folded);
    assert.notEqual(await heights(), height);
    assert.ok(await page.evaluate(() => document.querySelectorAll("img").length === 0 &&
        window.giltracer.model.functions.some(({title}) => title.includes("<img src=x"))));
    const waiting = page.waitForEvent("download");
    await page.locator("#save").click();
    const saved = JSON.parse(readFileSync(await (await waiting).path(), "utf8"));
    const calls = (events) => events.filter(({cat}) => ["python", "c", "gc"].includes(cat))
        .map((event) => JSON.stringify(Object.entries(event).sort())).sort();
    assert.ok(calls(traceEvents).length > 400);
    assert.deepEqual(calls(saved.traceEvents), calls(traceEvents));
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

test("saved JSON holds the same spans, names and summary", async () => {
    const page = await open(browser, {html: several.html});
    await page.evaluate(() => {
        window.said = [];
        const status = document.getElementById("status");
        new MutationObserver(() => window.said.push(`${status.textContent} ${status.hidden}`))
            .observe(status, {attributes: true});
    });
    const waiting = page.waitForEvent("download");
    await page.locator("#save").click();
    const download = await waiting;
    assert.deepEqual(await page.evaluate(() => window.said), ["Writing… false", "Writing… true"]);
    assert.equal(download.suggestedFilename(), "several.json");
    const saved = JSON.parse(readFileSync(await download.path(), "utf8"));
    const written = several.trace();
    const sorted = (trace) => trace.traceEvents.filter((event) => event.name !== "trace_config")
        .map((event) => JSON.stringify(Object.entries(event).sort())).sort();
    assert.deepEqual(sorted(saved), sorted(written));
    assert.deepEqual(saved.giltracer, written.giltracer);
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

test("lost events are told and drawn", async () => {
    const page = await open(browser, {html: lost.html});
    const {giltracer: summary} = lost.trace();
    assert.ok(summary.lost.length > 0);
    assert.deepEqual(await page.evaluate(() => window.giltracer.model.lost),
                     summary.lost.map((each) => [each.start_ns, each.end_ns, each.events]));
    const verdict = await page.locator("#verdict").textContent();
    const told = verdict.split(`${summary.quality.lost_events} events were lost`);
    assert.equal(told.length, 2, "told once");
    assert.ok(!await page.locator("[data-quality=lost_events]").isVisible());
    page.check();
});

test("paper shows the verdict and the table, and nothing to click", async () => {
    const page = await open(browser, {html: small.html, dark: true});
    await page.emulateMedia({media: "print", colorScheme: "dark"});
    const [ink, paper] = await page.evaluate(() => {
        const {color, backgroundColor} = getComputedStyle(document.body);
        return [color, backgroundColor].map((text) => Number(/\d+/.exec(text)[0]));
    });
    assert.ok(ink < 60 && paper > 200, "dark on light, whatever the system wishes");
    assert.ok(await page.locator("#headline").isVisible());
    assert.ok(await page.locator("#threads-table").isVisible());
    for (const id of ["#timeline", "#overview", "#save"])
        assert.ok(!await page.locator(id).isVisible(), id);
    await page.screenshot({path: join(shots, "print.png"), fullPage: true});
});

test("a narrow window scrolls down, not sideways", async () => {
    const page = await open(browser, {html: small.html, width: 420, height: 800});
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(wide <= 420, `${wide} pixels`);
    await page.screenshot({path: join(shots, "narrow.png"), fullPage: true});
    page.check();
});

test("long words wrap, and labels that are paths show their last part", async () => {
    const path = `/opt/${"very-long-name/".repeat(12)}python3.12`;
    const html = readFileSync(small.html, "utf8")
        .replace(/"interpreter":null/, `"interpreter":${JSON.stringify(path)}`)
        .replace(/("processes":\[\{"pid":\d+,"name":)"[^"]*"/, `$1${JSON.stringify(path)}`);
    const made = join(folder, "paths.html");
    writeFileSync(made, html);
    const page = await open(browser, {html: made});
    const [inner, outer] = await page.evaluate(() => {
        const {scrollWidth, clientWidth} = document.getElementById("verdict");
        return [scrollWidth, clientWidth];
    });
    assert.ok(inner <= outer, `${inner} of ${outer} pixels`);
    assert.ok((await page.locator("#facts").textContent()).includes(path));
    assert.equal(await page.locator(".row.process .name").first().textContent(), "python3.12");
    assert.equal(await page.locator(".row.process").first().getAttribute("title"), path);
    await page.screenshot({path: join(shots, "paths.png")});
    page.check();
});

test("all that can be used has a role and a name", async () => {
    const page = await open(browser, {html: several.html, hash: "#tab=matrix"});
    await press(page, "ArrowDown", "]");
    const session = await page.context().newCDPSession(page);
    const {nodes} = await session.send("Accessibility.getFullAXTree");
    const property = (node, key) => node.properties?.find(({name}) => name === key)?.value.value;
    const used = nodes.filter((node) => !node.ignored && property(node, "focusable") &&
        node.role.value !== "RootWebArea");
    assert.ok(used.length > 30);
    for (const node of used) {
        assert.notEqual(node.name?.value ?? "", "", `a ${node.role.value} without a name`);
        assert.notEqual(node.role.value, "generic", `${node.name.value} has no role`);
    }
    const roles = new Set(nodes.map((node) => node.role?.value));
    for (const role of ["tablist", "tab", "tabpanel", "table", "columnheader", "rowheader", "image",
                        "status", "main", "banner", "complementary", "searchbox"])
        assert.ok(roles.has(role), role);
    page.check();
});

test("damaged data is said, not shown", async () => {
    const html = readFileSync(small.html, "utf8");
    const damaged = join(folder, "damaged.html");
    writeFileSync(damaged, html.replace(/(data-table="holds"[^>]*>)[^<]{40}/, "$1"));
    const page = await open(browser, {html: damaged});
    assert.match(await page.locator("#status").textContent(), /cannot be shown/);
});
