// SPDX-License-Identifier: MIT
// The tab "What if": the summary's estimates, what they assume, or why there are none.

import assert from "node:assert/strict";
import {readFileSync, writeFileSync} from "node:fs";
import {join} from "node:path";
import {after, afterEach, before, test} from "node:test";
import {closePages, launch, open} from "./browser.js";
import {contended, folder, makePage, shots, traceProgram} from "./fixtures.js";
import {require} from "./tests.js";

const NAME = '"><img src=x onerror=alert(1)>';
const PROGRAM = `
import threading
def outer(n):
    sorted(range(n))
exec("def f(): outer(100000)")
f.__code__ = f.__code__.replace(co_name='${NAME}')
threads = [threading.Thread(target=f) for _ in range(2)]
for t in threads: t.start()
for t in threads: t.join()
`;

const estimate = (fields, ...walls) => ({
    gil: null, function: null, file: null, line: null, caller: null, kept_cause: null,
    wall_ns: walls[1], speedup: 1, sentence: `Sentence of ${fields.if}.`, ...fields,
    by_cores: walls.map((wall_ns, i) => ({cores: 2 ** i, wall_ns,
                                          speedup: wall_ns && 1_520_000_000 / wall_ns})),
});
const GIVEN = {
    reason: null, cores: 2, recorded_ns: 1_520_000_000, replayed_ns: 1_503_000_000, error: -0.0112,
    assumptions: ["The threads do the same <work>.", "Sleeps take as long as they did."],
    estimates: [
        estimate({if: "recorded"}, 1_540_000_000, 1_520_000_000, 1_520_000_000),
        estimate({if: "function", gil: 0, function: "sorted", file: "/app/lib/rank.py", line: 4,
                  caller: "outer"}, 1_500_000_000, 760_000_000, 500_000),
        estimate({if: "function", gil: 0, function: NAME, file: null}, null, null, null),
        estimate({if: "functions"}, 1_500_000_000, 755_000_000, 400_000_000),
        estimate({if: "no-gil"}, 1_500_000_000, 750_000_000, 380_000_000),
    ],
};

let browser, small, program;
before(async () => {
    browser = await launch();
    small = await makePage("small", contended({turns: 30}).text());
    program = traceProgram("whatif", PROGRAM);
});
afterEach(() => closePages(browser));
after(() => browser?.close());

/** A copy of a page whose summary has these estimates. */
function withWhatIf(made, name, whatIf) {
    const html = join(folder, `${name}.html`);
    const text = readFileSync(made.html, "utf8").replace(
        /(id="summary-data">)([^<]*)/, (all, head, json) => head +
            JSON.stringify({...JSON.parse(json), potential: whatIf}).replaceAll("<", "\\u003c"));
    writeFileSync(html, text);
    return html;
}

test("each estimate is a row, with the cores it was made for, and what is assumed", async (t) => {
    if (!require(t, program.missing))
        return;
    const page = await open(browser, {html: withWhatIf(program, "given", GIVEN),
                                      hash: "#tab=whatif"});
    const panel = page.locator("#panel-whatif");
    await panel.locator("tbody tr").first().waitFor();
    assert.deepEqual(await panel.locator("th").allTextContents(),
                     ["If", "Where", "1 core", "2 cores, as recorded", "4 cores"]);
    const rows = await panel.locator("tbody tr").evaluateAll((list) => list.map((row) =>
        [row.title, ...[...row.cells].map((cell) => cell.innerText.replace(/\s+/g, " ").trim())]));
    assert.deepEqual(rows, [
        ["Sentence of recorded.", "as it is", "", "1.54 s 0.99×",
         "1.52 s 1.00×", "1.52 s 1.00×"],
        ["Sentence of function.", "sorted released the GIL", "rank.py:4", "1.50 s 1.01×",
         "760.0 ms 2.00×", "500.0 µs 3040.00×"],
        ["Sentence of function.", `${NAME} released the GIL`, "", "?", "?", "?"],
        ["Sentence of functions.", "all of these released the GIL", "", "1.50 s 1.01×",
         "755.0 ms 2.01×", "400.0 ms 3.80×"],
        ["Sentence of no-gil.", "there were no GIL (free-threaded build)", "", "1.50 s 1.01×",
         "750.0 ms 2.03×", "380.0 ms 4.00×"]]);
    assert.match(await page.locator("#whatif-scope").textContent(),
                 /whole run.* 1\.52 s on 2 cores.*reproduces the recorded run to 1\.1%/);
    assert.deepEqual(await panel.locator(".assumptions li").allTextContents(), GIVEN.assumptions);
    assert.deepEqual(await panel.locator(".withheld").allTextContents(),
                     ["Sentence of function."]); // why there are question marks
    await page.screenshot({path: join(shots, "whatif.png")});

    await page.locator("#tab-matrix").click();
    await page.keyboard.press("ArrowLeft"); // the tab and a row's function, by keyboard
    assert.equal((await page.state()).tab, "whatif");
    await panel.locator("tbody tr:nth-child(2) button").focus();
    await page.keyboard.press("Enter");
    await page.settled();
    const {selection} = await page.state();
    assert.equal(selection.kind, "call");
    assert.match(await page.locator("#details-body").textContent(), /sorted/);
    page.check();
});

test("the page says of a run what the summary says, the reason where nothing is estimated", async () => {
    for (const made of [program, small].filter(({missing}) => !missing)) {
        const {potential: whatIf} = made.trace().giltracer;
        const page = await open(browser, {html: made.html, hash: "#tab=whatif"});
        const panel = page.locator("#panel-whatif");
        await panel.locator("p").first().waitFor();
        const shown = await panel.locator("td[data-cores]").evaluateAll((cells) =>
            cells.map(({dataset}) => [Number(dataset.cores), dataset.value]));
        assert.deepEqual(shown, whatIf.estimates.flatMap(({by_cores: byCores}) => byCores.map(
            ({cores, wall_ns: wall}) => [cores, wall === null ? undefined : String(wall)])));
        const reason = page.locator("#no-estimates");
        assert.equal(await reason.count(), whatIf.reason ? 1 : 0);
        if (whatIf.reason)
            assert.ok((await reason.textContent()).includes(whatIf.reason));
        page.check();
    }
    assert.ok(small.trace().giltracer.potential.reason, "one of them has a reason");
});

test("a replay that misses the run's length is told with what it found", async () => {
    const page = await open(browser, {hash: "#tab=whatif", html: withWhatIf(small, "missed",
        {...GIVEN, estimates: [], assumptions: [], reason: "the replay <b>misses</b> it"})});
    await page.locator("#no-estimates").waitFor();
    assert.equal(await page.locator("#no-estimates").textContent(),
                 "Nothing is estimated: the replay <b>misses</b> it (1.50 s instead of 1.52 s).");
    page.check();
});
