// SPDX-License-Identifier: MIT
// The page of two reports that are compared: perf2trace --baseline before.json after.json.

import assert from "node:assert/strict";
import {execFileSync} from "node:child_process";
import {readFileSync, writeFileSync} from "node:fs";
import {createRequire} from "node:module";
import {join} from "node:path";
import {after, afterEach, before, test} from "node:test";
import {closePages, launch, openAny} from "./browser.js";
import {contended, folder, makePage, perf2trace, shots, twoProcesses} from "./fixtures.js";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

let browser;
const pages = {};

/** The page of two reports; the JSON of each may be changed before. */
function makeDiff(name, first, second) {
    const paths = [first, second].map((document, i) => {
        const path = join(folder, `diff-${name}-${i}.json`);
        writeFileSync(path, JSON.stringify(document));
        return path;
    });
    const html = join(folder, `diff-${name}.html`);
    execFileSync(perf2trace, ["-q", "--baseline", ...paths, "-o", html]);
    return html;
}

/** Calls of functions in each thread that has the GIL, slower or not. */
function withCalls(document, hostile, stretch) {
    const gil = document.giltracer.gils[0], events = document.traceEvents;
    for (const {pid, tid} of gil.threads)
        for (const [name, ts, dur] of [["serve", 0, 1e9], ["parse", 100, 4e4 * stretch],
                                       [hostile, 200, 1e4], ["format", 9e4, 3e4]])
            events.push({ph: "X", cat: "python", name, pid, tid, ts, dur,
                         args: {file: "/srv/app/views.py:12"}});
    return document;
}

/** As of --repeat: each figure of these varies by a part of it. */
function withRuns(document, runs, part) {
    const list = [];
    const put = (name, unit, median) => list.push({name, unit, of_thread: name.startsWith("thread"),
        median, least: median * (1 - part), greatest: median * (1 + part)});
    const {gils, run, blockers} = document.giltracer;
    put("wall", "ns", run.wall_ns);
    for (const {label, wait_ns, hold_ns, lifetime_ns} of gils[0].threads) {
        put(`thread ${label}: wait`, "share", wait_ns / lifetime_ns);
        put(`thread ${label}: hold`, "share", hold_ns / lifetime_ns);
    }
    for (const {function: name, waiting_ns} of blockers)
        put(`blocker ${name}: waiting`, "ns", waiting_ns);
    document.giltracer.metrics = {runs, list};
    return document;
}

before(async () => {
    browser = await launch();
    const traces = {};
    const make = async (name, text) => {
        const {trace} = await makePage(`diff-of-${name}`, text);
        traces[name] = trace;
    };
    await make("busy", contended({turns: 120, threads: 4}).text());
    await make("calm", contended({turns: 40, threads: 3, seed: 2}).text());
    await make("hostile", contended({threads: 3, names: ["</script>", "שלום", "🦊🔥"],
                                     turns: 60, seed: 5}).text());
    await make("several", twoProcesses());
    const {busy, calm, hostile, several} = traces;
    pages.calls = makeDiff("calls", withCalls(busy(), "a<b>", 3), withCalls(calm(), "a<b>", 1));
    pages.noise = makeDiff("noise", withRuns(busy(), 5, 0.5), withRuns(busy(), 5, 0.5));
    pages.runs = makeDiff("runs", withRuns(busy(), 5, 0.01), withRuns(calm(), 5, 0.01));
    pages.summaries = makeDiff("summaries", busy().giltracer, calm().giltracer);
    pages.hostile = makeDiff("hostile", withCalls(hostile(), "\u202e\"'><img src=x>", 1), busy());
    pages.several = makeDiff("several", several(), busy());
});
afterEach(() => closePages(browser));
after(() => browser?.close());

for (const name of ["calls", "runs", "summaries", "hostile", "several"])
    test(`axe-core finds nothing on a comparison: ${name}`, async () => {
        const page = await openAny(browser, {html: pages[name], dark: name === "runs"});
        await page.evaluate(AXE);
        const {violations} = await page.evaluate(() => window.axe.run(document, {
            runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}));
        assert.deepEqual(violations.map(({id, nodes}) => `${id}: ${nodes[0].html}`), []);
        page.check();
    });

test("nothing is cut at any width", async () => {
    for (const [width, height] of [[900, 900], [1400, 900], [2560, 1300]])
        for (const name of width === 900 ? ["calls", "runs"] : ["calls"]) {
            const page = await openAny(browser, {html: pages[name], width, height});
            const wide = await page.evaluate(() =>
                [document.documentElement, ...document.querySelectorAll("section, .scroll, .label")]
                    .filter((element) => element.scrollWidth > element.clientWidth + 1)
                    .map((element) => `${element.tagName} ${element.id || element.className}`));
            assert.deepEqual(wide, [], `${name} ${width}`);
            await page.screenshot({path: join(shots, `diff-${name}-${width}.png`),
                                   fullPage: true});
            page.check();
            await page.context().close();
        }
});

