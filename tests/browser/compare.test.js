// SPDX-License-Identifier: MIT
// The tab "Compare": the file of an earlier report is dropped onto a report's page, or chosen, and
// what changed is a table. A file may hold anything.

import assert from "node:assert/strict";
import {execFileSync} from "node:child_process";
import {createWriteStream, readFileSync, readdirSync, statSync, writeFileSync} from "node:fs";
import {createRequire} from "node:module";
import {join} from "node:path";
import {pipeline} from "node:stream/promises";
import {after, afterEach, before, test} from "node:test";
import {createGzip, gzipSync} from "node:zlib";
import {closePages, launch, open, openAny, press} from "./browser.js";
import {contended, folder, makePage, perf2trace, shots} from "./fixtures.js";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const HOSTILE = "</script><img src=x onerror=alert(1)>";
const NAMES = ["reader", "writer", "worker"];

let browser, earlier, now;

/** perf2trace takes figures where a condition asks for them. */
const report = (name, options) => makePage(name, contended({names: NAMES, ...options}).text(), "gil",
                                           ["--fail-if", "wait > 100%"]);

before(async () => {
    browser = await launch();
    earlier = await report("compare-earlier", {turns: 60, seed: 1});
    now = await report("compare-now", {turns: 90, seed: 2});
});
afterEach(() => closePages(browser));
after(() => browser?.close());

function file(name, content) {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
}

/** A copy of a page with another summary. */
function pageWith(made, name, change) {
    return file(name, readFileSync(made.html, "utf8").replace(
        /(id="summary-data">)([^<]*)/, (all, head, json) =>
            head + JSON.stringify(change(JSON.parse(json))).replaceAll("<", "\\u003c")));
}

const result = (page) => page.locator("#panel-compare > div");

/** Choose a file, by its path, and wait until it is read. */
async function choose(page, path) {
    await page.locator("#panel-compare input").setInputFiles(path);
    await result(page).getByText("Reading").waitFor({state: "detached"});
}

const rowsOf = (page) => result(page).locator("tbody tr").evaluateAll((rows) =>
    rows.map((row) => [...row.cells].map((cell) => cell.textContent)));

async function violations(page) {
    await page.evaluate(AXE);
    const found = await page.evaluate(() => window.axe.run(document, {
        runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}));
    return found.violations.map(({id, nodes}) => `${id}: ${nodes[0].html}`);
}

test("a report is the same as itself: as a trace, a page, a summary, and gzipped", async () => {
    const page = await open(browser, {html: now.html});
    const json = readFileSync(now.json), {giltracer} = now.trace();
    const pretty = JSON.stringify({traceEvents: [], giltracer}, null, 4);
    for (const path of [now.json, now.html, file("compare.json.gz", gzipSync(json)),
                        file("summary.json", JSON.stringify(giltracer)), file("pretty.json", pretty)]) {
        await choose(page, path);
        const rows = await rowsOf(page);
        assert.ok(rows.length > 8, path);
        for (const [name, was, is, change, word] of rows)
            assert.deepEqual([was, change, word], [is, "", "same"], name);
    }
    page.check();
});

/** The figures of a document, as of `runs` runs: each varies by a part of it. */
function withRuns({metrics, ...summary}, runs, part = 0.02) {
    const list = metrics.list.map((each) => ({...each, least: each.median * (1 - part),
                                              greatest: each.median * (1 + part)}));
    return {...summary, metrics: {runs, list}};
}

test("what changed is told as by perf2trace, in its words", async () => {
    const words = new Set();
    for (const [runs, part] of [[1, 0.02], [2, 0.02], [3, 0.001], [3, 0.05], [20, 0.02]]) {
        const html = pageWith(now, `now-${runs}.html`, (summary) => withRuns(summary, runs, part));
        const paths = [earlier, now].map((made, i) => file(`runs-${runs}-${i}.json`,
            JSON.stringify(withRuns(made.trace().giltracer, runs, part))));
        const page = await open(browser, {html});
        await choose(page, paths[0]);
        const told = new Map((await rowsOf(page)).map(([name, ...rest]) => [name, rest]));
        assert.equal(await result(page).getByText("Noise is not known").count(), runs < 2 ? 1 : 0);

        const diff = join(folder, `diff-${runs}.html`);
        execFileSync(perf2trace, ["-q", "--baseline", ...paths, "-o", diff]);
        const other = await openAny(browser, {html: diff});
        const rows = await other.locator("#threads tbody tr").evaluateAll((list) =>
            list.map((row) => [...row.cells].map((cell) => cell.textContent)));
        assert.ok(rows.length > NAMES.length);
        for (const [name, , , ...values] of rows)
            for (const [i, what] of ["wait", "hold"].entries()) {
                const [before, after, change, word] = values.slice(4 * i, 4 * i + 4);
                const said = {"no change": "same", "": "same", "noise?": "?"}[word] ?? word;
                words.add(said);
                assert.deepEqual(told.get(`thread ${name}: ${what}`), [before, after, change, said],
                                 `${runs} runs, ${part}: ${name}, ${what}`);
            }
        page.check();
    }
    assert.deepEqual([...words].sort(), ["?", "less", "more", "noise", "same"]);
});

