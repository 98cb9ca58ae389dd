// SPDX-License-Identifier: MIT
// The tabs of what the summary lists: functions by the waiting that they caused (of a range from the
// calls), locks by what had them, estimates.

import {countText, durationText, linkCell, make, makeTable, max, min, nameText, percentText,
        placeText, pluralText, shareCell, textCell, valueCell} from "./dom.js";
import {innermostCalls, OUTSIDE} from "./flame.js";
import {gilName, lockTitle} from "./model.js";

const MAX_FUNCTIONS = 200, MOST_PAIRS = 6;

const BLOCKER_KINDS = {python: "Python", c: "C", gc: "GC", native: "native"};
const BLOCKER_TITLES = ["Function", "Where", "Kind", "Others waited", "Share", "Times",
                        "Longest hold", "Held in all", "Called from"];

async function measureFunctionsOf(lane, from, to, rows, task) {
  const {holds, thread: {callSpans: calls, callTracks}} = lane;
  for (const [id, start, end, , around] of innermostCalls(calls, from, to, callTracks)) {
    for (const [a, b, i] of holds.parts(start, end))
      addHold(rowOf(rows, id), lane, i, b - a, lane.gil.waiting.between(a, b),
              around < 0 ? -1 : calls.function[around]);
    if (task.due && await task.pause())
      return;
  }
}

function addHold(row, lane, i, ns, waiting, caller) {
  row.total_hold_ns += ns;
  if (waiting <= 0)
    return;
  row.waiting_ns += waiting;
  row.longest_hold_ns = max(row.longest_hold_ns, ns);
  if (row.hold !== i || row.lane !== lane) // a hold that was not counted yet
    row.count++;
  Object.assign(row, {hold: i, lane});
  row.callers.set(caller, (row.callers.get(caller) ?? 0) + waiting);
}

function rowOf(rows, id) {
  if (!rows.has(id))
    rows.set(id, {id, waiting_ns: 0, total_hold_ns: 0, longest_hold_ns: 0, count: 0,
                  callers: new Map()});
  return rows.get(id);
}

async function measureFunctions(model, from, to, task) {
  const rows = new Map();
  let all = 0;
  for (const gil of model.gils) {
    all += gil.waitTracks.reduce((sum, track) => sum + track.covered(from, to), 0);
    for (const lane of gil.lanes)
      await measureFunctionsOf(lane, max(from, lane.start), min(to, lane.end), rows,
                               task);
    if (task.stale)
      return null;
  }
  return [...rows.values()].filter((row) => row.waiting_ns > 0)
    .sort((a, b) => b.waiting_ns - a.waiting_ns).map((row) => summaryRow(model, row, all));
}

function summaryRow(model, {id, callers, ...row}, all) {
  const {name = OUTSIDE, file = "", line = 0, kind = "native"} = model.functions[id] ?? {};
  callers.delete(-1);
  const [caller] = [...callers].sort((a, b) => b[1] - a[1])[0] ?? [];
  return {...row, function: name, file, line, kind, share: row.waiting_ns / max(1, all),
          caller: model.functions[caller]?.where ?? ""};
}

// The title of a row's function among the calls: the summary puts a C function's module before it.
export function nameInCalls(model, row) {
  const name = nameText(row.function);
  return model.functions.find(({title, file}) =>
    [title, `${nameText(file)}.${title}`, `import in ${title}`].includes(name))?.title ?? name;
}

// Where in native code its holders were: "H5Dread → inflate 91%"; of few samples how many.
export function nativeText({native}) {
  const last = native?.way.at(-1);
  if (!last)
    return "";
  const part = native.samples < 10 ? `${last.samples} of ${native.samples} samples`
    : `${percentText(last.ns, native.ns)}%`;
  return `${native.way.map((step) => nameText(step.function)).join(" → ")} ${part}`;
}

export class Blockers {
  constructor(model, summary, find) {
    Object.assign(this, {model, find});
    this.given = [...summary.blockers].sort((a, b) => b.waiting_ns - a.waiting_ns);
    this.traced = model.functions.length > 0 &&
      model.gils.some((gil) => gil.waitSpans.total > 0);
  }

  async table(range, task) {
    const measures = this.given.length === 0 || (range && this.traced);
    const {from, to} = range ?? {from: 0, to: Infinity};
    const rows = measures ? await measureFunctions(this.model, from, to, task) : this.given;
    if (!rows)
      return [];
    if (rows.length === 0)
      return [make("p.hint", "No thread waited for another here.")];
    const scope = range && !measures ? "Of the whole run. " : "";
    return [make("p.hint", `${scope}What the holder of the GIL was doing while others waited. ` +
                 "A click finds the function’s calls."),
      makeTable("list blockers", BLOCKER_TITLES,
                rows.slice(0, MAX_FUNCTIONS).flatMap((row) => this.rows(row)))];
  }

  rows(row) {
    const notes = [row.kept_cause && row.sentence, nativeText(row)].filter(Boolean);
    return [this.row(row), ...notes.map((text) => make("tr.remedy",
      make("td.text.hint", {colSpan: BLOCKER_TITLES.length}, nameText(text))))];
  }

