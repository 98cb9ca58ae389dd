// SPDX-License-Identifier: MIT
// Recordings as `perf script` text, made by rule, and pages made from them by perf2trace.

import {execFileSync, spawn} from "node:child_process";
import {once} from "node:events";
import {existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from "node:fs";
import {tmpdir} from "node:os";
import {dirname, join, resolve} from "node:path";
import {fileURLToPath} from "node:url";

const source = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
export const viewerFolder = join(source, "lib/report/viewer");

/** The build folder: GT_BINARY_DIR, else build/. */
export const binaryDir = resolve(source, process.env.GT_BINARY_DIR ?? "build");
export const perf2trace = join(binaryDir, "perf2trace");
if (!existsSync(perf2trace))
    throw new Error(`${perf2trace} is missing: build first, or set GT_BINARY_DIR`);

export const folder = mkdtempSync(join(tmpdir(), "giltracer-browser-"));
process.on("exit", () => rmSync(folder, {recursive: true, force: true}));

// Screenshots for people: GT_SCREENSHOTS names a folder to keep them in.
export const shots = process.env.GT_SCREENSHOTS ?? join(folder, "screenshots");
mkdirSync(shots, {recursive: true});

const COND = 0x7f4623b4e6c8;
const ZERO_NS = 1325_000_000_000;

/** The same numbers each time (mulberry32). */
export function random(seed) {
    return () => {
        seed = seed + 0x6d2b79f5 | 0;
        let t = Math.imul(seed ^ seed >>> 15, 1 | seed);
        t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
        return ((t ^ t >>> 14) >>> 0) / 4294967296;
    };
}

/** Lines of `perf script --ns -F comm,pid,tid,cpu,time,event,trace`. */
export class Recording {
    constructor(pid = 100, name = "python3") {
        this.lines = [];
        this.time = 0; // ns
        this.pid = pid;
        this.names = new Map([[pid, name]]);
    }

    line(tid, text, pid = this.pid) {
        const at = ZERO_NS + this.time;
        const seconds = Math.floor(at / 1e9), rest = String(at % 1e9).padStart(9, "0");
        const name = this.names.get(tid) ?? this.names.get(this.pid);
        const padding = " ".repeat(Math.max(0, 16 - Buffer.byteLength(name))); // perf counts bytes
        this.lines.push(`${padding}${name} ${pid}/${tid} ` +
            `[000] ${seconds}.${rest}: ${text}\n`);
    }

    fork(tid, name = null, pid = this.pid) {
        this.line(this.pid, `PERF_RECORD_FORK(${pid}:${tid}):(${this.pid}:${this.pid})`);
        if (name !== null) {
            this.names.set(tid, name);
            this.line(tid, `PERF_RECORD_COMM: ${name}:${pid}/${tid}`, pid);
        }
    }

    exit(tid, pid = this.pid) {
        this.line(tid, `PERF_RECORD_EXIT(${pid}:${tid}):(${this.pid}:${this.pid})`, pid);
    }

    wait(tid, gil = 0) {
        this.line(tid, `gil:wait: (7f84ad4a5e20) cond=0x${(COND + gil * 4096).toString(16)}`);
    }

    acquire(tid, gil = 0) {
        this.line(tid, `gil:signal: (7f84ad4a5e20) cond=0x${(COND + 88 + gil * 4096).toString(16)}`);
    }

    release(tid, gil = 0) {
        this.line(tid, `gil:signal: (7f84ad4a5e20) cond=0x${(COND + gil * 4096).toString(16)}`);
    }

    lost(count) {
        this.line(this.pid, `PERF_RECORD_LOST lost ${count}`);
    }

    text() {
        return this.lines.join("");
    }
}

/** `threads` that want one GIL: each waits in a queue, holds for a while, then is away. */
export function contended({threads = 3, turns = 60, seed = 1, names = [], recording} = {}) {
    const record = recording ?? new Recording();
    const next = random(seed);
    const tids = Array.from({length: threads}, (_, i) => record.pid + 1 + i);
    record.acquire(record.pid);
    record.time += 2_000_000;
    tids.forEach((tid, i) => {
        record.fork(tid, names[i] ?? null);
        record.time += 50_000;
    });
    record.release(record.pid);
    const queue = [];
    let away = [...tids];
    for (let turn = 0; turn < turns; turn++) {
        while (away.length > 0 && (queue.length === 0 || next() < 0.6)) {
            const tid = away.splice(Math.floor(next() * away.length), 1)[0];
            record.time += 1_000 + Math.floor(next() * 90_000);
            record.wait(tid);
            queue.push(tid);
        }
        const owner = queue.shift();
        record.time += 5_000 + Math.floor(next() * 20_000);
        record.acquire(owner);
        record.time += 100_000 + Math.floor(next() * 6_000_000);
        record.release(owner);
        away = [...away, owner];
    }
    for (const tid of queue) {
        record.time += 7_000;
        record.acquire(tid);
        record.time += 30_000;
        record.release(tid);
    }
    for (const tid of tids) {
        record.time += 10_000;
        record.exit(tid);
    }
    record.time += 1_000_000;
    record.exit(record.pid);
    return record;
}

/** Two threads that share a CPU, with scheduling events. */
export function scheduled() {
    const record = new Recording();
    record.fork(101);
    const change = (from, state, to) => record.line(from, `sched:sched_switch: prev_comm=python3 ` +
        `prev_pid=${from} prev_prio=120 prev_state=${state} ==> next_comm=python3 ` +
        `next_pid=${to} next_prio=120`);
    for (let i = 0; i < 20; i++) {
        record.acquire(100);
        record.time += 900_000;
        record.release(100);
        record.time += 100_000;
        change(100, ["S", "R", "D"][i % 3], 101);
        record.time += 50_000;
        record.acquire(101);
        record.time += 700_000;
        record.release(101);
        record.time += 20_000;
        if (i % 3 !== 1)
            record.line(101, "sched:sched_wakeup: comm=python3 pid=100 prio=120 target_cpu=000");
        record.time += 30_000;
        record.line(101, `${i + 1} page-faults: `);
        if (i % 4 === 0)
            record.line(100, "7 cycles:u: ");
        change(101, "R", 100);
        record.time += 10_000;
    }
    return record.text();
}

/** Events are lost; then 101 has the GIL again. */
export function lossy() {
    const record = new Recording();
    const half = contended({recording: record, turns: 20, seed: 4});
    half.lines.splice(-4); // exits
    record.lost(77);
    record.time += 5_000_000;
    record.acquire(101);
    record.time += 3_000_000;
    record.release(101);
    return record;
}

/** Each with threads that want its GIL. */
export function twoProcesses() {
    const record = contended({turns: 30, seed: 8, names: ["reader", "writer", "worker"]});
    const other = contended({recording: new Recording(5000, "helper"), turns: 10, seed: 9});
    return record.text() + other.text();
}

/** Nearly uncontended takes and drops of three threads: `events` of them, as chunks. */
export function* heavyText(events) {
    const record = new Recording();
    const next = random(7);
    for (const tid of [101, 102, 103])
        record.fork(tid);
    let owner = 101, waiter = null;
    for (let i = 0; i < events / 2; i++) {
        if (i % 600 === 0) {
            waiter = 101 + (owner - 100) % 3;
            record.wait(waiter);
        }
        record.time += 900 + Math.floor(next() * 9_000);
        record.acquire(owner);
        record.time += 700 + Math.floor(next() * 12_000);
        record.release(owner);
        if (i % 600 === 40)
            owner = waiter;
        if (record.lines.length > 50_000) {
            yield record.text();
            record.lines = [];
        }
    }
    yield record.text();
}

/** Make a page, and the JSON's summary, of perf script text (a string or chunks), by further options. */
export async function makePage(name, text, mode = "gil", options = []) {
    const html = join(folder, `${name}.html`), json = join(folder, `${name}.json`);
    const child = spawn(perf2trace, ["-q", ...options, "-o", html, "-o", json, mode],
                        {stdio: ["pipe", "inherit", "inherit"]});
    const ended = once(child, "exit");
    for (const chunk of typeof text === "string" ? [text] : text)
        if (!child.stdin.write(chunk))
            await once(child.stdin, "drain");
    child.stdin.end();
    const [code] = await ended;
    if (code !== 0)
        throw new Error(`perf2trace ended with ${code}`);
    return {html, json, trace: () => JSON.parse(readFileSync(json, "utf8"))};
}

/** Trace a real program with its calls, by further options; `missing` says why where that is not
 * possible. What this machine's Python would import by itself is no part of it. */
export function traceProgram(name, code, ...options) {
    const script = join(folder, `${name}.py`), html = join(folder, `${name}.html`);
    const json = join(folder, `${name}.json`);
    writeFileSync(script, code);
    try {
        execFileSync(join(binaryDir, "giltracer"), ["-q", "--python-trace", ...options,
            "-o", html, "-o", json, "--", "/usr/bin/python3", "-I", "-S", script],
            {stdio: "pipe"});
    } catch (error) {
        return {missing: String(error.stderr ?? error)};
    }
    return {html, json, trace: () => JSON.parse(readFileSync(json, "utf8"))};
}