test("what is in one report only is said; times that are too short on both sides are left out", async () => {
    const figure = (name, unit, median) => ({name, unit, median, least: median, greatest: median});
    const withFigures = (summary, ...list) => ({...summary, metrics: {runs: 2, list}});
    const html = pageWith(now, "one-sided.html", (summary) => withFigures(summary,
        figure("wait", "share", 0.5), figure("blocker new: waiting", "ns", 5e6),
        figure("lock short: waiting", "ns", 99e3), figure("blocker grown: waiting", "ns", 2e5)));
    const page = await open(browser, {html});
    await choose(page, file("one-sided.json", JSON.stringify(withFigures(now.trace().giltracer,
        figure("wait", "share", 0.25), figure("thread old: hold", "share", 0.125),
        figure("lock short: waiting", "ns", 1e3), figure("blocker grown: waiting", "ns", 99e3)))));
    assert.deepEqual(await rowsOf(page), [
        ["wait", "25.0%", "50.0%", "+25.0%", "more"],
        ["blocker new: waiting", "–", "5.0 ms", "", "only now"],
        ["blocker grown: waiting", "99.0 µs", "200.0 µs", "+101.0 µs", "more"],
        ["thread old: hold", "12.5%", "–", "", "only before"]]);
    page.check();
});

/** Drop a file onto an element of the page. */
function drop(page, selector, name, text) {
    return page.locator(selector).first().evaluate((element, [title, content]) => {
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File([content], title));
        element.dispatchEvent(new DragEvent("drop", {dataTransfer, bubbles: true, cancelable: true}));
    }, [name, text]);
}

test("a file that is dropped anywhere is read; the last one is what is shown", async () => {
    const page = await open(browser, {html: now.html});
    const text = readFileSync(earlier.json, "utf8");
    await drop(page, "#spans", "slow.json", text + " ".repeat(2e7));
    await drop(page, "#verdict", `${HOSTILE}\u202e.json`, text);
    await result(page).getByText("Now: this report").waitFor();
    await page.waitForTimeout(500); // the first one would be read by now
    assert.match(await result(page).locator("p").textContent(), /^Before: <\/script><img .*>\ufffd\.json\. Now/);
    assert.equal((await page.state()).tab, "compare");
    assert.ok((await rowsOf(page)).some(([, , , , word]) => word === "?"));
    page.check();
});

test("what is no report is refused, by name, with the reason", async () => {
    const page = await open(browser, {html: now.html});
    const {giltracer} = now.trace(), gz = gzipSync(readFileSync(now.json));
    const long = gzipSync(Buffer.alloc(101e6, " "));
    const cases = {
        "foreign.json": ["{\"traceEvents\": []}", "it is no report of giltracer"],
        "list.json": ["[1, 2]", "it is no report of giltracer"],
        "null.json": ["null", "it is damaged, cut short, or no JSON"],
        "empty.json": ["", "it is damaged, cut short, or no JSON"],
        "cut.json": [readFileSync(now.json).subarray(0, 5000), "it is damaged, cut short, or no JSON"],
        "cut.json.gz": [gz.subarray(0, gz.length - 40), "it is damaged, cut short, or no JSON"],
        "flipped.json.gz": [Buffer.from(gz).fill(7, 300, 400), "it is damaged, cut short, or no JSON"],
        "picture.png": [Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 255]), "it is damaged, cut short, or no JSON"],
        "page.html": ["<p>hello</p>", "it is damaged, cut short, or no JSON"],
        "later.json": [JSON.stringify({...giltracer, schema: 2}), "its schema is not 1: make it anew"],
        "bare.json": [JSON.stringify({...giltracer, metrics: {runs: 1}}),
                      "it has no metrics: perf2trace makes them with --fail-if only"],
        "long.json.gz": [long, "it holds more than 100 MB: make it with --summary"],
    };
    for (const [name, [content, why]] of Object.entries(cases)) {
        await choose(page, file(name, content));
        assert.equal(await result(page).innerText(), `${name} cannot be compared: ${why}.`);
        assert.equal(await result(page).locator("[role=alert]").count(), 1);
    }
    assert.deepEqual(await violations(page), []);
    await choose(page, earlier.json); // and what is one is read after it
    assert.ok((await rowsOf(page)).length > 8);
    page.check();
});

