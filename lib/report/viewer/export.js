// The trace as Chrome Trace Event JSON, made in the page: to save, or to hand to Perfetto.

import {make, TimeSlice} from "./dom.js";

const PART_CHARACTERS = 1 << 20;
const PERFETTO = "https://ui.perfetto.dev";

/** Microseconds with all their nanoseconds. */
function microseconds(ns) {
    const rest = ns % 1000;
    const whole = (ns - rest) / 1000;
    return rest === 0 ? String(whole) : `${whole}.${String(rest).padStart(3, "0")}`;
}

function* nameEvents(model) {
    const event = (name, pid, tid, value) => JSON.stringify(
        {ph: "M", name, pid, tid, args: {name: value}});
    for (const process of model.processes)
        yield event("process_name", process.pid, process.pid, process.name);
    for (const thread of model.threads)
        yield event("thread_name", model.processes[thread.process].pid, thread.tid, thread.label);
}

/** One event per span: a thread's waits and holds follow each other and never overlap. */
function* spanEvents(model, gil) {
    const {pid} = model.processes[gil.process];
    for (const [name, spans] of [["GIL hold", gil.holdSpans], ["GIL wait", gil.waitSpans]]) {
        for (let i = 0; i < spans.count; i++) {
            const {tid} = model.threads[gil.members[spans.member[i]]];
            yield `{"ph":"X","cat":"gil","name":"${name}","pid":${pid},"tid":${tid},"ts":${
                microseconds(spans.start[i])},"dur":${microseconds(spans.end[i] - spans.start[i])},` +
                `"args":{"gil":${gil.number}}}`;
        }
    }
}

function* allEvents(model) {
    yield* nameEvents(model);
    for (const gil of model.gils)
        yield* spanEvents(model, gil);
}

/** The trace as a Blob; gives way to the page while it works. */
export async function traceBlob(model, summary) {
    const parts = [];
    const slice = new TimeSlice();
    let text = '{"displayTimeUnit":"ns","traceEvents":[\n', separator = "";
    for (const event of allEvents(model)) {
        text += separator + event;
        separator = ",\n";
        if (text.length >= PART_CHARACTERS) {
            parts.push(new Blob([text])); // lets go of the text
            text = "";
            if (slice.due)
                await slice.pause();
        }
    }
    text += `\n],"giltracer":${JSON.stringify(summary)}}\n`;
    return new Blob([...parts, text], {type: "application/json"});
}

export async function saveJson(model, summary) {
    const url = URL.createObjectURL(await traceBlob(model, summary));
    const file = location.pathname.split("/").at(-1).replace(/\.html?$/, "") || "giltracer";
    make("a", {href: url, download: `${decodeURIComponent(file)}.json`}).click();
    setTimeout(() => URL.revokeObjectURL(url), 60000);
}

/** Hand the trace to Perfetto's page, in a new window: it answers PING when it is ready. */
export async function openInPerfetto(model, summary, title) {
    const perfetto = window.open(PERFETTO, "_blank");
    if (!perfetto)
        return;
    const buffer = await (await traceBlob(model, summary)).arrayBuffer();
    const ping = setInterval(() => perfetto.postMessage("PING", PERFETTO), 200);
    setTimeout(() => clearInterval(ping), 60000);
    window.addEventListener("message", function listen(event) {
        if (event.source !== perfetto || event.origin !== PERFETTO || event.data !== "PONG")
            return;
        clearInterval(ping);
        window.removeEventListener("message", listen);
        perfetto.postMessage({perfetto: {buffer, title}}, PERFETTO);
    });
}
