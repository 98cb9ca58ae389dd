// SPDX-License-Identifier: MIT
// Explains what is selected.

import {CUT_END, CUT_START} from "./data.js";
import {byId, countText, durationText, laneLabel, make, makeFact, pluralText, shareBar, shareText,
        timeText} from "./dom.js";
import {attributeTime, attributionText, sampleTree} from "./flame.js";
import {Boxes} from "./flamegraph.js";
import {gilName, isLost, laneOf, lockAsGil, lockTitle} from "./model.js";
import {blockerOf, endOfHold, holdersDuring, rankEntries, sumOf, waitersDuring} from "./select.js";

const FUNCTIONS_EACH = 3; // of each holder
const MAX_HOLDERS = 12;

const TITLES_OF_KINDS = {
  wait: "Wait for the GIL", hold: "Hold of the GIL", free: "Without the GIL", call: "Call",
  had: "Hold of a lock",
  state: "State of the thread", thread: "Thread", range: "Selected range", nothing: "Details",
};

const BLOCKED_TITLES = ["Wait for a lock", "Stopped", "Stops all threads"];
// Has this browser shown the guide? Where nothing can be kept, the page is always new.
function isNew(seen) {
  try {
    if (seen)
      localStorage.setItem("giltracer", "seen");
    return !localStorage.getItem("giltracer");
  } catch {
    return true;
  }
}

export class Details {
  constructor(model, view, utilization) {
    Object.assign(this, {model, view, utilization});
  }

  show() {
    const {selection, range} = this.view;
    const title = byId("details-title"), body = byId("details-body");
    const kind = selection?.kind ?? (range ? "range" : "nothing");
    isNew(kind !== "nothing");
    const lane = selection && laneOf(this.model, selection);
    title.textContent = TITLES_OF_KINDS[kind] ?? BLOCKED_TITLES[this.blockedKind(selection)];
    body.replaceChildren(...this[kind](selection ?? range, lane));
  }