  row(row) {
    const kind = BLOCKER_KINDS[row.kind];
    return make("tr", {title: nameText(row.sentence), onclick: () => this.find(row)},
      linkCell(this.model.threads[row.thread]?.title ?? nameText(row.function ?? OUTSIDE),
               this.gilOf(row)),
      textCell(placeText(row), nameText(row.file)),
      textCell(row.kept_cause ? `${kind}, ${row.kept_known ? "does" : "may"} not release` : kind),
      valueCell(row, "waiting_ns"), shareCell(row.share, "wait"), valueCell(row, "count", countText),
      valueCell(row, "longest_hold_ns"), valueCell(row, "total_hold_ns"),
      textCell(placeText({file: row.caller})));
  }

  gilOf(row) {
    const gil = this.model.gils.length > 1 ? this.model.gils[row.gil] : undefined;
    return gil ? make("span.tid", `${gil.process.pid}${
      gil.process.gils.length > 1 ? ` ${gilName(gil)}` : ""}`) : "";
  }
}

const LOCK_TITLES = ["Waited for in, had by", "Where", "Kind, caller", "Waited", "Share", "Times",
                "Longest wait", "Who waited"];

function lockRow({name, place, kind = "", ns, share, ...more}, find) {
  return make(more.waits === undefined ? "tr.part" : "tr", {onclick: find},
    find ? linkCell(name) : make("td.text", name), textCell(place), textCell(kind),
    valueCell({ns}, "ns"), shareCell(share, "lock"),
    valueCell(more, "waits", countText), valueCell(more, "longest_wait_ns"),
    textCell(more.waiters?.map(({label}) => nameText(label)).join(", ") ?? ""));
}

function partsOf(lock, threads, find) {
  const gaps = [["given: the next thread was still waking up", lock.handover_ns],
                ["not known who had it", lock.unknown_ns]];
  return [...lock.holders.map((holder) => lockRow({
    name: `had by ${nameText(holder.function)}`, place: placeText(holder), ns: holder.ns,
    kind: nameText(holder.caller), share: holder.ns / lock.wait_ns,
  }, () => find(holder))), ...gaps.filter(([, ns]) => ns > lock.wait_ns / 100).map(
    ([name, ns]) => lockRow({name, place: "", ns, share: ns / lock.wait_ns})),
  ...lock.pairs.slice(0, MOST_PAIRS).map(({label, holder, ns}) => lockRow({
    name: `${nameText(label)} waited for ${threads[holder].title}`, place: "", ns,
    share: ns / lock.wait_ns}))];
}

export function locksContent({wait_ns: all, rows}, threads, find) {
  return [make("p.hint", "How long threads waited for locks, of the whole run, and what had them " +
               "meanwhile. A click finds the function’s calls."),
    makeTable("list locks", LOCK_TITLES, rows.flatMap((lock) => [lockRow({
      ...lock, name: nameText(lock.function ?? "(not known where)"), place: placeText(lock),
      kind: (lock.locks > 1 ? `${lock.locks} × ` : "") + lockTitle(lock),
      ns: lock.wait_ns,
      share: lock.wait_ns / max(1, all),
    }, lock.function ? () => find(lock) : undefined), ...partsOf(lock, threads, find)]))];
}

const CONDITIONS = {
  "recorded": "as it is",
  "functions": "all of these released the GIL",
  "no-gil": "there were no GIL (free-threaded build)",
};

function estimateRow(estimate, find) {
  const {function: name, file, by_cores: byCores, sentence} = estimate;
  return make("tr", {title: sentence, onclick: name === null ? null : () => find(estimate)},
    name !== null ? linkCell(nameText(name), " released the GIL")
      : make("td.text", CONDITIONS[estimate.if] ?? nameText(estimate.if)),
    textCell(placeText(estimate), nameText(file)),
    ...byCores.map(({cores, wall_ns: wall, speedup}) => make("td",
      {"data-cores": cores, "data-value": wall}, ...wall === null ? ["?"]
        : [durationText(wall), " ", make("span.tid", `${speedup.toFixed(2)}×`)])));
}

export function whatIfContent(whatIf, find) {
  const {cores, error, estimates, assumptions, recorded_ns, replayed_ns, reason} = whatIf;
  const recorded = durationText(recorded_ns);
  if (estimates.length === 0)
    return [make("p.hint", {id: "no-estimates"}, `Nothing is estimated: ${nameText(reason)}${
      replayed_ns > 0 ? ` (${durationText(replayed_ns)} instead of ${recorded})` : ""}.`)];
  const on = pluralText(cores, "core");
  const titles = ["If", "Where", ...estimates[0].by_cores.map((each) =>
    each.cores === cores ? make("b", `${on}, as recorded`) : pluralText(each.cores, "core"))];
  return [
    make("p.hint", {id: "whatif-scope"}, `Estimated length of the whole run, which took ${
      recorded} on ${on}. The run is replayed under other rules; the model ` +
      `reproduces the recorded run to ${(100 * Math.abs(error)).toFixed(1)}%.`),
    makeTable("list", titles, estimates.map((each) => estimateRow(each, find))),
    ...estimates.filter(({wall_ns: wall}) => wall === null).map(({sentence}) =>
      make("p.hint.withheld", nameText(sentence))),
    make("h2", "What is assumed"),
    make("ul.assumptions", ...assumptions.map((text) => make("li", nameText(text)))),
  ];
}
