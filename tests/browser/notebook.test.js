// SPDX-License-Identifier: MIT
// What %%giltracer shows in a notebook: the table, and the page in a frame that can only run its scripts.

import assert from "node:assert/strict";
import {spawnSync} from "node:child_process";
import {readdirSync} from "node:fs";
import {join, resolve} from "node:path";
import {after, before, test} from "node:test";
import {launch, openAny} from "./browser.js";
import {binaryDir, folder, shots, viewerFolder} from "./fixtures.js";
import {require} from "./tests.js";

const program = resolve(viewerFolder, "../../../tests/notebooks.py");

let browser;
before(async () => {
    browser = await launch();
});
after(() => browser?.close());

test("a notebook shows the table, and the page in its frame", async (t) => {
    const made = spawnSync("/usr/bin/python3", ["-B", program, folder], {
        env: {...process.env, GILTRACER: join(binaryDir, "giltracer")}, encoding: "utf8"});
    if (made.status !== 0 && !require(t, made.stderr.includes("not installed") && made.stderr))
        return;
    assert.equal(made.status, 0, made.stderr);
    const page = await openAny(browser, {html: join(folder, "notebook.html"), height: 1400});
    const link = await page.locator("a[href^='giltracer-results/']").getAttribute("href");
    assert.deepEqual(readdirSync(join(folder, "giltracer-results")), [link.split("/")[1]]);
    await page.locator("td", {hasText: "waiter"}).first().waitFor();
    const frame = page.frames().find((one) => one !== page.mainFrame());
    await frame.waitForFunction(() => document.getElementById("app")?.dataset.state === "ready", null,
        {timeout: 60000});
    await frame.locator("#threads-table", {hasText: "waiter"}).waitFor();
    const size = await page.locator("iframe").boundingBox();
    assert.ok(size.height === 500 && size.width > 1000, JSON.stringify(size));
    // Its timeline is drawn, and its controls work.
    const colours = await frame.evaluate(() => {
        const canvas = [...document.querySelectorAll("canvas")].sort((a, b) =>
            b.width * b.height - a.width * a.height)[0];
        const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
        return new Set(new Uint32Array(pixels.buffer)).size;
    });
    assert.ok(colours > 4, `${colours} colours`);
    const tab = frame.locator("[role=tab][aria-selected=false]").first();
    const name = await tab.textContent();
    await tab.click();
    // Drawn with the next frame of the browser, so waited for.
    await frame.locator("[role=tab][aria-selected=true]", {hasText: name}).waitFor();
    await page.screenshot({path: join(shots, "notebook.png"), fullPage: true});
    page.check();
});