test("a page without figures says so", async () => {
    const html = pageWith(now, "without.html", ({metrics, ...rest}) => rest);
    const page = await open(browser, {html});
    await choose(page, earlier.json);
    assert.match(await result(page).innerText(), /^compare-earlier\.json .*: this report has no metrics/);
    page.check();
});

/** The most memory that a renderer of this test's browsers ever had, in MB. */
function peakOfRenderers() {
    const field = (pid, name) =>
        Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
    const isOurs = (pid) => pid === process.pid || pid > 1 && isOurs(field(pid, "PPid"));
    const peaks = readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map((pid) => {
        try {
            return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("--type=renderer") &&
                isOurs(Number(pid)) ? field(pid, "VmHWM") / 1024 : 0;
        } catch {
            return 0; // it ended meanwhile
        }
    });
    return Math.max(...peaks);
}

test("of a gzip bomb no more is kept than may be read", async () => {
    const path = join(folder, "bomb.json.gz"), blanks = Buffer.alloc(1 << 20, " ");
    await pipeline(Array(1500).fill(blanks), createGzip({level: 9}), createWriteStream(path));
    assert.ok(statSync(path).size < 2e6); // the browser reads it at once
    const page = await open(browser, {html: now.html});
    await choose(page, path);
    assert.match(await result(page).innerText(), /^bomb\.json\.gz .*: it holds more than 100 MB/);
    const peak = peakOfRenderers();
    assert.ok(peak > 50 && peak < 800, `${peak} MB`);
    page.check();
});

test("names are text, of a length, and tables have an end", async () => {
    const page = await open(browser, {html: now.html});
    const list = Array.from({length: 3000}, (_, i) => ({name: `${HOSTILE}\u202e${i} ${"x".repeat(5000)}`,
        unit: "share", of_thread: true, median: 0.5, least: 0.5, greatest: 0.5}));
    const odd = [null, 7, {name: 8}, {name: "no figures"}, {name: "__proto__", median: 1, least: 1, greatest: "1"},
                 {name: "constructor", unit: {}, median: 1e308, least: -1e308, greatest: 1e308}];
    const summary = {schema: 1, gils: [], metrics: {runs: {}, list: [...odd, ...list]}};
    await choose(page, file("hostile.json", JSON.stringify(summary)));
    assert.equal(await page.locator("#answers img, #answers script").count(), 0);
    const rows = await rowsOf(page);
    assert.equal(rows.length, 500);
    assert.ok(rows.every(([name]) => name.length <= 200 && !name.includes("\u202e")));
    assert.ok(rows.some(([name]) => name.startsWith(HOSTILE)));
    assert.match(await result(page).locator("p").innerText(), /\d+ more are not shown\.$/);
    assert.deepEqual(await violations(page), []);
    page.check();
});

test("the tab is for everybody, and nothing of it is cut", async () => {
    for (const [width, dark] of [[900, false], [1400, true]]) {
        const page = await open(browser, {html: now.html, width, dark, hash: "#tab=holds"});
        await page.locator("#tab-holds").focus();
        await press(page, "ArrowRight"); // by keyboard: the tab, its panel, the file
        assert.equal((await page.state()).tab, "compare");
        await press(page, "Tab", "Tab");
        assert.equal(await page.evaluate(() => document.activeElement.type), "file");
        await choose(page, earlier.json);
        assert.equal(await page.evaluate(() => document.activeElement.type), "file");
        assert.match(await page.locator("#panel-compare").innerText(),
                     /perf2trace --baseline before\.json after\.json -o diff\.html/);
        assert.deepEqual(await violations(page), []);
        const wide = await page.locator("#panel-compare").evaluate((panel) =>
            [panel, ...panel.querySelectorAll("*")].filter((element) =>
                element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0)
                .map((element) => element.outerHTML.slice(0, 80)));
        assert.deepEqual(wide, []);
        await page.screenshot({path: join(shots, `compare-${width}.png`)});
        page.check();
    }
});
