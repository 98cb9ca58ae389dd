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
const TRACK_STATES = 2 ** 29, TRACK_BLOCKED = 2 ** 28; // + thread index
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

function* spanEvents(spans, keyOf, headOf) {
  const heads = [];
  for (let i = 0; i < spans.count; i++)
    yield spanEvent(heads[keyOf(i)] ??= headOf(i), spans.start[i], spans.endOf(i));
}

function callEvents({functions}, {callSpans, process: {pid}, tid}) {
  const {function: id} = callSpans;
  return spanEvents(callSpans, (i) => id[i], (i) => {
    const {kind, name, file, line} = functions[id[i]];
    return spanHead(kind, name, pid, tid, {file: line ? `${file}:${line}` : file});
  });
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
  const {flags, member} = thread.stateSpans;
  yield* trackNames(pid, tid, `${thread.label} state`,
                    (numbers[thread.index] + 1) * TRACKS_PER_THREAD - 1);
  yield* spanEvents(thread.stateSpans, (i) => member[i] * 16 + flags[i], (i) => {
    const name = model.stateNames[flags[i]], cpu = member[i] - 1;
    return spanHead("sched", name, pid, tid, name === "running" && cpu >= 0 ? {cpu} : {});
  });
}

function* blockedEvents({threads, locks, lockHolds, stops}, thread, numbers) {
  const {index, label, process: {pid}, blockedSpans: spans} = thread;
  const {member, flags, hold} = spans;
  const track = TRACK_BLOCKED + index;
  const named = (of) => `${threads[of].label} (${threads[of].tid})`;
  const heads = [
    (i, lock) => spanHead("lock", "lock wait", pid, track, {
      lock, kind: locks[lock].kind, type: locks[lock].type, ...hold[i] >= 0 && {had_by: named(lockHolds.member[hold[i]])},
    }),
    (i, stop) => spanHead("stop", "stopped", pid, track, {by: named(stops.member[stop])}),
    (i, stop) => spanHead("stop", "stops all threads", pid, track, {
      threads: stops.stopped[stop], until_ns: stops.until[stop],
    })];
  yield* trackNames(pid, track, `${label} locks`,
                    (numbers[index] + 1) * TRACKS_PER_THREAD - 2);
  yield* spanEvents(spans, (i) => i, (i) => heads[flags[i] >> 2](i, member[i]));
}

function* trackEvents(model, gil, track, numbers) {
  const {pid} = gil.process;
  for (const index of gil.members) {
    const suffix = gil.number ? ` GIL ${gil.number}` : " GIL";
    yield* trackNames(pid, track++, model.threads[index].label + suffix,
      1 + numbers[index] * TRACKS_PER_THREAD + gil.number % (TRACKS_PER_THREAD - 1));
  }
}

function* gilEvents({threads}, {index, members, process: {pid}, ...gil}, track) {
  for (const [kind, category] of [["hold", "gil"], ["wait", "gil"], ["unknown", "lost"]]) {
    const spans = gil[`${kind}Spans`], {member} = spans;
    yield* spanEvents(spans, (i) => member[i], (i) => spanHead(category, `GIL ${kind}`, pid,
      track + member[i], {tid: threads[members[member[i]]].tid, gil: index}));
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
    if (thread.blockedSpans)
      yield* blockedEvents(model, thread, numbers);
  for (const thread of model.threads)
    if (thread.callSpans)
      yield* callEvents(model, thread);
  for (const counter of model.counters)
    yield* counterEvents(model, counter);
  yield* markEvents(model);
  for (const gil of model.gils) {
    yield* trackEvents(model, gil, track, numbers);
    yield* gilEvents(model, gil, track);
    track += gil.members.length;
  }
  yield metadata("trace_config", 0, 0, {name: "giltracer"});
}

function countSpans({gils, threads}) {
  const spans = [...gils.flatMap((gil) => [gil.holdSpans, gil.waitSpans]),
                 ...threads.flatMap(({stateSpans, blockedSpans, callSpans}) =>
                   [stateSpans, blockedSpans, callSpans])];
  return spans.reduce((sum, each) => sum + (each?.total ?? 0), 0);
}

export function isLarge(model) {
  return countSpans(model) > MAX_SPANS_AS_TEXT;
}

// The trace as a Blob; null where `goOn`, which is told what share is written, is false. The summary
// stays text: JavaScript would round its largest numbers.
export async function traceBlob(model, summary, gzipped, goOn = () => true) {
  const {readable, writable} = gzipped ? new CompressionStream("gzip") : new TransformStream();
  const blob = new Response(readable).blob();
  const writer = writable.getWriter(), encoder = new TextEncoder(), all = countSpans(model);
  let text = '{"displayTimeUnit":"ms","traceEvents":[\n', separator = "", written = 0;
  while (model.loading && goOn(0))
    await nextTurn();
  for (const event of allEvents(model)) {
    text += separator + event;
    separator = ",\n";
    written++;
    if (text.length < PART_CHARACTERS)
      continue;
    await writer.write(encoder.encode(text));
    await nextTurn();
    text = "";
    if (!goOn(Math.min(1, written / all))) {
      blob.catch(() => {});
      writer.abort();
      return null;
    }
  }
  await writer.write(encoder.encode(`${text}\n],"giltracer":${summary}}\n`));
  await writer.close();
  return blob;
}

let saving = null;

// A second click, while the first one is at work, cancels it.
export async function saveJson(model, summary) {
  const task = saving ? null : {}, button = byId("save"), status = byId("status");
  saving = task;
  if (!task)
    return;
  const tell = (share) => {
    Object.assign(status, {textContent: `Writing, ${Math.floor(share * 10)}0%`, hidden: false});
    return saving === task;
  };
  const {textContent} = button, large = isLarge(model);
  button.textContent = "Cancel";
  tell(0);
  const blob = await traceBlob(model, summary, large, tell);
  button.textContent = textContent;
  status.hidden = !model.loading;
  if (!blob)
    return;
  saving = null;
  const href = URL.createObjectURL(blob);
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
