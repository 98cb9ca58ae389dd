// What is selected, explained: a wait, a hold, a free stretch, or a thread.

import {byId, make, shareBar, threadLabel} from "./dom.js";
import {doingDuring, doingText, piecesOf} from "./doing.js";
import {countText, durationText, shareText, timeText} from "./format.js";
import {gilName, isLost, laneOf, spanSelection, threadSelection} from "./model.js";
import {CUT_END, CUT_START} from "./data.js";
import {countBelow} from "./lod.js";
import {endOfHold, holdersDuring, mainHold, rankEntries, sumOf, waitersDuring} from "./select.js";

const MOST_DOINGS = 3;          // functions told of each holder
const MOST_HOLDERS = 12;

const TITLES_OF_KINDS = {
  wait: "Wait for the GIL", hold: "Hold of the GIL", free: "Without the GIL", call: "Call",
  state: "State of the thread", thread: "Thread", range: "Selected range", nothing: "Details",
};

const STATE_MEANING = {
  "running": "On a CPU.",
  "runnable (preempted)": "Ready to run, pushed off its CPU by another task.",
  "runnable (woken)": "Woken or new, without a CPU yet.",
  "S": "Asleep until something happens: I/O, a lock, a timer.",
  "S(GIL)": "Asleep until it gets the GIL.",
  "D": "Asleep in the kernel, not to be interrupted: disk I/O, as a rule.",
  "off CPU": "Left its CPU of itself; the reason was not recorded.",
  "off CPU (GIL)": "Left its CPU of itself, to wait for the GIL.",
};

/** A hold of the GIL by its place in the GIL's spans, as a selection. */
function holdSelection(gil, id) {
  const lane = gil.lanes[gil.holdSpans.member[id]];
  return spanSelection(lane, "hold", countBelow(lane.holds.id, id));
}

