// SPDX-License-Identifier: MIT
// Page data → typed arrays (SCHEMA.md, "Page data"). Nothing here allocates memory per span.

// Bytes of a base64 text, for browsers without Uint8Array.fromBase64.
export function decodeBase64(text) {
  let letters;
  try {
    letters = atob(text);
  } catch {
    throw damaged("not base64");
  }
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < bytes.length; i++)
    bytes[i] = letters.charCodeAt(i);
  return bytes;
}

function fromBase64(text) {
  return Uint8Array.fromBase64 ? Uint8Array.fromBase64(text) : decodeBase64(text);
}

// Without Blob or Response, which go through another process for each block.
async function gunzip(bytes) {
  const stream = new DecompressionStream("gzip");
  const writer = stream.writable.getWriter();
  // An error here is thrown by read() as well: report it once.
  writer.write(bytes).catch(() => {});
  writer.close().catch(() => {});
  const chunks = [];
  let length = 0;
  for (const reader = stream.readable.getReader(); ;) {
    const {value, done} = await reader.read();
    if (done)
      break;
    chunks.push(value);
    length += value.length;
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

// Read `count` varints from `bytes` at `at` into `out`; returns the index after them.
export function readVarints(bytes, at, count, out) {
  for (let i = 0; i < count; i++) {
    let byte = bytes[at++];
    let value = byte & 127;
    if (byte > 127) {
      byte = bytes[at++];
      value |= (byte & 127) << 7;
      if (byte > 127) {
        byte = bytes[at++];
        value |= (byte & 127) << 14;
        for (let scale = 2097152; byte > 127; scale *= 128) {
          byte = bytes[at++];
          value += (byte & 127) * scale;
        }
      }
    }
    out[i] = value;
  }
  if (at > bytes.length)
    throw damaged("a column ends too early");
  return at;
}

// The columns of a block (SCHEMA.md) as Float64Arrays of `rows` values.
export function readColumns(bytes, rows) {
  const count = new Float64Array(1);
  let at = readVarints(bytes, 0, 1, count);
  const lengths = new Float64Array(Math.min(count[0], 16));
  at = readVarints(bytes, at, lengths.length, lengths);
  const columns = [];
  for (const length of lengths) {
    const column = new Float64Array(rows);
    if (readVarints(bytes, at, rows, column) !== at + length)
      throw damaged("a column has another length");
    columns.push(column);
    at += length;
  }
  return columns;
}

export const CUT_START = 1;
export const CUT_END = 2;

// Rows of a table as typed arrays, one per field; times are ns since time zero. `decode` makes
// fields of a block's columns.
class Rows {
  constructor(count, fields, decode, context) {
    Object.assign(this, {count, decode, context});
    for (const [name, type] of Object.entries(fields))
      this[name] = new type(count);
  }
}

const TIMES = {start: Float64Array, end: Float64Array};
// Of one GIL and kind: `flags` are CUT_START and CUT_END. Of one thread's states: `member` is the
// CPU + 1, `flags` the state.
const SPANS = {...TIMES, member: Uint32Array, flags: Uint8Array};
// Of one thread, in the order of their starts: they nest.
const CALLS = {...TIMES, function: Uint32Array, depth: Uint16Array};
// Of one counter; `period`: how many events a sample stands for.
const SAMPLES = {time: Float64Array, thread: Uint32Array, period: Float64Array};
// What the program recorded itself: `series` is 1 for numbers, 0 for a moment.
const MARKS = {time: Float64Array, thread: Uint32Array, series: Uint8Array, name: Uint32Array,
               detail: Uint32Array};
// Frames of a flame graph: each comes after its parent (-1: the root).
const FRAMES = {name: Uint32Array, parent: Int32Array, self: Float64Array};

function unzigzag(value) {
  const half = Math.floor(value / 2);
  return half * 2 === value ? half : -half - 1;
}

function damaged(what) {
  return new Error(`the page's data is damaged: ${what}`);
}

// Times from the difference of each to the one before it.
function timesOf(gaps) {
  let time = 0;
  return gaps.map((gap) => time += unzigzag(gap));
}

function check(column, limit, what) {
  if (column.some((value) => value >= limit))
    throw damaged(what);
}

// From a block's columns to its rows' fields; `first` is the index of its first row.

function spansOf([who, gap, length], {byStart, members, bits}) {
  const start = new Float64Array(who.length), end = new Float64Array(who.length);
  for (let i = 0, previous = 0; i < who.length; i++) {
    const time = previous + unzigzag(gap[i]);
    previous = byStart ? time + length[i] : time;
    start[i] = previous - length[i];
    end[i] = previous;
  }
  const member = who.map((value) => value >>> bits);
  check(member, members, "a span of no thread");
  return {start, end, member, flags: who.map((value) => value & (1 << bits) - 1)};
}

function callsOf([id, gap, length, depth], {functions}) {
  check(id, functions.length, "a call of no function");
  const start = timesOf(gap);
  return {start, end: start.map((time, i) => time + length[i]), function: id,
          depth: depth.map((value) => value >>> 4)};
}

function samplesOf([thread, gap, period], {threads}) {
  check(thread, threads.length, "a sample of no thread");
  return {time: timesOf(gap), thread, period};
}

function marksOf([who, gap, name, detail], {threads, texts}) {
  check(who, 2 * threads.length, "a mark of no thread");
  check(name, texts.length, "a mark of no name");
  check(detail, texts.length, "a mark of no text");
  return {time: timesOf(gap), thread: who.map((value) => value >>> 1),
          series: who.map((value) => value & 1), name, detail};
}

function framesOf([name, up, self], {frames}, first) {
  check(name, frames.length, "a frame of no name");
  const parent = up.map((value, i) => value < 1 ? -2 : first + i - value); // -1: the root
  if (parent.some((index) => index < -1))
    throw damaged("a frame of no parent");
  return {name, parent, self};
}

export function readData(text) {
  const data = JSON.parse(text);
  if (data.schema !== 1)
    throw new Error(`the page's data is of version ${data.schema}, this viewer reads 1`);
  for (const thread of data.threads) {
    const {states, calls} = thread, context = {byStart: true, members: Infinity, bits: 4};
    thread.stateSpans = states > 0 ? new Rows(states, SPANS, spansOf, context) : null;
    thread.callSpans = calls > 0 ? new Rows(calls, CALLS, callsOf, data) : null;
  }
  for (const counter of data.counters)
    counter.values = new Rows(counter.samples, SAMPLES, samplesOf, data);
  for (const flame of data.flames)
    flame.values = new Rows(flame.nodes, FRAMES, framesOf, data);
  data.marks = new Rows(data.marks, MARKS, marksOf, data);
  for (const gil of data.gils) {
    const context = {members: gil.members.length, bits: 2};
    gil.holdSpans = new Rows(gil.holds, SPANS, spansOf, {...context, byStart: true});
    gil.waitSpans = new Rows(gil.waits, SPANS, spansOf, context);
    gil.unknownSpans = new Rows(gil.unknowns ?? 0, SPANS, spansOf, context);
  }
  return data;
}

// The rows that a block belongs to; undefined of a later version's.
function rowsOf({gils, threads, counters, marks, flames}, {table, key}) {
  const {holdSpans: holds, waitSpans: waits, unknownSpans: unknowns} = gils[key] ?? {};
  const {stateSpans: states, callSpans: calls} = threads[key] ?? {};
  return {holds, waits, unknowns, states, calls, counters: counters[key]?.values, marks,
          flame: flames.find(({state}) => state === key)?.values}[table];
}

// Decode blocks ({table, key, rows, text()}) into the rows of `data`.
export async function readBlocks(data, blocks) {
  const next = new Map();
  const inflated = [];
  const inflate = async (block) => gunzip(fromBase64(block.text()));
  for (let i = 0; i < blocks.length; i++) {
    const {rows} = blocks[i], target = rowsOf(data, blocks[i]);
    // While this block is stored, the next two are inflated.
    for (let ahead = i; ahead < Math.min(i + 3, blocks.length); ahead++) {
      inflated[ahead] ??= inflate(blocks[ahead]);
      inflated[ahead].catch(() => {}); // an error is thrown by the await below
    }
    const bytes = await inflated[i];
    delete inflated[i];
    if (!target)
      continue;
    const first = next.get(target) ?? 0;
    if (first + rows > target.count)
      throw damaged("more spans than announced");
    const fields = target.decode(readColumns(bytes, rows), target.context, first);
    for (const [name, values] of Object.entries(fields))
      target[name].set(values, first);
    next.set(target, first + rows);
  }
}

export async function readDocument() {
  const text = (id) => document.getElementById(id)?.textContent || "{}";
  const data = readData(text("page-data"));
  const summaryText = text("summary-data");
  const blocks = [...document.querySelectorAll("script[data-table]")].map((element) => {
    const {table, key, rows} = element.dataset;
    return {table, key: Number(key), rows: Number(rows), text: () => {
      element.remove();
      return element.textContent;
    }};
  });
  await readBlocks(data, blocks);
  return {data, summary: JSON.parse(summaryText), summaryText};
}