test("both timelines have one scale, and the pointer is shown in both", async () => {
    const page = await openAny(browser, {html: pages.calls});
    const lanes = page.locator(".lanes");
    assert.equal(await lanes.count(), 2);
    assert.equal(await lanes.first().getAttribute("data-length"),
                 await lanes.last().getAttribute("data-length"));
    const texts = async (of) => (await of.locator(".axis text").allTextContents()).join();
    assert.equal(await texts(lanes.first()), await texts(lanes.last()));
    assert.equal(await lanes.first().locator(".lane").count(),
                 await lanes.last().locator(".lane").count());
    const box = await lanes.first().locator(".lane").first().boundingBox();
    await page.mouse.move(box.x + box.width / 2, box.y + 5);
    const length = +await lanes.first().getAttribute("data-length");
    const said = parseFloat((await page.locator("#time").textContent()).match(/[\d.]+/)[0]);
    assert.ok(Math.abs(said - length / 2e6) < length / 2e8, `${said} ms of ${length} ns`);
    const shown = await page.locator(".cursor").evaluateAll((lines) =>
        lines.map((line) => [line.style.display, line.getAttribute("x1")]));
    assert.ok(shown.length >= 4 && shown.every(([display]) => display === ""));
    assert.equal(new Set(shown.map(([, x]) => x)).size, 1);
    page.check();
});

const boxes = (page) => page.locator(".flame > svg").evaluateAll((all) => all.map((svg) => ({
    name: svg.querySelector("text").textContent, title: svg.querySelector("title").textContent,
    shown: svg.style.display !== "none", kind: svg.querySelector("rect").getAttribute("class"),
    x: parseFloat(svg.getAttribute("x")), y: +svg.getAttribute("y"),
    width: parseFloat(svg.getAttribute("width"))})));

test("boxes of a flame graph lie within the box above them, and are coloured by what changed",
     async () => {
    const page = await openAny(browser, {html: pages.calls});
    const all = await boxes(page);
    assert.ok(all.some(({name, kind}) => name === "parse" && kind.startsWith("shrunk")));
    for (const {kind, title} of all) {
        const [, before, after] = title.match(/: (.*) before, (.*) after \(/);
        assert.ok(kind === "even" || before !== after, title);
        assert.ok(title.includes("(−") ? !kind.startsWith("grown") : !kind.startsWith("shrunk"), title);
    }
    const waits = all.slice(0, all.findIndex(({y}, i) => i > 0 && y === 0 && all[i - 1].y > 0));
    for (const {x, y, width} of waits.filter((box) => box.y > 0))
        assert.ok(waits.some((above) => above.y === y - 18 && above.x <= x + 0.01 &&
                                        above.x + above.width >= x + width - 0.01));
    page.check();
});

test("a click on a box zooms, another one goes back", async () => {
    const page = await openAny(browser, {html: pages.calls});
    const before = await boxes(page);
    const target = page.locator(".flame > svg", {hasText: "parse"}).first();
    await target.click();
    const zoomed = await boxes(page), at = before.findIndex(({name}) => name === "parse");
    assert.deepEqual([zoomed[at].x, zoomed[at].width], [0, 100]);
    assert.ok(zoomed.some(({shown}) => !shown));
    await target.click();
    assert.deepEqual((await boxes(page)).map(({x, shown}) => [x, shown]),
                     before.map(({x, shown}) => [x, shown]));
    page.check();
});

test("noise is no change, and what did not change is said", async () => {
    const page = await openAny(browser, {html: pages.noise});
    assert.deepEqual(await page.locator("#verdict .more, #verdict .less").allTextContents(), []);
    assert.match(await page.locator("#verdict").textContent(), /What changed\s*nothing/);
    assert.ok(await page.locator("#verdict .same").count() > 4);
    const changed = await openAny(browser, {html: pages.runs});
    assert.ok(await changed.locator("#verdict .more, #verdict .less").count() > 0);
    const one = await openAny(browser, {html: pages.calls});
    assert.equal(await one.locator("#verdict .more, #verdict .less").count(), 0);
    assert.match(await one.locator("#verdict").textContent(), /noise is not known/);
    page.check();
});

test("names are text", async () => {
    const page = await openAny(browser, {html: pages.hostile});
    assert.equal(await page.locator("img").count(), 0);
    assert.ok((await page.locator("#threads tbody th").allTextContents())
        .some((text) => text.includes("</script>")));
    page.check();
});
