// SPDX-License-Identifier: MIT
// Explains what is selected.

import {byId, laneLabel, make, makeFact, shareBar} from "./dom.js";
import {attributeTime, attributionText} from "./attribution.js";
import {countText, durationText, shareText, timeText} from "./format.js";
import {gilName, isLost, laneOf, spanSelection, threadSelection} from "./model.js";
import {CUT_END, CUT_START} from "./data.js";
import {endOfHold, holdersDuring, mainHold, rankEntries, sumOf, waitersDuring} from "./select.js";

const FUNCTIONS_EACH = 3; // of each holder
const MAX_HOLDERS = 12;

const TITLES_OF_KINDS = {
  wait: "Wait for the GIL", hold: "Hold of the GIL", free: "Without the GIL", call: "Call",
  state: "State of the thread", thread: "Thread", range: "Selected range", nothing: "Details",
};

const STATE_MEANING = {
  "running": "On a CPU.",
  "runnable (preempted)": "Ready to run; another task took its CPU.",
  "runnable (woken)": "Ready to run, woken or new; it has no CPU yet.",
  "S": "Asleep until something happens: I/O, a lock, a timer.",
  "S(GIL)": "Asleep until it gets the GIL.",
  "D": "Uninterruptible sleep in the kernel: mostly disk I/O.",
  "off CPU": "Gave up its CPU; the reason was not recorded.",
  "off CPU (GIL)": "Gave up its CPU to wait for the GIL.",
};

export class Details {
  // `utilization`: the summary's, of each GIL; it has the switch intervals.
  constructor(model, view, utilization) {
    Object.assign(this, {model, view, utilization});
  }

  show() {
    const {selection, range} = this.view;
    const title = byId("details-title"), body = byId("details-body");
    const kind = selection?.kind ?? (range ? "range" : "nothing");
    const lane = selection && laneOf(this.model, selection.thread, selection.gil);
    title.textContent = TITLES_OF_KINDS[kind];
    body.replaceChildren(...this[kind](selection ?? range, lane));
  }

  nothing() {
    return [make("p.hint", "Click a wait, a hold or a thread. Drag on the ruler, or with Shift, ",
                 "to measure a range. ", make("kbd", "?"), " shows all keys.")];
  }

  range({from, to}) {
    return [this.facts([["From", timeText(from, 1e3)], ["To", timeText(to, 1e3)],
                        ["Lasted", make("b", durationText(to - from))]]),
            ...this.model.gils.flatMap((gil) => {
              const holders = holdersDuring(gil, from, to);
              return holders.length === 0 ? [] : [
                make("h3", `Who held ${this.nameOf(gil)}`),
                this.ranking(gil, holders, from, to, "hold")];
            }),
            make("p.hint", "The tables above are measured for this range. ",
                 make("kbd", "Esc"), " drops it.")];
  }

  // "the GIL", or which one where there are several.
  nameOf(gil) {
    return this.model.gils.length === 1 ? "the GIL" : `the ${gilName(gil)} of ${gil.process.pid}`;
  }

  threadLink(lane, onclick) {
    return make("button.link", {
      onclick: onclick ?? (() => this.view.set({selection: threadSelection(lane)})),
    }, ...laneLabel(this.theme, lane));
  }

  facts(entries) {
    return make("dl.facts", ...entries.filter(Boolean).map((entry) => makeFact(...entry)));
  }

  spanFacts(selection, lane) {
    const {start, end, flags = 0} = selection;
    return [
      ["Thread", this.threadLink(lane)],
      this.model.gils.length > 1 && lane.gil && ["GIL", gilName(lane.gil)],
      ["From", timeText(start, 1)],
      ["Lasted", make("b", durationText(end - start))],
      flags & CUT_START && ["Began", "before the recording, or where events were lost"],
      flags & CUT_END && ["Ended", "with the thread, the recording, or lost events"],
    ];
  }

  ranking(gil, entries, from, to, className) {
    const item = ({member, ns}) => make("li", this.threadLink(gil.lanes[member]),
      make("span.number", shareText(ns, to - from)), shareBar(ns / (to - from), className),
      className === "hold" ? this.attribution(gil.lanes[member].thread,
        gil.holdTracks[member].intervals(from, to)) : null);
    const more = entries.length - MAX_HOLDERS;
    return make("ol.ranking", ...entries.slice(0, MAX_HOLDERS).map(item),
                more > 0 ? make("li.hint", `and ${more} more`) : null);
  }

