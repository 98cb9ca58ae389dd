// SPDX-License-Identifier: MIT
// The trace as Chrome Trace Event JSON: to save, or for Perfetto.

import {byId, make, nextTurn} from "./dom.js";

const PART_CHARACTERS = 1 << 20;
const MAX_SPANS_AS_TEXT = 2e6;
const PERFETTO = "https://ui.perfetto.dev";

const number = new DataView(new ArrayBuffer(8));

// As gt_put_length_us of base/nstime.h, which says why.
export function lengthText(start, end) {
  number.setFloat64(0, end / 1000);
  number.setUint8(7, number.getUint8(7) & 254);
  const from = start / 1000, sum = number.getFloat64(0), plain = (end - start) / 1000;
  if (from + plain === sum || from >= sum)
    return from < sum ? plain : 0;
  const exponent = (number.getUint16(0) >>> 4) - 1022;
  return (sum - from).toFixed(Math.min(19, Math.max(3, Math.ceil((55 - exponent) * 0.30103))));
}

// Tracks of their own for what does not nest with functions, as in report/chrome.c.
const TRACK_FIRST = 2 ** 30;
const TRACK_LOST = TRACK_FIRST - 1;
const TRACK_STATES = 2 ** 29; // + thread index
const TRACKS_PER_THREAD = 8;

function metadata(name, pid, tid, args) {
  return JSON.stringify({ph: "M", name, pid, tid, args});
}

function numberThreads(model) {
  const counts = model.processes.map(() => 0);
  return model.threads.map((thread) => ++counts[thread.process.index]);
}

function spanHead(cat, name, pid, tid, args) {
  return JSON.stringify({ph: "X", cat, name, pid, tid, args}).slice(0, -1);
}

function spanEvent(head, start, end) {
  return `${head},"ts":${start / 1000},"dur":${lengthText(start, end)}}`;
}

function* trackNames(pid, tid, name, order) {
  yield metadata("thread_name", pid, tid, {name});
  yield metadata("thread_sort_index", pid, tid, {sort_index: order});
}

function* nameEvents(model, numbers) {
  for (const process of model.processes)
    yield metadata("process_name", process.pid, process.pid, {name: process.name});
  for (const {process, tid, label, index} of model.threads)
    yield* trackNames(process.pid, tid, label, numbers[index] * TRACKS_PER_THREAD);
}

function* lostEvents(model) {
  const pid = model.processes[0]?.pid ?? 0;
  const name = (own) => metadata("thread_name", own, TRACK_LOST, {name: "events lost"});
  if (model.lost.length > 0)
    yield name(pid);
  for (const [start, end, events] of model.lost)
    yield spanEvent(spanHead("lost", `${events} events lost`, pid, TRACK_LOST), start, end);
  for (const [start, end, process] of model.holes) {
    const {pid: own} = model.processes[process];
    yield name(own);
    yield spanEvent(spanHead("lost", "not recorded", own, TRACK_LOST), start, end);
  }
}

function* callEvents(model, thread) {
  const {pid} = thread.process;
  const {count, start, end, function: id} = thread.callSpans;
  const heads = [];
  const headOf = ({kind, name, file, line}) =>
    spanHead(kind, name, pid, thread.tid, {file: line ? `${file}:${line}` : file});
  for (let i = 0; i < count; i++)
    yield spanEvent(heads[id[i]] ??= headOf(model.functions[id[i]]), start[i], end[i]);
}

function* counterEvents(model, counter) {
  const byThread = new Map(), byProcess = new Map();
  const add = (sums, key, more) => sums.set(key, (sums.get(key) ?? 0) + more).get(key);
  const {count, time, thread, period} = counter.values;
  for (let i = 0; i < count; i++) {
    const {label, tid, process} = model.threads[thread[i]];
    yield JSON.stringify({
      ph: "C", pid: process.pid, ts: time[i] / 1000, name: counter.name,
      args: {[`${label} (${tid})`]: add(byThread, thread[i], period[i]),
             process: add(byProcess, process, period[i])},
    });
  }
}

function* markEvents({marks, texts, threads}) {
  for (let i = 0; i < marks.count; i++) {
    const {tid, process} = threads[marks.thread[i]];
    yield `{${marks.series[i] ? '"ph":"C"' : '"ph":"i","s":"t"'},"cat":"program","pid":${
      process.pid},"tid":${tid},"ts":${marks.time[i] / 1000},"name":${
      JSON.stringify(texts[marks.name[i]])},"args":${texts[marks.detail[i]] || "{}"}}`;
  }
}

