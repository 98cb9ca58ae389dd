// SPDX-License-Identifier: MIT
// The tab "Blockers": functions by the waiting that they caused. They are the summary's; for a
// range, or where it has none, they are measured from the calls.

import {Measurement, make, makeTable, shareBar, textCell, valueCell} from "./dom.js";
import {innermostCalls, OUTSIDE} from "./flame.js";
import {countText, durationText, nameText, percentText, placeText} from "./format.js";
import {gilName} from "./model.js";

const MAX_FUNCTIONS = 200;

const BLOCKER_KINDS = {python: "Python", c: "C", gc: "GC", native: "native"};
const BLOCKER_TITLES = ["Function", "Where", "Kind", "Others waited", "Share", "Times",
                        "Longest hold", "Held in all", "Called from"];

// Add to `rows` what one thread's functions did while it held one GIL, within [from, to).
async function measureFunctionsOf(lane, from, to, rows, task) {
  const {holds, thread: {callSpans: calls, callTracks}} = lane;
  for (const [id, start, end, , around] of innermostCalls(calls, from, to, callTracks)) {
    for (let i = holds.firstAfter(start); i < holds.count && holds.start[i] < end; i++) {
      const a = Math.max(start, holds.start[i]), b = Math.min(end, holds.end(i));
      addHold(rowOf(rows, id), lane, i, b - a, lane.gil.waiting.between(a, b),
              around < 0 ? -1 : calls.function[around]);
    }
    if (task.due && await task.pause())
      return;
  }
}

// Add `ns` of a lane's hold `i` to a row; others waited for `waiting` ns meanwhile.
function addHold(row, lane, i, ns, waiting, caller) {
  row.total_hold_ns += ns;
  if (waiting <= 0)
    return;
  row.waiting_ns += waiting;
  row.longest_hold_ns = Math.max(row.longest_hold_ns, ns);
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

// Rows like the summary's "blockers", largest first; null when the measurement is stale.
async function measureFunctions(model, from, to, task) {
  const rows = new Map();
  let all = 0;
  for (const gil of model.gils) {
    all += gil.waitTracks.reduce((sum, track) => sum + track.covered(from, to), 0);
    for (const lane of gil.lanes)
      await measureFunctionsOf(lane, Math.max(from, lane.start), Math.min(to, lane.end), rows,
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
  return {...row, function: name, file, line, kind, share: row.waiting_ns / Math.max(1, all),
          caller: model.functions[caller]?.where ?? ""};
}

// The title of a row's function among the calls: the summary puts a C function's module before it.
export function nameInCalls(model, row) {
  const name = nameText(row.function ?? "");
  return model.functions.find(({title, file}) =>
    [title, `${nameText(file)}.${title}`, `import in ${title}`].includes(name))?.title ?? name;
}

export class Blockers {
  // `find` goes to the calls of a row's function.
  constructor(model, summary, find) {
    Object.assign(this, {model, find});
    this.given = [...summary.blockers].sort((a, b) => b.waiting_ns - a.waiting_ns);
    this.traced = model.functions.length > 0 &&
      model.gils.some((gil) => gil.waitSpans.count > 0);
  }

  get present() {
    return this.traced || this.given.length > 0;
  }

  // The panel's content for a range, or for the whole run (null).
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
    const remedy = row.kept_cause && row.sentence ? [make("tr.remedy",
      make("td.text.hint", {colSpan: BLOCKER_TITLES.length},
           nameText(row.sentence)))] : [];
    return [this.row(row), ...remedy];
  }

  row(row) {
    const kind = BLOCKER_KINDS[row.kind];
    return make("tr", {title: row.sentence ? nameText(row.sentence) : undefined,
                       onclick: () => this.find(row)},
      make("td.text.where", make("button.link",
        make("bdi", this.model.threads[row.thread]?.title ?? nameText(row.function ?? OUTSIDE))),
        this.gilOf(row)),
      textCell(placeText(row), nameText(row.file ?? "")),
      textCell(row.kept_cause ? `${kind}, ${row.kept_known ? "does" : "may"} not release` : kind),
      valueCell(row, "waiting_ns", durationText(row.waiting_ns)),
      make("td", shareBar(row.share, "wait"),
           make("span.number", `${percentText(row.share, 1)}%`)),
      valueCell(row, "count", countText(row.count)),
      valueCell(row, "longest_hold_ns", durationText(row.longest_hold_ns)),
      valueCell(row, "total_hold_ns", durationText(row.total_hold_ns)),
      textCell(placeText({file: row.caller})));
  }

  gilOf(row) {
    const gil = this.model.gils.length > 1 ? this.model.gils[row.gil] : undefined;
    return gil ? make("span.tid", `${gil.process.pid}${
      gil.process.gils.length > 1 ? ` ${gilName(gil)}` : ""}`) : "";
  }
}
