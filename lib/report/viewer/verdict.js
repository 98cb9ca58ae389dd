// SPDX-License-Identifier: MIT
// The summary's verdict in sentences, and the facts of the run.

import {byId, make, makeFact} from "./dom.js";
import {countText, durationText, nameText, percentText} from "./format.js";

function commandText(argv) {
  return argv.map((word) => /^[\w@%+=:,./-]+$/.test(word) ? word
    : `'${nameText(word).replaceAll("'", "'\\''")}'`).join(" ");
}

function ending(run) {
  if (run.term_signal > 0)
    return `killed by signal ${run.term_signal}`;
  return Number.isInteger(run.exit_status) ? `exit status ${run.exit_status}` : null;
}

const GIL_SOURCES = {cond: "libc’s condition variables", futex: "futex calls",
                     functions: "probes of take_gil and drop_gil"};

// Where the GIL's events, the functions and the states came from.
function sources({run, gils, sched, functions}) {
  const gil = run.gil_source ?? GIL_SOURCES[gils[0]?.source];
  const called = run.function_source ?? (functions ? "a trace" : null);
  return [gil && `GIL: ${gil}`, called && `functions: ${called}`,
          sched && `states: ${sched.reasons ? "scheduler tracepoints" : "switch records"}`]
    .filter(Boolean).join(", ");
}

function costText({cost, run}) {
  if (cost.total_ns === null)
    return null;
  const parts = [[cost.gil_events, cost.gil_event_ns, "GIL events"],
                 [cost.calls, cost.call_ns, "calls"]]
    .filter(([count, ns]) => count > 0 && ns !== null)
    .map(([count, ns, what]) => `${countText(count)} ${what} at ${durationText(ns)}`);
  return `about ${durationText(cost.total_ns)}, ${
    percentText(cost.total_ns, run.wall_ns)}% of the run (${parts.join(", ")})`;
}

// [name, text] of the run, without what is not known.
function runFacts(summary) {
  const {run, quality} = summary;
  return [
    ["Interpreter", run.version],
    ["Executable", run.interpreter],
    ["Ran as", run.user],
    ["Ran for", run.wall_ns > 0 && durationText(run.wall_ns)],
    ["Ended with", ending(run)],
    ["Sources", sources(summary)],
    ["Recording cost", costText(summary)],
    ["Events", quality.events > 0 && countText(quality.events)],
    ["Host", run.host],
  ].filter(([, text]) => text);
}

const DEFECTS = [
  ["unordered", "events were out of order"],
  ["duplicates", "events were recorded twice"],
  ["unparsed_lines", "lines of input were not understood"],
];

function defectList(quality) {
  return DEFECTS.filter(([name]) => quality[name] > 0).map(([name, text]) =>
    make("li", {"data-quality": name}, make("b", countText(quality[name])), ` ${text}`));
}

export function showVerdict(summary) {
  const {argv} = summary.run;
  if (argv.length > 0) {
    const command = commandText(argv);
    Object.assign(byId("command"), {textContent: command, title: command});
    document.title = `${command} – giltracer`;
  }
  const [first, ...rest] = summary.findings;
  byId("headline").textContent = nameText(first);
  byId("findings").replaceChildren(...rest.map((text) => make("li", nameText(text))));
  byId("facts").replaceChildren(...runFacts(summary).map(([name, text]) =>
    makeFact(name, {title: nameText(text)}, nameText(text))));
  const defects = defectList(summary.quality);
  byId("defects").hidden = defects.length === 0;
  byId("defect-list").replaceChildren(...defects);
  byId("generator").textContent = summary.generator;
}
