// SPDX-License-Identifier: MIT
// What changed since an earlier report, whose file is dropped onto the page, or chosen: the figures of
// --baseline. A file may hold anything: it is read up to a limit, and only ever shown as text.

import {gunzip} from "./data.js";
import {byId, durationText, make, makeTable, max, Measurement, nameText, percentText, textCell}
  from "./dom.js";

const MOST_BYTES = 1e8, MOST_ROWS = 500, MOST_LETTERS = 200;
const PIECE = 1 << 14; // bytes that are decompressed at once: they become 16 MB at most
const IN_PAGE = 'id="summary-data">'; // before a page's summary, in which is no "<"
const TITLES = ["Figure", "Before", "Now", "Change", "Which is"];

const textOf = (name) => nameText(name.slice(0, MOST_LETTERS));

function through(stream, transform) {
  return stream.pipeThrough(new TransformStream({transform}));
}

async function readText(file) {
  const [first, second] = new Uint8Array(await file.slice(0, 2).arrayBuffer());
  const pieces = through(file.stream(), (bytes, output) => {
    for (let at = 0; at < bytes.length; at += PIECE)
      output.enqueue(bytes.subarray(at, at + PIECE));
  });
  let room = MOST_BYTES;
  const whole = first === 0x1f && second === 0x8b ? gunzip(pieces) : pieces;
  const text = await new Response(through(whole, (bytes, output) => {
    room -= bytes.length;
    output[room < 0 ? "terminate" : "enqueue"](bytes);
  })).text();
  return room < 0 ? null : text;
}

// The summary is all of a text, below a key of a trace, or within a page.
function findSummary(text) {
  const value = JSON.parse(text.split(IN_PAGE, 2)[1]?.split("<", 1)[0] ?? text);
  return value.giltracer ?? value;
}

async function readSummary(file) {
  const text = await readText(file).catch(() => "");
  let summary = null;
  try {
    summary = findSummary(text);
  } catch {
    // why is told below
  }
  const why = text === null ? "it holds more than 100 MB: make it with --summary"
    : !summary ? "it is damaged, cut short, or no JSON"
      : !Array.isArray(summary.gils) ? "it is no report of giltracer"
        : summary.schema !== 1 ? "its schema is not 1: make it anew" : null;
  if (why)
    throw new Error(why);
  return summary;
}

function figuresOf({metrics}, whose) {
  if (!Array.isArray(metrics?.list))
    throw new Error(`${whose} has no metrics: perf2trace makes them with --fail-if only`);
  return new Map(metrics.list.filter((each) => typeof each?.name === "string" &&
    [each.least, each.median, each.greatest].every(Number.isFinite))
    .map((each) => [each.name, each]));
}

// What changed, as gt_change_between of analysis/change.c tells it; `runs`: of both reports.
function figureRow(was, is, runs) {
  const {name, unit} = is ?? was, share = unit === "share";
  const valueText = (value) => share ? `${percentText(value, 1)}%` : durationText(value);
  const [before, now] = [was, is].map((each) => each ? valueText(each.median) : "–");
  let change = "", word = was ? "only before" : "only now";
  if (was && is) {
    const by = is.median - was.median, size = Math.abs(by);
    const noise = max(was.greatest - was.least, is.greatest - is.least) / 2 *
      ({4: 8, 5: 4}[runs] ?? max(1, 17 / runs));
    word = before === now || share && size < 0.005 ? "same" : runs < 4 ? "?"
      : size <= noise ? "noise" : by > 0 ? "more" : "less";
    change = word === "same" ? "" : (by < 0 ? "−" : "+") + valueText(size);
  }
  return make("tr", textCell(textOf(name)), ...[before, now, change].map((text) => make("td", text)),
              make("td.text", word));
}

function compare(before, now, name) {
  const old = figuresOf(before, "it"), figures = figuresOf(now, "this report");
  const runs = before.metrics.runs + now.metrics.runs;
  const rows = [...new Set([...figures.keys(), ...old.keys()])]
    .map((each) => [old.get(each), figures.get(each)])
    .filter((pair) => pair.some((each) => each?.unit === "share" || each?.median >= 1e5));
  const left = rows.length - MOST_ROWS;
  return [make("p.hint", `Before: ${name}. Now: this report.${
    runs < 4 ? " Noise is not known (?): --repeat both runs." : ""}${
    left > 0 ? ` ${left} more are not shown.` : ""}`),
  makeTable("list", TITLES, rows.slice(0, MOST_ROWS).map((pair) => figureRow(...pair, runs)))];
}

// Fills the tab; what it returns reads the first of a list of files.
export function comparison(summary, view) {
  const result = make("div"), owner = {};
  const read = async ([file]) => {
    if (!file)
      return;
    const task = new Measurement(owner), name = textOf(file.name);
    const show = (...content) => task.stale || result.replaceChildren(...content);
    view.set({tab: "compare"});
    show(make("p.hint", `Reading ${name}…`));
    try {
      show(...compare(await readSummary(file), summary, name));
    } catch ({message}) {
      show(make("p.hint", {role: "alert"}, `${name} cannot be compared: ${message}.`));
    }
  };
  byId("panel-compare").append(
    make("p.hint", make("label", "Drop an earlier report’s file here, or choose it: ",
      make("input", {type: "file", onchange: ({target}) => read(target.files)}))),
    make("p.hint", "Timelines and flame graphs, too: ",
      make("code", "perf2trace --baseline before.json after.json -o diff.html")), result);
  return read;
}
