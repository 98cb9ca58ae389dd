// SPDX-License-Identifier: MIT
// Debian's Chromium, and a page in it that must not complain and must not use the network.

import assert from "node:assert/strict";
import {existsSync, readFileSync} from "node:fs";
import {pathToFileURL} from "node:url";
import {gunzipSync} from "node:zlib";
import {chromium} from "playwright-core";

export const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser"].find(existsSync);
export const ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
                   "--no-first-run", "--disable-background-networking",
                   "--disable-component-update", "--disable-sync"];

export async function launch() {
    assert.ok(CHROMIUM, "chromium is not installed");
    return chromium.launch({executablePath: CHROMIUM, args: ARGUMENTS});
}

/** The trace that a page saved, which is gzipped where it is large. */
export async function savedTrace(download) {
    const bytes = readFileSync(await download.path());
    return JSON.parse(bytes[0] === 0x1f ? gunzipSync(bytes) : bytes);
}

/** Close what a test opened: pages left open take time from those that follow. */
export async function closePages(browser) {
    await Promise.all((browser?.contexts() ?? []).map((context) => context.close()));
}

/** Open any page with the network cut. `check()` fails on any complaint or request. */
export async function openAny(browser, {html, hash = "", width = 1440, height = 900,
                                        dark = false}) {
    const context = await browser.newContext({
        viewport: {width, height}, colorScheme: dark ? "dark" : "light", acceptDownloads: true,
    });
    await context.setOffline(true);
    const page = await context.newPage();
    const complaints = [];
    page.on("console", (message) => complaints.push(`${message.type()}: ${message.text()}`));
    page.on("pageerror", (error) => complaints.push(`error: ${error.stack}`));
    page.on("dialog", (dialog) => { complaints.push("a dialog"); dialog.dismiss(); });
    page.on("request", (request) => {
        if (!/^(file|data|blob):/.test(request.url()))
            complaints.push(`request: ${request.url()}`);
    });
    await page.goto(pathToFileURL(html).href + hash);
    page.check = () => assert.deepEqual(complaints, []);
    /** Wait until changes of the view are drawn. */
    page.settled = () => page.evaluate(() => new Promise((resolve) =>
        requestAnimationFrame(() => requestAnimationFrame(resolve))));
    return page;
}

/** Open a report's page, likewise. */
export async function open(browser, options) {
    const page = await openAny(browser, options);
    await page.waitForFunction(() =>
        document.getElementById("app").dataset.state !== "loading", null, {timeout: 60000});
    page.state = () => page.evaluate(() => {
        const {from, to, range, selection, tab, order, filter} = window.giltracer.view;
        return {from, to, range, selection, tab, order, filter};
    });
    return page;
}

/** Press keys one after the other, and wait until what they change is drawn. */
export async function press(page, ...keys) {
    for (const key of keys)
        await page.keyboard.press(key);
    await page.settled();
}
