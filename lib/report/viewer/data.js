// SPDX-License-Identifier: MIT
// Page data → typed arrays (SCHEMA.md, "Page data"). Nothing here allocates memory per span.

import {nextTurn} from "./dom.js";

export function decodeBase64(text) {
  try {
    return Uint8Array.fromBase64?.(text) ??
      Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)); // older browsers
  } catch {
    throw damaged("not base64");
  }
}

export function gunzip(stream) {
  return stream.pipeThrough(new DecompressionStream("gzip"));
}

export function readVarints(bytes, at, count, out) {
  for (let i = 0; i < count; i++) {
    let byte = bytes[at++], value = byte & 127;
    for (let scale = 128; byte > 127; scale *= 128) {
      byte = bytes[at++];
      value += (byte & 127) * scale;
    }
    out[i] = value;
  }
  if (at > bytes.length)
    throw damaged("a column ends too early");
  return at;
}

const spare = []; // of the columns of the block before

// The columns of a block (SCHEMA.md) as Float64Arrays of `rows` values: until the next block is read.
export function readColumns(bytes, rows) {
  const count = new Float64Array(1);
  let at = readVarints(bytes, 0, 1, count);
  const lengths = new Float64Array(Math.min(count[0], 16));
  at = readVarints(bytes, at, lengths.length, lengths);
  const columns = [];
  for (const length of lengths) {
    const i = columns.length;
    if (!(spare[i]?.length >= rows))
      spare[i] = new Float64Array(rows);
    const column = spare[i].subarray(0, rows);
    if (readVarints(bytes, at, rows, column) !== at + length)
      throw damaged("a column has another length");
    columns.push(column);
    at += length;
  }
  return columns;
}

export const CUT_START = 1, CUT_END = 2;

const LONG = 2 ** 32 - 1; // ns: longer spans have their lengths apart

const TYPES = {
  start: Float64Array, length: Uint32Array, time: Float64Array,
  flags: Uint8Array, // of spans CUT_START and CUT_END; of a thread's states the state
  member: Uint32Array, // of states the CPU + 1
  thread: Uint32Array, period: Float64Array, // how many events, or ns, a sample stands for
  node: Uint32Array, // where a sample's stack ends
  series: Uint8Array, name: Uint32Array, detail: Uint32Array, // of a mark; series: 0 is a moment
  parent: Int32Array, self: Float64Array, // of frames: each comes after its parent (-1: the root)
  hold: Int32Array, until: Float64Array, stopped: Uint32Array, // of waits for locks, and pauses
};

// Rows of a table, as far as decoded: a typed array per field, which `decode` makes of a block's columns;
// times are ns since time zero.
export class Rows {
  count = 0;
  long = new Map();
  acts = [];
  all = {};

  constructor(total, decode, context, types = TYPES) {
    Object.assign(this, {total, decode, context, types});
    this.push(Array(5).fill(new Float64Array(0)));
  }

  push(columns) {
    const first = this.count, fields = this.decode(columns, this.context, first);
    this.count += columns[0].length;
    if (this.count > this.total)
      throw damaged("more spans than announced");
    fields.length?.forEach((ns, i, lengths) => {
      if (ns >= LONG) {
        this.long.set(first + i, ns);
        lengths[i] = LONG;
      }
    });
    for (const [name, values] of Object.entries(fields)) {
      this.all[name] ??= new this.types[name](this.total);
      this.all[name].set(values, first);
      this[name] = this.all[name].subarray(0, this.count);
    }
    for (const act of this.acts)
      for (let i = first; i < this.count; i++)
        act(i);
  }

  // Call act(i) for each row, and for each that is still to come.
  each(act) {
    for (let i = 0; i < this.count; i++)
      act(i);
    this.acts.push(act);
  }

  startOf(i) {
    return this.start[i];
  }

  lengthOf(i) {
    return this.length[i] < LONG ? this.length[i] : this.long.get(i);
  }

  endOf(i) {
    return this.start[i] + this.lengthOf(i);
  }
}

function unzigzag(value) {
  const half = Math.floor(value / 2);
  return half * 2 === value ? half : -half - 1;
}

function damaged(what) {
  return new Error(`the page's data is damaged: ${what}`);
}

function change(column, act) {
  column.forEach((value, i) => { column[i] = act(value, i); });
  return column;
}

function timesOf(gaps) {
  let time = 0;
  return change(gaps, (gap) => time += unzigzag(gap));
}

function check(column, limit, what) {
  if (column.some((value) => value >= limit))
    throw damaged(what);
}

function spansOf([who, gap, length], {byStart, members, bits}) {
  let previous = 0;
  const flags = who.map((value) => value & (1 << bits) - 1);
  const start = change(gap, (each, i) => {
    const time = previous + unzigzag(each);
    previous = byStart ? time + length[i] : time;
    return previous - length[i];
  });
  const member = change(who, (value) => value >>> bits);
  check(member, members, "a span of no thread");
  return {start, length, member, flags};
}