  attribution(thread, intervals) {
    const rows = attributeTime(this.model, thread, intervals);
    return rows.length === 0 ? null : make("ul.attribution",
      ...rows.slice(0, FUNCTIONS_EACH).map((row) => make("li",
        make("bdi", attributionText(this.model, row)),
        make("span.number", ` ${durationText(row.ns)}`))));
  }

  wait(selection, lane) {
    const {gil} = lane, {start, end} = selection;
    const holders = holdersDuring(gil, start, end)
      .filter(({member}) => member !== selection.member);
    const rest = end - start - sumOf(holders);
    const main = mainHold(gil, start, end);
    return [
      this.facts(this.spanFacts(selection, lane)),
      make("h3", holders.length ? "Who held the GIL meanwhile" : "Nobody was seen to hold it"),
      this.ranking(gil, holders, start, end, "hold"),
      rest > 0 ? make("p.hint", `For ${durationText(rest)} nobody held it: ${
        isLost(lane.lost, start, end) ? "events were lost, or " : ""
      }it was free, or on its way from one thread to the next.`) : null,
      main ? make("p", make("button", {
        id: "jump", onclick: () => this.jump(), "aria-keyshortcuts": "j",
      }, "Jump to the longest hold"), make("span.hint",
        ` ${durationText(main.end - main.start)} by ${
          gil.lanes[main.member].thread.title}`)) : null,
    ].filter(Boolean);
  }

  jump() {
    const {selection} = this.view;
    if (selection?.kind !== "wait")
      return;
    const gil = this.model.gils[selection.gil];
    const main = mainHold(gil, selection.start, selection.end);
    if (main)
      this.view.go(spanSelection(gil, "hold", main.id));
  }

  hold(selection, lane) {
    const {gil} = lane, {start, end} = selection;
    const waiters = waitersDuring(gil, start, end);
    const waited = sumOf(waiters);
    return [
      this.facts([...this.spanFacts(selection, lane),
                  waited > 0 && ["Cost others", make("b", durationText(waited))]]),
      this.attribution(lane.thread, [[start, end]]),
      make("h3", "How it ended"),
      ...this.ending(selection, gil),
      make("h3", waiters.length ? "Who waited meanwhile" : "Nobody waited meanwhile"),
      this.ranking(gil, waiters, start, end, "wait"),
    ].filter(Boolean);
  }

  ending(selection, gil) {
    if (selection.flags & CUT_END)
      return [make("p", "Its release was not recorded.")];
    const interval = this.utilization[gil.index].switch_interval_ns;
    const {waiting, next} = endOfHold(gil, selection, interval);
    const words = this.endingWords(selection, gil, waiting, interval);
    const parts = [make("p", {id: "ending"}, ...words)];
    if (next)
      parts.push(make("p", `${durationText(next.start - selection.end)} later taken by `,
        this.threadLink(gil.lanes[next.member], () =>
          this.view.go(spanSelection(gil, "hold", next.id)))));
    return parts;
  }

  endingWords({start, end}, gil, waiting, interval) {
    const alone = "The thread released it by itself: ";
    if (waiting.length === 0)
      return [`${alone}nobody was waiting.`];
    const [{member, since, asked}] = waiting;
    const name = make("bdi", gil.lanes[member].thread.title);
    const more = waiting.length - 1;
    const others = more > 0 ? ` (${more} more ${more > 1 ? "were" : "was"} waiting)` : "";
    if (asked >= end)
      return [alone, name, `${others} had been waiting for ${
        durationText(end - since)}, and would have asked for it ${
        durationText(asked - end)} later.`];
    return [name, `${others} was due to ask for it about ${durationText(asked - start)} after the ` +
      `hold began: when the switch interval, ${durationText(interval)}, had passed. The release ` +
      "came ", make("b", `${durationText(end - asked)} later`), "."];
  }