function* stateEvents(model, thread, numbers) {
  const {pid} = thread.process, tid = TRACK_STATES + thread.index;
  const spans = thread.stateSpans;
  yield* trackNames(pid, tid, `${thread.label} state`,
                    (numbers[thread.index] + 1) * TRACKS_PER_THREAD - 1);
  for (let i = 0; i < spans.count; i++) {
    const name = model.stateNames[spans.flags[i]], cpu = spans.member[i] - 1;
    const args = name === "running" && cpu >= 0 ? {cpu} : {};
    yield spanEvent(spanHead("sched", name, pid, tid, args), spans.start[i], spans.end[i]);
  }
}

function* trackEvents(model, gil, track, numbers) {
  const {pid} = gil.process;
  for (const index of gil.members) {
    const suffix = gil.number ? ` GIL ${gil.number}` : " GIL";
    yield* trackNames(pid, track++, model.threads[index].label + suffix,
      1 + numbers[index] * TRACKS_PER_THREAD + gil.number % (TRACKS_PER_THREAD - 1));
  }
}

function* spanEvents(model, gil, track) {
  const {pid} = gil.process;
  for (const [name, spans] of [["GIL hold", gil.holdSpans], ["GIL wait", gil.waitSpans],
                               ["GIL unknown", gil.unknownSpans]]) {
    const category = spans === gil.unknownSpans ? "lost" : "gil";
    const heads = gil.members.map((thread, member) => spanHead(category, name, pid, track + member,
      {tid: model.threads[thread].tid, gil: gil.index}));
    for (let i = 0; i < spans.count; i++)
      yield spanEvent(heads[spans.member[i]], spans.start[i], spans.end[i]);
  }
}

function* allEvents(model) {
  const numbers = numberThreads(model);
  let track = TRACK_FIRST;
  yield* nameEvents(model, numbers);
  yield* lostEvents(model);
  for (const thread of model.threads)
    if (thread.stateSpans)
      yield* stateEvents(model, thread, numbers);
  for (const thread of model.threads)
    if (thread.callSpans)
      yield* callEvents(model, thread);
  for (const counter of model.counters)
    yield* counterEvents(model, counter);
  yield* markEvents(model);
  for (const gil of model.gils) {
    yield* trackEvents(model, gil, track, numbers);
    yield* spanEvents(model, gil, track);
    track += gil.members.length;
  }
  yield metadata("trace_config", 0, 0, {name: "giltracer"});
}

// Are these more spans than a browser holds as text?
export function isLarge({gils, threads}) {
  const spans = [...gils.flatMap((gil) => [gil.holdSpans, gil.waitSpans]),
                 ...threads.flatMap((thread) => [thread.stateSpans, thread.callSpans])];
  return spans.reduce((sum, each) => sum + (each?.count ?? 0), 0) > MAX_SPANS_AS_TEXT;
}

// The trace as a Blob. The summary stays text: JavaScript would round its largest numbers.
export async function traceBlob(model, summary, gzipped) {
  const {readable, writable} = gzipped ? new CompressionStream("gzip") : new TransformStream();
  const blob = new Response(readable).blob();
  const writer = writable.getWriter(), encoder = new TextEncoder();
  let text = '{"displayTimeUnit":"ms","traceEvents":[\n', separator = "";
  for (const event of allEvents(model)) {
    text += separator + event;
    separator = ",\n";
    if (text.length >= PART_CHARACTERS) {
      await writer.write(encoder.encode(text));
      await nextTurn();
      text = "";
    }
  }
  await writer.write(encoder.encode(`${text}\n],"giltracer":${summary}}\n`));
  await writer.close();
  return blob;
}

export async function saveJson(model, summary) {
  const large = isLarge(model), status = byId("status");
  Object.assign(status, {textContent: "Writing…", hidden: false});
  const href = URL.createObjectURL(await traceBlob(model, summary, large));
  status.hidden = true;
  const file = location.pathname.split("/").at(-1).replace(/\.html?$/, "") || "giltracer";
  make("a", {href, download: `${decodeURIComponent(file)}.json${large ? ".gz" : ""}`}).click();
  setTimeout(() => URL.revokeObjectURL(href), 60000);
}

// Hand the trace to Perfetto's page, which answers PING when it is ready.
export async function openInPerfetto(model, summary, title) {
  const perfetto = window.open(PERFETTO, "_blank");
  if (!perfetto)
    return;
  const buffer = await (await traceBlob(model, summary, isLarge(model))).arrayBuffer();
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
