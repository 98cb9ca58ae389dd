// SPDX-License-Identifier: MIT
// The profiles open in the tools that they are for: pprof's format in a decoder of its own kind,
// and folded stacks, pprof and the trace in speedscope's importers.

import assert from "node:assert/strict";
import {execFileSync} from "node:child_process";
import {readFileSync} from "node:fs";
import {createRequire} from "node:module";
import {dirname, join, resolve} from "node:path";
import {after, before, test} from "node:test";
import {pathToFileURL, fileURLToPath} from "node:url";
import {gunzipSync} from "node:zlib";
import {Profile} from "pprof-format";
import {launch} from "./browser.js";
import {binaryDir, folder} from "./fixtures.js";

const culprits = resolve(dirname(fileURLToPath(import.meta.url)), "../targets/culprits.py");
const speedscope = join(dirname(createRequire(import.meta.url).resolve("speedscope/package.json")),
                        "dist/release/index.html");
const file = (name) => join(folder, name);
let browser, summary;

before(async () => {
    execFileSync(join(binaryDir, "giltracer"),
                 ["-q", "--gil-source", "agent", "-o", file("p.folded"), "-o", file("p.pb.gz"),
                  "-o", file("p.json"), culprits, "sort"], {stdio: ["ignore", "ignore", "inherit"]});
    summary = JSON.parse(readFileSync(file("p.json"), "utf8")).giltracer;
    browser = await launch();
});

after(() => browser?.close());

test("pprof-format decodes the profile, and its sums are the summary's", () => {
    const profile = Profile.decode(gunzipSync(readFileSync(file("p.pb.gz"))));
    const text = (index) => profile.stringTable.strings[Number(index)];
    assert.deepEqual(profile.sampleType.slice(0, 3).map((one) => [text(one.type), text(one.unit)]),
                     [["wait", "nanoseconds"], ["hold", "nanoseconds"], ["count", "count"]]);
    const sum = (column) => profile.sample.reduce((all, one) => all + Number(one.value[column]), 0);
    assert.equal(sum(0), summary.gils[0].wait_ns);
    assert.equal(sum(1), summary.gils[0].hold_ns);
    const functions = new Map(profile.function.map((one) => [Number(one.id), text(one.name)]));
    assert.ok([...functions.values()].includes("sorted"));
    const locations = new Set(profile.location.map((one) => Number(one.id)));
    for (const one of profile.sample)
        for (const id of one.locationId)
            assert.ok(locations.has(Number(id)));
    const labels = new Set(profile.sample.flatMap((one) => one.label.map((label) => text(label.key))));
    for (const key of ["host", "pid", "thread", "command"])
        assert.ok(labels.has(key), key);
});

for (const name of ["p.folded", "p.pb.gz", "p.json"]) {
    test(`speedscope opens ${name}`, async () => {
        const context = await browser.newContext();
        await context.setOffline(true);
        const page = await context.newPage();
        const complaints = [];
        page.on("pageerror", (error) => complaints.push(String(error)));
        page.on("dialog", (dialog) => {
            complaints.push(dialog.message());
            dialog.dismiss();
        });
        page.on("console", (message) => {
            if (message.type() === "error" && /profile|import|format/i.test(message.text()))
                complaints.push(message.text());
        });
        await page.goto(pathToFileURL(speedscope).href);
        await page.setInputFiles("input[type=file]", file(name));
        await page.waitForFunction(() => /Time Order|Left Heavy|Sandwich/.test(document.body.innerText),
                                   null, {timeout: 20000});
        await page.evaluate(() => new Promise((drawn) =>
            requestAnimationFrame(() => requestAnimationFrame(drawn))));
        assert.deepEqual(complaints, []);
        await context.close();
    });
}