// `member` is the lock or the pause, `flags` the kind × 4 + CUT_…, `hold` one of lockHolds; -1: none.
function blockedOf(columns, {locks, stops, ...context}) {
  const {member, flags, ...times} = spansOf(columns, context);
  if (member.some((what, i) => what >= (flags[i] < 4 ? locks.length : stops)))
    throw damaged("a wait for no lock");
  return {...times, member, flags, hold: change(columns[3], (nth, i) =>
    nth > 0 ? locks[member[i]].first + nth - 1 : -1)};
}

// `member` is the thread that asked, `until` how long it took until all had stopped.
function stopsOf(columns, context) {
  return {...spansOf(columns, context), until: columns[3], stopped: columns[4]};
}

function callsOf([id, gap, length, depth], {functions, levels}) {
  check(id, functions, "a call of no function");
  check(depth, levels.length * 16, "a call of no level");
  return {start: timesOf(gap), length, function: id, depth: change(depth, (value) => value >>> 4)};
}

function samplesOf([thread, gap, period, node = []], {threads, nodes}) {
  check(thread, threads.length, "a sample of no thread");
  check(node, nodes, "a sample of no stack");
  return {time: timesOf(gap), thread, period, node};
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
  const {threads, locks = [], stops = 0} = data, context = {byStart: true, members: threads.length};
  const holds = locks.reduce((first, lock) => first + Object.assign(lock, {first}).holds, 0);
  const tables = {}, put = (table, key, rows) => tables[`${table} ${key}`] = rows;
  const rowsOf = (table, key, ...how) => put(table, key, new Rows(...how));
  Object.assign(data, {
    tables, locks, lockHolds: rowsOf("lock-holds", 0, holds, spansOf, {...context, bits: 2}),
    stops: rowsOf("stops", 0, stops, stopsOf, {...context, bits: 0}),
    marks: rowsOf("marks", 0, data.marks, marksOf, data), waiters: put("waiters", 0, new Series()),
  });
  threads.forEach((thread, i) => {
    const {states, calls, levels, blocked = 0} = thread, functions = data.functions.length;
    const types = {...TYPES, function: functions > 65536 ? Uint32Array : Uint16Array,
                   depth: levels?.length > 256 ? Uint16Array : Uint8Array};
    const any = {...context, members: Infinity, bits: 4};
    Object.assign(thread, {
      stateSpans: states > 0 ? rowsOf("states", i, states, spansOf, any) : null,
      blockedSpans: blocked > 0
        ? rowsOf("blocked", i, blocked, blockedOf, {...any, locks, stops}) : null,
      callSpans: calls > 0 ? rowsOf("calls", i, calls, callsOf, {functions, levels}, types) : null,
    });
  });
  data.counters.forEach((counter, i) => {
    counter.values = rowsOf("counters", i, counter.samples, samplesOf, data);
  });
  for (const flame of data.flames) {
    const {nodes, samples = 0, state} = flame;
    flame.values = rowsOf("flame", state, nodes, framesOf, data);
    flame.samples = rowsOf("samples", state, samples, samplesOf, {threads, nodes});
  }
  data.gils.forEach((gil, i) => {
    const context = {members: gil.members.length, bits: 2};
    gil.holdSpans = rowsOf("holds", i, gil.holds, spansOf, {...context, byStart: true});
    gil.waitSpans = rowsOf("waits", i, gil.waits, spansOf, context);
    gil.unknownSpans = rowsOf("unknowns", i, gil.unknowns ?? 0, spansOf, context);
    gil.slices = put("slices", i, new Series());
  });
  return data;
}

// Blocks of which each is a whole: their columns.
class Series extends Array {
  push(columns) {
    super.push(columns.map((column) => column.slice()));
  }
}

export async function* readBlocks(data, blocks) {
  for await (const block of blocks) {
    const stream = gunzip(new Response(decodeBase64(block.text)).body);
    const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
    data.tables[`${block.table} ${block.key}`]?.push(readColumns(bytes, block.rows));
    yield block;
  }
}

// The document's blocks, as they arrive.
export async function* documentBlocks() {
  for (;;) {
    const element = document.querySelector("script[data-table]");
    const isWhole = document.readyState !== "loading";
    if (element && (isWhole || element.nextElementSibling)) {
      const {dataset: {table, key, rows}, textContent: text} = element;
      element.remove();
      yield {table, key: Number(key), rows: Number(rows), text};
    } else if (isWhole) {
      return;
    } else {
      await nextTurn();
    }
  }
}

export function readDocument() {
  const text = (id) => document.getElementById(id)?.textContent || "{}";
  const summaryText = text("summary-data");
  return {data: readData(text("page-data")), summary: JSON.parse(summaryText), summaryText};
}
