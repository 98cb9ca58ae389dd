// SPDX-License-Identifier: MIT
// What the page explains: the verdict's facts, a wait, how holds ended, names of every kind; and
// that saving gives the writer's JSON again.

import assert from "node:assert/strict";
import {execFileSync} from "node:child_process";
import {readFileSync, writeFileSync} from "node:fs";
import {join} from "node:path";
import {after, afterEach, before, test} from "node:test";
import {closePages, launch, open} from "./browser.js";
import {Recording, contended, folder, makePage, perf2trace, shots, traceProgram}
    from "./fixtures.js";
import {require} from "./tests.js";

const MS = 1_000_000;

/** 101 holds from 0 to 12 ms; 102 waits from 1 ms on, and has it from 12.5 to 15.5 ms; 101 wants it
 * again at 13 ms. Before, the main thread takes and drops it in 1.5 µs, often. */
function asked() {
    const record = new Recording();
    for (const tid of [101, 102])
        record.fork(tid);
    for (let i = 0; i < 200; i++) {
        record.acquire(100);
        record.time += 1500;
        record.release(100);
        record.time += 8500;
    }
    const zero = record.time;
    const at = (ms, act) => { record.time = zero + ms * MS; act(); };
    at(0, () => record.acquire(101));
    at(1, () => record.wait(102));
    at(12, () => record.release(101));
    at(12.5, () => record.acquire(102));
    at(13, () => record.wait(101));
    at(15.5, () => record.release(102));
    at(15.6, () => record.acquire(101));
    at(15.7, () => record.release(101));
    return {text: record.text(), zero};
}

const PROGRAM = `
import sys, threading, time
def crunch(n):
    total = 0
    for i in range(n):
        total += i
    return total
def outer():
    deadline = time.monotonic() + 0.25
    while time.monotonic() < deadline:
        crunch(40000)
        sorted(range(30000))
exec("def f(): return outer()")
name = '"><img src=x onerror=alert(1)>'
f.__code__ = f.__code__.replace(co_name=name)
if hasattr(f.__code__, "co_qualname"):
    f.__code__ = f.__code__.replace(co_qualname=name)
names = ["</script><script>alert(1)</script>", "שלום \\u202e עולם", "🦊" * 12, "nul\\0byte", "\\udcff\\xff"]
threads = [threading.Thread(target=f, name=name) for name in names]
for t in threads: t.start()
for t in threads: t.join()
`;

let browser, late, program, marks;
before(async () => {
    browser = await launch();
    const {text, zero} = asked();
    late = {...await makePage("late", text), zero};
    program = traceProgram("program", PROGRAM);
    marks = makeMarks();
});
afterEach(() => closePages(browser));
after(() => browser?.close());

/** A page of VizTracer's JSON alone. */
function fromViztracer(name, events) {
    const input = join(folder, `${name}.viz`), html = join(folder, `${name}.html`);
    const json = join(folder, `${name}.json`);
    writeFileSync(input, JSON.stringify({
        viztracer_metadata: {version: "1.1.1"},
        traceEvents: events.map((fields) => ({pid: 100, tid: 101, ...fields})),
    }));
    execFileSync(perf2trace, ["-q", "--viztracer", input, "-o", html, "-o", json], {input: ""});
    return {html, json, trace: () => JSON.parse(readFileSync(json, "utf8"))};
}

/** A call, a moment, a number, and names made to break out. */
function makeMarks() {
    return fromViztracer("marks", [
        {ph: "M", name: "thread_name", args: {name: "worker"}},
        {ph: "X", ts: 1325000100, dur: 50000, name: "f (a.py:3)", cat: "FEE"},
        {ph: "i", s: "t", ts: 1325010000, name: "began </script>", args: {x: "<!--", y: [1]}},
        {ph: "C", ts: 1325020000, name: "queue", args: {length: 5}},
    ]);
}

const select = (page, kind, i) => page.evaluate(([what, index]) => {
    const {view, model} = window.giltracer;
    const [gil] = model.gils;
    const spans = what === "wait" ? gil.waitSpans : gil.holdSpans;
    const member = spans.member[index];
    view.set({selection: {kind: what, gil: 0, member, thread: gil.members[member], id: index,
                          start: spans.start[index], end: spans.endOf(index), flags: 0}});
    view.fit();
}, [kind, i]).then(() => page.settled());

test("a hold says whether it was asked to end, by whom, and how late it came", async () => {
    const page = await open(browser, {html: late.html});
    const {giltracer: summary} = late.trace();
    assert.equal(summary.load[0].switch_interval_ns, 5 * MS);
    const ending = () => page.locator("#ending").textContent();
    await select(page, "hold", 200);
    assert.match(await ending(), /^thread 3 was due to ask for it about 6\.0 ms after the hold began: .*The release came 6\.0 ms later\.$/);
    await select(page, "hold", 201);
    assert.match(await ending(), /^The thread released it by itself: thread 2 had been waiting for 2\.5 ms, and would have asked for it 2\.5 ms later\.$/);
    await select(page, "hold", 0);
    assert.equal(await ending(), "The thread released it by itself: nobody was waiting.");
    await select(page, "wait", 0);
    assert.match(await page.locator("#details-body").textContent(),
                 /Lasted11\.5 ms.*thread 2101.*11\.0 ms · 95\.7%.*For 500\.0 µs nobody held it/s);
    page.check();
});

