// SPDX-License-Identifier: MIT
// What a reader of a page waits for: `node measure.js PAGE ROUNDS` prints, as JSON, a list of
// {drawn, answer, frames, memory, ready, same} (ms and bytes), each of a browser of its own: the first
// drawing after navigation; from a key that is pressed then until its frame; the 95th percentile of
// frames until 5 s after the drawing; the most that the tab's process took for itself; when all was
// decoded; whether the overview was then still the one that was drawn first.

import {readFileSync, readdirSync} from "node:fs";
import {pathToFileURL} from "node:url";
import {chromium} from "playwright-core";
import {ARGUMENTS, CHROMIUM} from "./browser.js";

const FRAMES_MS = 5000;

function parentOf(pid) {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
}

/** What the largest renderer below a process has for itself, in bytes. */
function tabMemory(root) {
    const isBelow = (pid) => pid > 1 && (pid === root || isBelow(parentOf(pid)));
    let most = 0;
    for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number)) {
        try {
            if (!readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("--type=renderer") ||
                !isBelow(pid))
                continue;
            const own = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8")
                .matchAll(/^Private_(?:Clean|Dirty): +(\d+) kB/gm);
            most = Math.max(most, [...own].reduce((sum, [, kb]) => sum + kb * 1024, 0));
        } catch { /* it ended meanwhile */ }
    }
    return most;
}

/** In the page, before its own code. */
function watch(framesMs) {
    const seen = window.seen = {frames: []};
    const picture = () => document.getElementById("overview-canvas").toDataURL();
    new PerformanceObserver((list) => {
        const [mark] = list.getEntriesByName("giltracer-drawn");
        if (!mark)
            return;
        Object.assign(seen, {drawn: mark.startTime, early: picture()});
        const pressed = performance.now();
        document.getElementById("lanes").dispatchEvent(
            new KeyboardEvent("keydown", {key: "w", bubbles: true}));
        requestAnimationFrame(() => setTimeout(() => {
            seen.answer = performance.now() - pressed;
            let last = performance.now();
            const frame = (now) => {
                seen.frames.push(now - last);
                last = now;
                if (now < seen.drawn + framesMs)
                    requestAnimationFrame(frame);
            };
            requestAnimationFrame(frame);
        }));
    }).observe({entryTypes: ["mark"]});
    seen.isSame = () => picture() === seen.early;
}

async function measure(html) {
    const server = await chromium.launchServer({executablePath: CHROMIUM, args: ARGUMENTS});
    const browser = await chromium.connect(server.wsEndpoint());
    const context = await browser.newContext({viewport: {width: 1440, height: 900}});
    await context.setOffline(true);
    const page = await context.newPage();
    await page.addInitScript(watch, FRAMES_MS);
    let memory = 0;
    const timer = setInterval(() => {
        memory = Math.max(memory, tabMemory(server.process().pid));
    }, 100);
    await page.goto(pathToFileURL(html).href);
    await page.waitForFunction(() => document.getElementById("app").dataset.state !== "loading",
                               null, {timeout: 120000});
    const ready = await page.evaluate(() => performance.now());
    await page.waitForFunction((ms) => performance.now() > window.seen.drawn + ms, FRAMES_MS);
    clearInterval(timer);
    const {drawn, answer, frames, same} = await page.evaluate(() =>
        ({...window.seen, same: window.seen.isSame()}));
    await browser.close();
    await server.close();
    frames.sort((a, b) => a - b);
    return {drawn, answer, frames: frames[Math.floor(frames.length * 0.95)], memory, ready, same};
}

const [html, rounds] = process.argv.slice(2), results = [];
while (results.length < Number(rounds))
    results.push(await measure(html));
console.log(JSON.stringify(results));
