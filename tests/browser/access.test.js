// SPDX-License-Identifier: MIT
// For everybody: axe-core finds no violation, nothing is cut at any width, keys work after any
// click, and who is new is told where to begin.

import assert from "node:assert/strict";
import {readFileSync} from "node:fs";
import {createRequire} from "node:module";
import {join} from "node:path";
import {after, afterEach, before, test} from "node:test";
import {closePages, launch, open, press} from "./browser.js";
import {Recording, contended, lossy, makePage, scheduled, shots, traceProgram, twoProcesses}
    from "./fixtures.js";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const FUNCTIONS = `
import json, threading
def work(name):
    for _ in range(60):
        json.loads(json.dumps({str(i): i for i in range(2000)}))
threads = [threading.Thread(target=work, args=(i,), name="parser-%d" % i) for i in range(3)]
for thread in threads: thread.start()
for thread in threads: thread.join()
`;

let browser;
const pages = {};

function silent() {
    const recording = new Recording();
    recording.fork(101, "idle");
    recording.time += 1e9;
    recording.exit(101);
    return recording.lines.join("");
}

before(async () => {
    browser = await launch();
    const make = async (name, text, mode) => {
        pages[name] = (await makePage(`access-${name}`, text, mode)).html;
    };
    await make("small", contended({turns: 80, names: ["io-loop", null, "数据"]}).text());
    await make("lost", lossy().text());
    await make("wide", contended({threads: 200, turns: 900, seed: 3}).text());
    await make("hostile", contended({threads: 3, names: ["</script>", "שלום", "🦊🔥"],
                                     turns: 60, seed: 5}).text());
    await make("several", twoProcesses());
    await make("states", scheduled(), "all");
    await make("silent", silent(), "all");
    pages.functions = traceProgram("access-functions", FUNCTIONS).html;
});
afterEach(() => closePages(browser));
after(() => browser?.close());

async function violations(page) {
    await page.evaluate(AXE);
    const found = await page.evaluate(() => window.axe.run(document, {
        runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}));
    return found.violations.map(({id, nodes}) =>
        `${id}: ${nodes.slice(0, 3).map(({html}) => html.slice(0, 120)).join(" | ")}`);
}

for (const name of ["small", "lost", "wide", "hostile", "several", "states", "silent",
                    "functions"]) {
    test(`axe-core finds nothing on a report: ${name}`, async () => {
        const page = await open(browser, {html: pages[name], dark: name === "several"});
        assert.deepEqual(await violations(page), []);
        for (const tab of await page.locator("[role=tab]:visible").all()) {
            await tab.click();
            await page.settled();
            assert.deepEqual(await violations(page), [], await tab.textContent());
        }
        await press(page, "?");
        assert.deepEqual(await violations(page), [], "help");
        page.check();
    });
}

test("keys work after any click", async () => {
    const page = await open(browser, {html: pages.small});
    const clicks = ["[role=tab]", "#threads-table tbody tr", "#order", "#spans", "#overview-canvas",
                    "#verdict", "#fit-all", "#details"];
    for (const selector of clicks) {
        await page.locator(selector).first().click();
        if (selector === "#order")
            await press(page, "Escape"); // closes the list, which has its own keys
        await press(page, "?");
        assert.ok(await page.locator("#help").evaluate((dialog) => dialog.open), selector);
        await press(page, "Escape");
        await press(page, "/");
        assert.equal(await page.evaluate(() => document.activeElement.id), "search", selector);
        await page.evaluate(() => document.activeElement.blur());
    }
    page.check();
});

/** Drag a file, or a text, over an element of the page and drop it: which of the two it took. */
function drop(page, selector, name) {
    return page.locator(selector).first().evaluate((element, file) => {
        const dataTransfer = new DataTransfer();
        if (file)
            dataTransfer.items.add(new File(["{}"], file));
        else
            dataTransfer.setData("text/plain", "some words");
        return ["dragover", "drop"].filter((type) => !element.dispatchEvent(
            new DragEvent(type, {dataTransfer, bubbles: true, cancelable: true})));
    }, name);
}

test("a file that is dropped does not take the page's place; the page reads it, and names the command", async () => {
    const page = await open(browser, {html: pages.small});
    const panel = page.locator("#panel-compare");
    assert.deepEqual(await drop(page, "#search", null), []); // words may be dropped where words go
    assert.ok(!await panel.isVisible());
    for (const selector of ["#spans", "#verdict", "#search"])
        assert.deepEqual(await drop(page, selector, "<img src=x onerror=alert(1)>.json"),
                         ["dragover", "drop"], selector);
    const refusal = panel.locator("[role=alert]");
    await refusal.waitFor();
    assert.match(await refusal.textContent(), /^<img src=x onerror=alert\(1\)>\.json cannot be compared: /);
    assert.match(await panel.textContent(), /perf2trace --baseline before\.json after\.json -o diff\.html/);
    assert.equal(await refusal.evaluate((element) => element.children.length), 0);
    assert.deepEqual(await violations(page), []);
    page.check();
});

test("who is new is told where to begin, once; in the help ever after", async () => {
    const page = await open(browser, {html: pages.small});
    const guide = page.locator("#details ul");
    assert.equal(await guide.locator("li").count(), 5);
    await press(page, "ArrowDown"); // the first thread
    assert.equal((await page.state()).selection.kind, "thread");
    await press(page, "Escape");
    assert.equal(await guide.count(), 0);
    await page.reload();
    await page.waitForFunction(() => document.getElementById("app").dataset.state === "ready");
    assert.equal(await guide.count(), 0);
    await press(page, "?");
    assert.equal(await page.locator("#help #guide li").count(), 5);
    page.check();
});

/** Texts that do not fit into their box and are not made to be cut (an ellipsis, a scroller). */
const cut = (page) => page.evaluate(() => {
    const scrolls = (element) => {
        for (let at = element; at && at !== document.documentElement; at = at.parentElement)
            if (/auto|scroll/.test(getComputedStyle(at).overflowX + getComputedStyle(at).overflowY))
                return true;
        return false;
    };
    return [...document.querySelectorAll("#verdict *, .panel:not([hidden]) *, #details *, #top *")]
        .filter((element) => element.checkVisibility() && element.children.length === 0 &&
            element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0 &&
            getComputedStyle(element).textOverflow !== "ellipsis" && !scrolls(element) &&
            getComputedStyle(element).overflowX === "hidden")
        .map((element) => `${element.tagName} ${element.textContent.slice(0, 60)}`);
});

test("nothing is cut at any width, nor at a zoom of 200%", async () => {
    for (const [name, width, height] of [["900", 900, 900], ["1400", 1400, 900],
                                         ["2560", 2560, 1300], ["zoomed", 720, 450]]) {
        const page = await open(browser, {html: pages.functions, width, height});
        for (const tab of await page.locator("[role=tab]:visible").all()) {
            await tab.click();
            await page.settled();
            const label = (await tab.textContent()).trim().split(" ")[0];
            assert.deepEqual(await cut(page), [], `${name} ${label}`);
            await page.screenshot({path: join(shots, `width-${name}-${label}.png`)});
        }
        const over = await page.evaluate(() =>
            document.documentElement.scrollWidth - document.documentElement.clientWidth);
        assert.ok(over <= 0, `${name}: the page is ${over} px too wide`);
        await page.context().close();
    }
});