  nothing() {
    const guide = byId("guide").cloneNode(true);
    guide.removeAttribute("id");
    return [...isNew() ? [guide] : [],
            make("p.hint", "Click a wait, a hold or a thread. Drag on the ruler, or with Shift, ",
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

  nameOf(gil) {
    return this.model.gils.length === 1 ? "the GIL" : `the ${gilName(gil)} of ${gil.process.pid}`;
  }

  threadLink(lane, onclick) {
    return make("button.link", {
      onclick: onclick ?? (() => this.view.select(lane)),
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
    const item = ({member, ns}) => this.ranked(this.threadLink(gil.lanes[member]), ns, to - from,
      className, className === "hold" ? this.attribution(gil.lanes[member].thread,
        gil.holdTracks[member].parts(from, to)) : null);
    const more = entries.length - MAX_HOLDERS;
    return make("ol.ranking", ...entries.slice(0, MAX_HOLDERS).map(item),
                more > 0 ? make("li.hint", `and ${more} more`) : null);
  }

  ranked(what, ns, whole, className, ...more) {
    return make("li", what, make("span.number", shareText(ns, whole)),
                shareBar(ns / whole, className), ...more);
  }

  attribution(thread, intervals) {
    const rows = attributeTime(this.model, thread, intervals);
    return rows.length === 0 ? "" : make("ul.attribution",
      ...rows.slice(0, FUNCTIONS_EACH).map((row) => make("li",
        make("bdi", attributionText(this.model, row)),
        make("span.number", ` ${durationText(row.ns)}`))));
  }

  wait(selection, lane, gil = lane.gil, known = "nobody held it") {
    const {thread, start, end} = selection;
    const holders = holdersDuring(gil, start, end)
      .filter(({member}) => gil.members[member] !== thread);
    const rest = end - start - sumOf(holders);
    return [
      this.facts(this.spanFacts(selection, lane)),
      make("h3", holders.length ? `Who held ${gil.kind ? "it" : "the GIL"} meanwhile`
        : "Nobody was seen to hold it"),
      this.ranking(gil, holders, start, end, "hold"),
      rest > 0 ? make("p.hint", `For ${durationText(rest)} ${known}: ${
        isLost(lane.lost, start, end) ? "events were lost, or " : ""
      }it was free, or on its way from one thread to the next.`) : null,
      this.jumpButton(selection, "Jump to the longest hold"),
    ].filter(Boolean);
  }

  jumpButton(selection, text) {
    const to = blockerOf(this.model, selection);
    return to && make("p", make("button", {
      id: "jump", onclick: () => this.view.go(to), "aria-keyshortcuts": "j",
    }, text), make("span.hint", ` ${durationText(to.end - to.start)} by ${
      this.model.threads[to.thread].title}`));
  }

  blockedKind({thread, id}) {
    return this.model.threads[thread].blockedSpans.flags[id] >> 2;
  }

  lockFact(index) {
    return ["Lock", make("bdi", lockTitle(this.model.locks[index])), `, number ${index}`];
  }

  blocked(selection, lane) {
    const {model} = this, {id, start, end} = selection, {member, flags} = lane.thread.blockedSpans;
    const kind = flags[id] >> 2;
    if (kind === 0) {
      const [facts, ...rest] = this.wait({...selection, flags: flags[id]}, lane,
        lockAsGil(model, member[id]), "it is not known who held it");
      facts.prepend(makeFact(...this.lockFact(member[id])));
      return [facts, this.attribution(lane.thread, [[start, end]]), ...rest];
    }
    const {stops} = model, i = member[id], asker = model.threads[stops.member[i]];
    const asked = [[stops.start[i], stops.endOf(i)]];
    return [this.facts([
      ...this.spanFacts(selection, lane), kind === 1 && ["Asked by", this.threadLink(asker.lanes[0])],
      ["Had to stop", pluralText(stops.stopped[i], "thread")],
      ["Until all had", durationText(stops.until[i])]]),
    make("h3", "What asked for it"), this.attribution(asker, asked),
    this.jumpButton(selection, "Jump to who asked") ?? ""];
  }

  had(selection, lane) {
    const {threads, locks} = this.model, {id, start, end} = selection;
    const index = locks.findLastIndex(({first}) => first <= id);
    const waiters = rankEntries(threads.map(({blockedTrack, blockedSpans: spans}) =>
      [...blockedTrack?.parts(start, end) ?? []].reduce((sum, [from, to, i]) =>
        sum + (spans.flags[i] < 4 && spans.member[i] === index ? to - from : 0), 0)));
    return [this.facts([this.lockFact(index), ...this.spanFacts(selection, lane),
                        ["Cost others", make("b", durationText(sumOf(waiters)))]]),
            this.attribution(lane.thread, [[start, end]]),
            make("h3", "Who waited meanwhile"),
            this.ranking({lanes: threads.map(({lanes}) => lanes[0])}, waiters, start, end, "wait")];
  }

  hold(selection, lane) {
    const {gil} = lane, {start, end} = selection;
    const waiters = waitersDuring(gil, start, end);
    const waited = sumOf(waiters);
    return [
      this.facts([...this.spanFacts(selection, lane),
                  waited > 0 && ["Cost others", make("b", durationText(waited))]]),
      this.attribution(lane.thread, [[start, end]]),
      ...this.sampled(selection),
      make("h3", "How it ended"),
      ...this.ending(selection, gil),
      make("h3", waiters.length ? "Who waited meanwhile" : "Nobody waited meanwhile"),
      this.ranking(gil, waiters, start, end, "wait"),
    ].filter(Boolean);
  }

  // The hold's own flame graph.
  sampled({thread, start, end}) {
    const {flames, frames} = this.model, flame = flames.find(({samples, counter}) => samples.total > 0 && counter === undefined);
    if (!flame)
      return [];
    const tree = sampleTree(flame, frames, 0, start, end, (who) => who === thread);
    const {figure, boxes} = new Boxes(tree);
    return [make("h3", `Its stack, in ${pluralText(tree.samples, "sample")}`),
            ...tree.samples > 0 ? [figure, boxes] : []];
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
        this.threadLink(gil.lanes[next.member], () => this.view.go(next))));
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
      this.attribution(lane.thread, [[selection.start, selection.end]]),
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

  stateOf({thread, id}) {
    const {flags, member} = this.model.threads[thread].stateSpans;
    const {stateNames, meanings} = this.model, state = flags[id];
    return {name: stateNames[state] ?? "unknown", meaning: meanings[state], cpu: member[id] - 1};
  }

  state(selection, lane) {
    const {name, meaning, cpu} = this.stateOf(selection);
    return [
      this.facts([["State", make("b", name)],
                  cpu >= 0 && ["CPU", `${name === "running" ? "" : "last on "}${cpu}`],
                  ...this.spanFacts(selection, lane)]),
      make("p.hint", meaning),
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
    return [this.facts(facts), ...this.states(thread, lifetime)];
  }

  states(thread, lifetime) {
    const spans = thread.stateSpans;
    if (!spans)
      return [];
    const {stateNames, meanings} = this.model, sums = new Float64Array(stateNames.length);
    for (let i = 0; i < spans.count; i++)
      sums[spans.flags[i]] += spans.lengthOf(i);
    return [make("h3", "Its states"), make("ol.ranking",
      ...rankEntries(sums).map(({member, ns}) => this.ranked(
        make("span", {title: meanings[member]}, stateNames[member]), ns, lifetime, "free")))];
  }

  hoverText(selection) {
    const {kind, start, end} = selection, {model} = this, {gil, thread} = laneOf(model, selection);
    const length = `for ${durationText(end - start)}`;
    const mostly = (who) => who ? `, mostly for ${who.title}` : "";
    const by = () => model.threads[blockerOf(model, selection)?.thread];
    const texts = {
      thread: () => " did not run Python then", hold: () => ` holds ${length}`,
      free: () => ` ${gil?.partial ? "does not wait" : "without the GIL"} ${length}`,
      state: ({name, cpu} = this.stateOf(selection)) =>
        `: ${name} ${length}${cpu >= 0 ? `, CPU ${cpu}` : ""}`,
      had: () => ` has a lock ${length}`,
      blocked: () => [` waits for a lock ${length}${mostly(by())}`,
                      ` is stopped ${length}, by ${by()?.title}`, ` stops all others ${length}`][
        this.blockedKind(selection)],
      wait: ([first] = holdersDuring(gil, start, end)) =>
        ` waits ${length}${mostly(first && gil.lanes[first.member].thread)}`,
    };
    if (texts[kind])
      return thread.title + texts[kind]();
    const {title, where} = model.functions[selection.function];
    return `${title} (${where}) ${length}`;
  }
}