test("an arrow is drawn from the holder to the selected wait, and only then", async () => {
    const page = await open(browser, {html: late.html});
    const arrow = () => page.evaluate(() => {
        const {arrow} = window.giltracer.page.timeline;
        return arrow && [arrow.from.thread.tid, arrow.to.thread.tid];
    });
    assert.equal(await arrow(), null);
    await select(page, "wait", 0);
    assert.deepEqual(await arrow(), [101, 102]);
    await select(page, "hold", 200);
    assert.equal(await arrow(), null);
    page.check();
});

test("the verdict tells what ran, from which sources, and what recording cost", async () => {
    const page = await open(browser, {html: late.html});
    const {giltracer: summary} = late.trace();
    assert.equal(summary.cost.gil_event_ns, 1500);
    const facts = await page.locator("#facts").textContent();
    assert.match(facts, /SourcesGIL: libc’s condition variables/);
    assert.match(facts, /Recording costabout 613\.4 µs, 3\.5% of the run \(408 GIL events at 1\.5 µs\)/);
    assert.equal(await page.locator("#cost").textContent(), "Recording cost 3.5% of the run");
    const {held, contended: waited} = summary.load[0];
    const label = `held ${(100 * held).toFixed(1)}%, waited for ${(100 * waited).toFixed(1)}%`;
    assert.equal(await page.locator("#overview-utilization").textContent(), label);
    assert.ok((await page.locator("#overview-canvas").getAttribute("aria-label")).includes(label));
    const box = await page.locator("#overview-area").boundingBox();
    const share = (late.zero + 6 * MS) / summary.run.wall_ns;
    await page.mouse.move(box.x + box.width * share, box.y + 20);
    assert.match(await page.locator("#tip").textContent(), /held by thread 2 100\.0% · 1\.0 waiting/);
    page.check();
});

test("what recording cost is in view, however much there is to tell", async () => {
    const html = join(folder, "told.html");
    const many = Array.from({length: 30}, (_, i) => `"sentence ${i}"`).join(",");
    writeFileSync(html, readFileSync(late.html, "utf8").replace('"findings":[', `$&"first",${many},`));
    for (const width of [900, 1400, 2560]) {
        const page = await open(browser, {html, width, height: 900});
        const last = await page.locator("#findings li").last().boundingBox();
        const verdict = await page.locator("#verdict").boundingBox();
        assert.ok(width < 1400 || last.y > verdict.y + verdict.height, "all of it is in view anyway");
        const box = await page.locator("#cost").boundingBox();
        assert.ok(box.width > 100 && box.height < 30 && box.x + box.width < width && box.y < 100, width);
        const hidden = await page.locator("#cost").evaluate((cost) => {
            const {left, right, top, bottom} = cost.getBoundingClientRect();
            return [left + 1, right - 1].some((x) =>
                document.elementFromPoint(x, (top + bottom) / 2) !== cost);
        });
        assert.ok(!hidden, `something lies upon it at ${width}`);
        page.check();
    }
});

test("a wait tells what its holders were doing, with file and line", async (t) => {
    if (!require(t, program.missing))
        return;
    const page = await open(browser, {html: program.html});
    const longest = await page.evaluate(() => { // of those for the threads that crunch
        const [gil] = window.giltracer.model.gils;
        const {waitSpans: spans} = gil;
        const main = gil.lanes.find(({thread}) => thread.main);
        const length = (i) => main.holds.covered(spans.start[i], spans.endOf(i)) > 0 ? 0
            : spans.lengthOf(i);
        return Array.from({length: spans.count}, (_, i) => i).sort((a, b) => length(b) - length(a))[0];
    });
    await select(page, "wait", longest);
    await page.screenshot({path: join(shots, "wait-functions.png")});
    const shown = await page.locator("#details-body").textContent();
    assert.match(shown, /crunch \([^)]*program\.py:3\)|C function builtins\.sorted in outer \([^)]*program\.py:8\)/);
    page.check();
});