export class Details {
  /** `load`: the summary's, for the switch intervals. */
  constructor(model, view, load) {
    Object.assign(this, {model, view, load});
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

  /** Who held each GIL within a range; the tables have the rest. */
  range({from, to}) {
    return [this.facts([["From", timeText(from, 1e3)], ["To", timeText(to, 1e3)],
                        ["Lasted", make("b", durationText(to - from))]]),
            ...this.model.gils.flatMap((gil) => {
              const holders = holdersDuring(gil, from, to);
              return holders.length === 0 ? [] : [
                make("h3", `Who held ${this.nameOf(gil)}`),
                this.ranking(gil, holders, from, to, "hold")];
            }),
            make("p.hint", "The tables above are measured for it. ",
                 make("kbd", "Esc"), " drops it.")];
  }

  /** "the GIL", or which one where there are several. */
  nameOf(gil) {
    return this.model.gils.length === 1 ? "the GIL"
      : `the ${gilName(gil, this.model)} of ${this.model.processes[gil.process].pid}`;
  }

  threadLink(lane, onclick) {
    return make("button", {
      className: "link",
      onclick: onclick ?? (() => this.view.set({selection: threadSelection(lane)})),
    }, ...threadLabel(this.theme.ownerColor(lane.color), lane.thread.name, lane.thread.tid));
  }

  facts(entries) {
    return make("dl.facts", ...entries.filter(Boolean).map(([name, ...value]) =>
      make("div", make("dt", name), make("dd", ...value))));
  }

  spanFacts(selection, lane) {
    const {start, end, flags = 0} = selection;
    return [
      ["Thread", this.threadLink(lane)],
      this.model.gils.length > 1 && lane.gil && ["GIL", gilName(lane.gil, this.model)],
      ["From", timeText(start, 1)],
      ["Lasted", make("b", durationText(end - start))],
      flags & CUT_START && ["Began", "before the recording, or where events were lost"],
      flags & CUT_END && ["Ended", "with the thread, the recording, or lost events"],
    ];
  }

  /** Threads by their times within [from, to), as bars; holders with what they were doing. */
  ranking(gil, entries, from, to, className) {
    const item = ({member, ns}) => make("li", this.threadLink(gil.lanes[member]),
      make("span.number", shareText(ns, to - from)), shareBar(ns / (to - from), className),
      className === "hold" ? this.doing(gil.lanes[member].thread, piecesOf(
        gil.holdTracks[member], from, to)) : null);
    const more = entries.length - MOST_HOLDERS;
    return make("ol.ranking", ...entries.slice(0, MOST_HOLDERS).map(item),
                more > 0 ? make("li.hint", `and ${more} more`) : null);
  }

  /** What a thread did in these pieces of time: its functions, the longest first. */
  doing(thread, pieces) {
    const rows = doingDuring(this.model, thread, pieces);
    return rows.length === 0 ? null : make("ul.doing",
      ...rows.slice(0, MOST_DOINGS).map((row) => make("li",
        make("bdi", doingText(this.model, row)),
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
        this.isLost(lane, start, end) ? "events were lost there, " : ""
      }it was free, or passing from one thread to the next.`) : null,
      main ? make("p", make("button", {
        id: "jump", onclick: () => this.jump(), "aria-keyshortcuts": "j",
      }, "Jump to the longest hold"), make("span.hint",
        ` ${durationText(main.end - main.start)} by ${
          gil.lanes[main.member].thread.called}`)) : null,
    ].filter(Boolean);
  }

  isLost({thread}, from, to) {
    return isLost(this.model.processes[thread.process].lost, from, to);
  }

  /** From a wait to the hold that blocked it longest. */
  jump() {
    const {selection} = this.view;
    if (selection?.kind !== "wait")
      return;
    const gil = this.model.gils[selection.gil];
    const main = mainHold(gil, selection.start, selection.end);
    if (!main)
      return;
    this.view.go(holdSelection(gil, main.id));
  }

  hold(selection, lane) {
    const {gil} = lane, {start, end} = selection;
    const waiters = waitersDuring(gil, start, end);
    const waited = sumOf(waiters);
    return [
      this.facts([...this.spanFacts(selection, lane),
                  waited > 0 && ["Cost others", make("b", durationText(waited))]]),
      this.doing(lane.thread, [[start, end]]),
      make("h3", "How it ended"),
      ...this.ending(selection, gil),
      make("h3", waiters.length ? "Who waited meanwhile" : "Nobody waited meanwhile"),
      this.ranking(gil, waiters, start, end, "wait"),
    ].filter(Boolean);
  }

  ending(selection, gil) {
    if (selection.flags & CUT_END)
      return [make("p", "Its release was not recorded.")];
    const interval = this.load[gil.index].switch_interval_ns;
    const {waiting, next} = endOfHold(gil, selection, interval);
    const words = this.endingWords(selection, gil, waiting, interval);
    const parts = [make("p", {id: "ending"}, ...words)];
    if (next)
      parts.push(make("p", `${durationText(next.start - selection.end)} later taken by `,
        this.threadLink(gil.lanes[next.member], () => this.view.go(holdSelection(gil, next.id)))));
    return parts;
  }

  /** Given up by itself, or because a waiter asked for it, and how late. */
  endingWords({start, end}, gil, waiting, interval) {
    if (waiting.length === 0)
      return ["By itself: nobody was waiting."];
    const [{member, since, asked}] = waiting;
    const name = make("bdi", gil.lanes[member].thread.called);
    const more = waiting.length - 1;
    const others = more > 0 ? ` (${more} more ${more > 1 ? "were" : "was"} waiting)` : "";
    if (asked >= end)
      return ["By itself: ", name, `${others} had been waiting for ${
        durationText(end - since)}, and would have asked for it ${
        durationText(asked - end)} later.`];
    return ["Due to be asked by ", name, `${others}, about ${durationText(asked - start)} after it ` +
      `began (a waiter asks when the switch interval, ${durationText(interval)}, has passed). ` +
      "It came ", make("b", `${durationText(end - asked)} later`), "."];
  }

  free(selection, lane) {
    const unknown = this.isLost(lane, selection.start, selection.end);
    return [this.facts(this.spanFacts(selection, lane)),
      this.doing(lane.thread, [[selection.start, selection.end]]) ?? "",
      make("p.hint", unknown
        ? "Events were lost here (hatched): what it did then is not known."
        : !lane.gil ? "This thread never touched a GIL while recorded."
          : lane.gil.partial
            ? "It did not wait for the GIL, and nobody waited while it held it, if it did."
            : "It neither held the GIL nor waited for it: native code, I/O, sleep, or idle.")];
  }

  call(selection, lane) {
    const {start, end} = selection;
    const called = this.model.functions[selection.function];
    const share = (track) => shareText(track.covered(start, end), end - start);
    const gil = lane.gil ? [["Held", share(lane.holds)], ["Waited", share(lane.waits)]] : [];
    return [this.facts([["Function", make("bdi", make("b", called.title))],
                        ["Where", make("bdi", called.where)],
                        ["Kind", {c: "C function", gc: "garbage collection"}[called.kind] ??
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
    const {thread, gil} = lane;
    const process = this.model.processes[thread.process];
    const lifetime = lane.end - lane.start;
    const times = ({count}) => `, ${countText(count)} times`;
    const facts = [
      ["Name", make("bdi", thread.name)],
      ["Thread id", String(thread.tid)],
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

  /** What the scheduler did with a thread, when that was recorded. */
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

  /** One line for the pointer's neighbourhood. */
  hoverText(selection) {
    const {kind, start, end, cpu, state} = selection;
    const lane = laneOf(this.model, selection.thread, selection.gil);
    const {called: name} = lane.thread, length = durationText(end - start);
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
        first ? `, mostly for ${lane.gil.lanes[first.member].thread.called}` : ""}`;
    }
    }
  }
}
