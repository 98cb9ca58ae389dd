// SPDX-License-Identifier: MIT
// The page in a real browser, from file://, with the network cut.

import assert from "node:assert/strict";
import {readFileSync, writeFileSync} from "node:fs";
import {join} from "node:path";
import {after, afterEach, before, test} from "node:test";
import {closePages, launch, open, press, savedTrace} from "./browser.js";
import {Recording, contended, folder, lossy, makePage, scheduled, shots, traceProgram, twoProcesses}
    from "./fixtures.js";
import {require} from "./tests.js";

const HOSTILE = ["</script>", "<img src=x>", "\"><svg/onload=", "🦊🔥", "שלום\u202eabc", "a\tb\u0001c",
                 "&lt;b&gt;", "'`${1}"];

let browser, small, lost, wide, hostile, several, states;

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
    assert.ok(own.length < html.length && own.includes('<script>"use strict";'));
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
    await page.evaluate(() => {
        const {view, page: {timeline}} = window.giltracer;
        const {lane} = timeline.rows.find((row) => row.kind === "thread");
        view.set({selection: {kind: "free", thread: lane.thread.index, gil: 0, member: lane.member,
                              start: lane.start, end: lane.start + 1000}});
    });
    await page.settled();
    assert.match(await page.locator("#details-body").textContent(), /If it held it, nobody waited meanwhile/);
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
        for (const kind of await page.locator("#threads-table tr[data-kind] button").all())
            await kind.click();
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
            assert.equal(cells.wanted_ns.text,
                         (100 * row.wait_ns / Math.max(1, row.contended_ns)).toFixed(1));
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
            await page.table.addBlockers(range);
            return page.table.blocks.map(({rows}) => rows);
        });
        assert.equal(blocks.length, summary.gils.length);
        summary.gils.forEach((gil, i) => gil.threads.forEach((row, j) => {
            const measured = blocks[i][j];
            for (const key of ["tid", "lifetime_ns", "hold_ns", "wait_ns", "holds", "waits",
                               "longest_wait_ns", "longest_hold_ns", "unknown_ns", "free_ns",
                               "contended_ns"])
                assert.equal(measured[key], row[key], `${key} of ${row.tid}`);
            assert.deepEqual(new Map((measured.blocked_by ?? []).map((each) => [each.thread, each.ns])),
                             new Map(row.blocked_by.map((each) => [each.thread, each.ns])));
        }));
        await page.context().close();
    }
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
            sums[name].ns += spans.lengthOf(i);
            sums[name].count++;
        }
        return sums;
    }));
    assert.ok(Object.keys(sums[0]).length >= 3, "fewer than three states");
    assert.deepEqual(sums, summary.threads.map((thread) => thread.states));
    assert.ok(await page.locator("#legend .key.running").isVisible());

    const at = await page.evaluate(() => {
        const {page, view, model} = window.giltracer;
        const spans = model.threads[0].stateSpans;
        const i = spans.flags.findIndex((state) => model.stateNames[state] === "D");
        view.showAround(spans.start[i], spans.endOf(i), 1);
        const row = page.timeline.rowOf(0, 0);
        return {y: row.top + row.height - 6, start: spans.start[i], end: spans.endOf(i)};
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
    const saved = await savedTrace(await waiting);
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
        return {x: timeline.xAt(row.counters[0].counts.time[3]), y: row.top + row.height - 16 * row.counters.length + 7};
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
    const saved = await savedTrace(await waiting);
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
    const saved = await savedTrace(await waiting);
    const calls = (events) => events.filter(({cat}) => ["python", "c", "gc"].includes(cat))
        .map((event) => JSON.stringify(Object.entries(event).sort())).sort();
    assert.ok(calls(traceEvents).length > 400);
    assert.deepEqual(calls(saved.traceEvents), calls(traceEvents));
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
    assert.deepEqual(await page.evaluate(() => window.said), ["Writing, 00% false", "Writing, 00% true"]);
    assert.equal(download.suggestedFilename(), "several.json");
    const saved = await savedTrace(download);
    const written = several.trace();
    const sorted = (trace) => trace.traceEvents.filter((event) => event.name !== "trace_config")
        .map((event) => JSON.stringify(Object.entries(event).sort())).sort();
    assert.deepEqual(sorted(saved), sorted(written));
    assert.deepEqual(saved.giltracer, written.giltracer);
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
        .replace(/"facts":\[/, `"facts":[["Executable",${JSON.stringify(path)}],`)
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