test("names of every kind are text, in each place, and nothing runs", async (t) => {
    if (!require(t, program.missing))
        return;
    const {giltracer: summary} = program.trace();
    const labels = summary.threads.map(({label}) => label);
    for (const name of ["</script><script>alert(1)</script>", "🦊".repeat(12), "nul\0byte"])
        assert.ok(labels.includes(name), `${name} in ${JSON.stringify(labels)}`);
    const page = await open(browser, {html: program.html});
    for (const tab of ["blockers", "matrix", "flame", "waits", "holds", "threads"]) {
        await page.locator(`#tab-${tab}`).click();
        await page.settled();
    }
    await page.locator("#search").fill('img src=x onerror=alert');
    await page.locator("#search").press("Enter");
    await page.settled();
    assert.match(await page.locator("#details-body").textContent(), /"><img src=x onerror=alert\(1\)>/);
    for (const key of ["ArrowDown", "ArrowDown", "]", "j"])
        await page.locator("#lanes").press(key);
    const box = await page.locator("#spans").boundingBox();
    await page.mouse.move(box.x + box.width / 2, box.y + 120);
    const found = await page.evaluate(() => ({
        elements: document.querySelectorAll("img, svg, main script").length,
        text: document.body.innerText,
    }));
    assert.equal(found.elements, 0);
    for (const label of ["</script><script>alert(1)", "🦊", "שלום"])
        assert.ok(found.text.includes(label), label);
    assert.doesNotMatch(found.text, /[\u0000-\u0008\u202a-\u202e]/);
    page.check();
});

test("saved JSON is the writer's, event by event and digit by digit", async () => {
    const lossy = contended({turns: 30, seed: 8, names: ["reader", null, "x y"]});
    lossy.lost(77);
    const made = await makePage("lossy", lossy.text());
    for (const each of [late, marks, made, ...program.missing ? [] : [program]]) {
        const page = await open(browser, {html: each.html});
        const waiting = page.waitForEvent("download");
        await page.locator("#save").click();
        const text = readFileSync(await (await waiting).path(), "utf8");
        const lines = (json) => JSON.parse(json).traceEvents
            .map((event) => JSON.stringify(Object.entries(event).sort())).sort();
        const written = readFileSync(each.json, "utf8");
        assert.deepEqual(lines(text), lines(written));
        // As text: numbers beyond 2^53 would not survive a look at their values.
        const summary = (json) => /"giltracer":(\{"schema".*\}\})[,}]\n/.exec(json)[1];
        assert.equal(summary(text), summary(written));
        page.check();
        await page.context().close();
    }
});

test("a long call has its name among however many short ones", async () => {
    const call = (ts, dur, name) => ({ph: "X", ts, dur, name: `${name} (a.py:3)`, cat: "FEE"});
    const short = Array.from({length: 500}, (_, i) => call(1325000000 + 10 * i, 5, "short"));
    const made = fromViztracer("many", [...short, call(1325006000, 50000, "long")]);
    const page = await open(browser, {html: made.html});
    const texts = await page.evaluate(() => {
        const {timeline} = window.giltracer.page, found = [];
        const fillText = timeline.context.fillText.bind(timeline.context);
        timeline.context.fillText = (text, ...place) => {
            found.push(text);
            fillText(text, ...place);
        };
        timeline.draw();
        return found;
    });
    assert.deepEqual(texts, ["long"]);
    page.check();
});

test("moments that the program recorded are drawn and told", async () => {
    const page = await open(browser, {html: marks.html});
    const at = await page.evaluate(() => {
        const {timeline} = window.giltracer.page;
        const row = timeline.rows.find(({kind}) => kind === "thread");
        return {x: timeline.xAt(row.lane.thread.marks.time[0]), y: row.top + 3,
                count: row.lane.thread.marks.id.length};
    });
    assert.equal(at.count, 1);
    const box = await page.locator("#spans").boundingBox();
    await page.mouse.move(box.x + at.x + 2, box.y + at.y);
    assert.equal(await page.locator("#tip").textContent(), 'began </script> {"x":"<!--","y":[1]}');
    page.check();
});

test("threads of one kind are one row, which opens by a click", async () => {
    const names = [...Array(30).keys()].map((i) => `worker-${i + 1}`);
    const record = contended({threads: 30, turns: 90, names: [...names.slice(0, 29), "other"]});
    const page = await open(browser, await makePage("kinds", record.text()));
    const rows = page.locator("#threads-table tr[data-thread]");
    const kind = page.locator("#threads-table tr[data-kind]");
    const shown = await rows.count();
    assert.equal(await kind.count(), 1);
    assert.match(await kind.textContent(), /▸ worker-\* × 29/);
    const button = kind.locator("button");
    await button.focus();
    await page.keyboard.press("Enter");
    assert.equal(await rows.count(), shown + 29);
    assert.equal(await button.getAttribute("aria-expanded"), "true");
    const [sum, ...waits] = await page.evaluate(() => [...document.querySelectorAll(
        "#threads-table tr[data-kind] td[data-key=wait_ns], " +
        "#threads-table tr[data-kind] ~ tr[data-thread] td[data-key=wait_ns]")]
        .filter((cell) => cell.closest("tr").cells[0].textContent.includes("worker-"))
        .map((cell) => Number(cell.dataset.value)));
    assert.equal(waits.reduce((a, b) => a + b, 0), sum);
    await button.click();
    assert.equal(await rows.count(), shown);
    page.check();
});