  free(selection, lane) {
    const unknown = isLost(lane.lost, selection.start, selection.end);
    return [this.facts(this.spanFacts(selection, lane)),
      this.attribution(lane.thread, [[selection.start, selection.end]]) ?? "",
      make("p.hint", unknown
        ? "Events were lost here (hatched): it is not known what the thread did."
        : !lane.gil ? "This thread did not use a GIL while it was recorded."
          : lane.gil.partial
            ? "The thread did not wait for the GIL. If it held it, nobody waited meanwhile."
            : "It neither held the GIL nor waited for it: native code, I/O, sleep, or idle.")];
  }

  call(selection, lane) {
    const {start, end} = selection;
    const {title, where, kind} = this.model.functions[selection.function];
    const share = (track) => shareText(track.covered(start, end), end - start);
    const gil = lane.gil ? [["Held", share(lane.holds)], ["Waited", share(lane.waits)]] : [];
    return [this.facts([["Function", make("bdi", make("b", title))],
                        ["Where", make("bdi", where)],
                        ["Kind", {c: "C function", gc: "garbage collection"}[kind] ??
                          "Python function"],
                        ...this.spanFacts(selection, lane), ...gil])];
  }

  state(selection, lane) {
    const {cpu, state} = selection;
    const name = this.model.stateNames[state] ?? "unknown";
    return [
      this.facts([["State", make("b", name)],
                  cpu >= 0 && ["CPU", `${name === "running" ? "" : "last on "}${cpu}`],
                  ...this.spanFacts(selection, lane)]),
      make("p.hint", STATE_MEANING[name] ?? ""),
    ];
  }

  thread(selection, lane) {
    const {thread, gil} = lane, {process} = thread;
    const lifetime = lane.end - lane.start;
    const times = ({count}) => `, ${countText(count)} times`;
    const facts = [
      ["Name", make("bdi", thread.name)],
      ["Thread id", thread.tid],
      ["Process", make("bdi", process.title), ` (${process.pid})`],
      ["Lived", `${timeText(lane.start, 1e5)} – ${timeText(lane.end, 1e5)}`],
      gil && [gil.partial ? "Held, waited for" : "Held", shareText(lane.hold_ns, lifetime),
              times(lane.holds)],
      gil && ["Waited", shareText(lane.wait_ns, lifetime), times(lane.waits)],
    ];
    return [this.facts(facts), ...this.states(thread, lifetime), make("p.hint",
      make("kbd", "["), " ", make("kbd", "]"), " step through its waits, ",
      make("kbd", "{"), " ", make("kbd", "}"), " through its holds.")];
  }

  states(thread, lifetime) {
    const spans = thread.stateSpans;
    if (!spans)
      return [];
    const {stateNames} = this.model, sums = new Float64Array(stateNames.length);
    for (let i = 0; i < spans.count; i++)
      sums[spans.flags[i]] += spans.end[i] - spans.start[i];
    return [make("h3", "Its states"), make("ol.ranking",
      ...rankEntries(sums).map(({member, ns}) => make("li",
        make("span", {title: STATE_MEANING[stateNames[member]] ?? ""}, stateNames[member]),
        make("span.number", shareText(ns, lifetime)), shareBar(ns / lifetime, "free"))))];
  }

  hoverText(selection) {
    const {kind, start, end, cpu, state} = selection;
    const lane = laneOf(this.model, selection.thread, selection.gil);
    const {title: name} = lane.thread, length = durationText(end - start);
    switch (kind) {
    case "thread": return `${name} did not run Python then`;
    case "free": return `${name} ${lane.gil?.partial ? "does not wait" : "without the GIL"} for ${
      length}`;
    case "hold": return `${name} holds for ${length}`;
    case "state": return `${name}: ${this.model.stateNames[state]} for ${length}${
      cpu >= 0 ? `, CPU ${cpu}` : ""}`;
    case "call": {
      const {title, where} = this.model.functions[selection.function];
      return `${title} (${where}) for ${length}`;
    }
    default: {
      const [first] = holdersDuring(lane.gil, start, end);
      return `${name} waits for ${length}${
        first ? `, mostly for ${lane.gil.lanes[first.member].thread.title}` : ""}`;
    }
    }
  }
}
