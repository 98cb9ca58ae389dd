// SPDX-License-Identifier: MIT
// scripts/docs/report.png, which README shows: what a report of scripts/docs/examples/service.py looks
// like today. GT_UPDATE_SCREENSHOT=1 makes it anew.

import assert from "node:assert/strict";
import {execFileSync} from "node:child_process";
import {readFileSync, writeFileSync} from "node:fs";
import {join, resolve} from "node:path";
import {after, before, test} from "node:test";
import {crc32, deflateSync} from "node:zlib";
import {launch, open} from "./browser.js";
import {binaryDir, folder, shots, viewerFolder} from "./fixtures.js";

const docs = resolve(viewerFolder, "../../../scripts/docs");
const kept = join(docs, "report.png");
const SIZE = {width: 1280, height: 720};
const MAX_BYTES = 100_000;
// What a reader finds his way by: the picture is out of date when any of it is another. Whether threads
// waited for locks at all is another matter in each run.
const MARKS = "section[aria-label], aside[aria-label], [role=tab], #threads-table thead th, .buttons button, " +
    "#legend button";

let browser;
before(async () => {
    browser = await launch();
});
after(() => browser?.close());

/** Pixels of a PNG: red, green, blue, alpha of each. */
async function pixels(page, png) {
    const url = `data:image/png;base64,${png.toString("base64")}`;
    return page.evaluate(async ([source, {width, height}]) => {
        const image = new Image();
        image.src = source;
        await image.decode();
        const canvas = new OffscreenCanvas(width, height);
        const context = canvas.getContext("2d");
        context.drawImage(image, 0, 0);
        return Array.from(context.getImageData(0, 0, width, height).data);
    }, [url, SIZE]);
}

/** The 256 most frequent colours, and of each colour the place of the nearest one among them. */
function palette(colours) {
    const counts = new Map();
    colours.forEach((colour) => counts.set(colour, (counts.get(colour) ?? 0) + 1));
    const kept = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 256).map(([colour]) => colour);
    const channel = (a, b, by) => ((a >> by & 255) - (b >> by & 255)) ** 2;
    const far = (a, b) => channel(a, b, 16) + channel(a, b, 8) + channel(a, b, 0);
    const nearest = new Map([...counts.keys()].map((colour) => [colour, kept.reduce((best, one, i) =>
        far(one, colour) < far(kept[best], colour) ? i : best, 0)]));
    return {bytes: kept.flatMap((colour) => [colour >> 16, colour >> 8 & 255, colour & 255]), nearest};
}

function chunk(type, content) {
    const body = Buffer.concat([Buffer.from(type), content]), ends = Buffer.alloc(8);
    ends.writeUInt32BE(content.length, 0);
    ends.writeUInt32BE(crc32(body), 4);
    return Buffer.concat([ends.subarray(0, 4), body, ends.subarray(4)]);
}

/** The picture in 256 colours, a third as long, with what is to be found on it. */
function encode(data, {width, height}, marks) {
    const colours = Array.from({length: width * height}, (_, i) =>
        data[4 * i] << 16 | data[4 * i + 1] << 8 | data[4 * i + 2]);
    const {bytes, nearest} = palette(colours);
    const rows = Buffer.alloc((width + 1) * height);
    colours.forEach((colour, i) => {
        rows[Math.floor(i / width) * (width + 1) + 1 + i % width] = nearest.get(colour);
    });
    const header = Buffer.alloc(13);
    header.writeUInt32BE(width, 0);
    header.writeUInt32BE(height, 4);
    header.set([8, 3, 0, 0, 0], 8);
    return Buffer.concat([Buffer.from("\x89PNG\r\n\x1a\n", "latin1"), chunk("IHDR", header),
        chunk("tEXt", Buffer.from(`Description\0${JSON.stringify(marks)}`)),
        chunk("PLTE", Buffer.from(bytes)), chunk("IDAT", deflateSync(rows, {level: 9})),
        chunk("IEND", Buffer.alloc(0))]);
}

/** The content of a PNG's first chunk of that type. */
function find(png, type) {
    for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at)) {
        const length = png.readUInt32BE(at);
        if (png.toString("latin1", at + 4, at + 8) === type)
            return png.subarray(at + 8, at + 8 + length);
    }
    return Buffer.alloc(0);
}

test("the picture of README is what a report looks like", async () => {
    const html = join(folder, "service.html");
    execFileSync(join(binaryDir, "giltracer"), ["-q", "-o", html, "--python", "/usr/bin/python3",
        "service.py"], {cwd: join(docs, "examples"), stdio: "pipe"});
    const page = await open(browser, {html, ...SIZE});
    const now = await page.screenshot({path: join(shots, "report.png")});
    page.check();
    const marks = await page.locator(MARKS).evaluateAll((found) => found.map((element) =>
        element.getAttribute("aria-label") ?? element.textContent.trim()).filter((text) =>
        !text.startsWith("Lock")));
    assert.ok(marks.length > 20 && marks.includes("Blockers"), `${marks}`);
    if (process.env.GT_UPDATE_SCREENSHOT) {
        const other = await browser.newPage();
        writeFileSync(kept, encode(await pixels(other, now), SIZE, marks));
    }
    const picture = readFileSync(kept);
    const shown = find(picture, "tEXt").toString().split("\0")[1];
    assert.deepEqual(JSON.parse(shown), marks, "the page has changed since: " +
        "GT_UPDATE_SCREENSHOT=1 node --test screenshot.test.js makes the picture anew; look at it");
    assert.ok(picture.length < MAX_BYTES, `${picture.length} bytes`);
    const header = find(picture, "IHDR");
    assert.deepEqual([header.readUInt32BE(0), header.readUInt32BE(4)], Object.values(SIZE));
});
