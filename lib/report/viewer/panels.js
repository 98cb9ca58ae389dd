// What is selected, explained: a wait, a hold, a free stretch, or a thread.

import {byId, make, shareBar, swatch} from "./dom.js";
import {countText, durationText, nameText, percentText, timeText} from "./format.js";
import {functionAt, gilName, laneOf, spanSelection, threadSelection} from "./model.js";
import {CUT_END, CUT_START} from "./data.js";
import {countBelow} from "./lod.js";
import {endOfHold, holdersDuring, mainHold, rankEntries, waitersDuring} from "./select.js";

const SWITCH_INTERVAL_NS = 5e6; // CPython's default

const STATE_MEANING = {
    "running": "It was on a CPU.",
    "runnable (preempted)": "It was ready to run, pushed off its CPU by another task.",
    "runnable (woken)": "It was woken or new, and waited for a CPU.",
    "S": "It slept until something happens: I/O, a lock, a timer.",
    "S(GIL)": "It slept until it gets the GIL.",
    "D": "It slept in the kernel and could not be interrupted: usually disk I/O.",
    "off CPU": "It left the CPU of itself; the reason was not recorded.",
    "off CPU (GIL)": "It left the CPU of itself while waiting for the GIL.",
};

/** A hold of the GIL by its place in the GIL's spans, as a selection. */
export function holdSelection(model, gil, id) {
    const lane = laneOf(model, gil.members[gil.holdSpans.member[id]], gil.index);
    return spanSelection(lane, "hold", countBelow(lane.holds.id, id));
}

export class Details {
    constructor(model, view) {
        this.model = model;
        this.view = view;
    }

    show() {
        const {selection} = this.view;
        const title = byId("details-title"), body = byId("details-body");
        if (!selection) {
            title.textContent = "Details";
            body.replaceChildren(make("p", {className: "hint"},
                "Click a wait, a hold or a thread. Drag on the ruler, or with Shift, to measure " +
                "a range. ", make("kbd", {}, "?"), " shows all keys."));
            return;
        }
        const lane = laneOf(this.model, selection.thread, selection.gil);
        const kinds = {wait: "Wait for the GIL", hold: "Hold of the GIL", free: "Without the GIL", state: "State of the thread", call: "Call",
                       thread: "Thread"};
        title.textContent = kinds[selection.kind];
        body.replaceChildren(...this[selection.kind](selection, lane));
    }

    threadLink(thread, gil, onclick) {
        const lane = laneOf(this.model, thread, gil?.index ?? null);
        return make("button", {
            className: "link",
            onclick: onclick ?? (() => this.view.set({selection: threadSelection(lane)})),
        }, swatch(this.theme.ownerColor(lane.color)), make("bdi", {}, lane.thread.name),
        make("span", {className: "tid"}, String(lane.thread.tid)));
    }

    facts(entries) {
        return make("dl", {className: "facts"}, ...entries.filter(Boolean).map(([name, ...value]) =>
            make("div", {}, make("dt", {}, name), make("dd", {}, ...value))));
    }

    spanFacts(selection, lane) {
        const {start, end, flags} = selection;
        return [
            ["Thread", this.threadLink(lane.thread.index, lane.gil)],
            this.model.gils.length > 1 && lane.gil && ["GIL", gilName(lane.gil, this.model)],
            ["From", timeText(start, 1)],
            ["Lasted", make("b", {}, durationText(end - start))],
            flags & CUT_START && ["Began", "before the recording, or where events were lost"],
            flags & CUT_END && ["Ended", "with the thread, the recording, or lost events"],
        ];
    }

    /** A ranking of threads with their times as bars. */
    ranking(gil, entries, whole, className) {
        return make("ol", {className: "ranking"}, ...entries.slice(0, 12).map(({member, ns}) =>
            make("li", {}, this.threadLink(gil.members[member], gil),
                 make("span", {className: "number"},
                      `${durationText(ns)} · ${percentText(ns, whole)}%`),
                 shareBar(ns / whole, className))));
    }

    wait(selection, lane) {
        const {gil} = lane, {start, end} = selection;
        const holders = holdersDuring(gil, start, end)
            .filter((entry) => entry.member !== selection.member);
        const explained = holders.reduce((sum, entry) => sum + entry.ns, 0);
        const rest = end - start - explained;
        const main = mainHold(gil, start, end);
        return [
            this.facts(this.spanFacts(selection, lane)),
            make("h3", {}, holders.length ? "Who held the GIL meanwhile" : "Nobody was seen to hold it"),
            this.ranking(gil, holders, end - start, "hold"),
            rest > 0 ? make("p", {className: "hint"},
                `For ${durationText(rest)} nobody held it: it was free, or passing from one thread to the next.`) : null,
            main ? make("p", {id: "doing"}, this.doing(gil.members[main.member],
                                                       Math.max(main.start, start) + 1)) : null,
            main ? make("p", {}, make("button", {
                id: "jump", onclick: () => this.jump(),
            }, "Jump to the longest hold"), make("span", {className: "hint"},
                ` ${durationText(main.end - main.start)} by ${
                    this.model.threads[gil.members[main.member]].name}`)) : null,
        ].filter(Boolean);
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
        this.view.set({selection: holdSelection(this.model, gil, main.id)});
        this.view.reveal(main.start, main.end);
    }

    hold(selection, lane) {
        const {gil} = lane, {start, end} = selection;
        const waiters = waitersDuring(gil, start, end);
        const waited = waiters.reduce((sum, entry) => sum + entry.ns, 0);
        return [
            this.facts([...this.spanFacts(selection, lane),
                        waited > 0 && ["Cost others", make("b", {}, durationText(waited))]]),
            make("p", {id: "doing"}, this.doing(lane.thread.index, end - 1)),
            make("h3", {}, "How it ended"),
            ...this.ending(selection, gil),
            make("h3", {}, waiters.length ? "Who waited meanwhile" : "Nobody waited meanwhile"),
            this.ranking(gil, waiters, end - start, "wait"),
        ];
    }

    ending(selection, gil) {
        if (selection.flags & CUT_END)
            return [make("p", {}, "Its release was not recorded.")];
        const {waiting, next} = endOfHold(gil, selection);
        const parts = [];
        if (waiting.length === 0) {
            parts.push(make("p", {}, "By itself: nobody was waiting."));
        } else {
            const [{member, since}] = waiting;
            const asked = Math.max(since, selection.start) + SWITCH_INTERVAL_NS;
            const late = selection.end - asked;
            const name = this.model.threads[gil.members[member]].name;
            const also = waiting.length > 1 ? ` and ${waiting.length - 1} more` : "";
            parts.push(make("p", {}, make("bdi", {}, name), `${also} had been waiting for ` +
                `${durationText(selection.end - since)}. ` + (late >= 0
                ? `A waiter asks after the switch interval (5 ms by default): it came ${
                    durationText(late)} later.`
                : "It gave up by itself, before a waiter asks (5 ms by default).")));
        }
        if (next)
            parts.push(make("p", {}, `${durationText(next.start - selection.end)} later taken by `,
                this.threadLink(gil.members[next.member], gil, () => {
                    this.view.set({selection: holdSelection(this.model, gil, next.id)});
                    this.view.reveal(next.start, next.end);
                })));
        return parts;
    }

    free(selection, lane) {
        return [this.facts(this.spanFacts({flags: 0, ...selection}, lane)),
            make("p", {className: "hint"}, lane.gil
                ? "It neither held the GIL nor waited for it: native code, I/O, sleep, or idle."
                : "This thread never touched a GIL while recorded.")];
    }

    /** "in name (file:line)" of what a thread did at a time, where calls were recorded. */
    doing(thread, time) {
        const called = functionAt(this.model, thread, time);
        return called ? `in ${called.title} (${called.where})` : "";
    }

    call(selection, lane) {
        const {start, end} = selection;
        const called = this.model.functions[selection.function];
        const share = (ns) => `${durationText(ns)} · ${percentText(ns, end - start)}%`;
        const gil = lane.gil ? [["Held", share(lane.holds.covered(start, end))],
                                ["Waited", share(lane.waits.covered(start, end))]] : [];
        return [this.facts([["Function", make("bdi", {}, make("b", {}, called.title))],
                            ["Where", make("bdi", {}, called.where)],
                            ["Kind", {c: "C function", gc: "garbage collection"}[called.kind] ??
                                "Python function"],
                            ...this.spanFacts({...selection, flags: 0}, lane), ...gil])];
    }

    state(selection, lane) {
        const {cpu, state} = selection;
        const name = this.model.stateNames[state] ?? "unknown";
        return [
            this.facts([["State", make("b", {}, name)],
                        cpu >= 0 && ["CPU", `${name === "running" ? "" : "last on "}${cpu}`],
                        ...this.spanFacts({...selection, flags: 0}, lane)]),
            make("p", {className: "hint"}, STATE_MEANING[name] ?? ""),
        ];
    }

    thread(selection, lane) {
        const {thread, gil} = lane;
        const process = this.model.processes[thread.process];
        const lifetime = lane.end - lane.start;
        const share = (ns) => `${durationText(ns)} · ${percentText(ns, lifetime)}%`;
        const facts = [
            ["Name", make("bdi", {}, thread.name)],
            ["Thread id", String(thread.tid)],
            ["Process", make("bdi", {}, process.title), ` (${process.pid})`],
            ["Lived", `${timeText(lane.start, 1e5)} – ${timeText(lane.end, 1e5)}`],
            gil && ["Held", `${share(lane.hold_ns)}, ${countText(lane.holds.count)} times`],
            gil && ["Waited", `${share(lane.wait_ns)}, ${countText(lane.waits.count)} times`],
        ];
        return [this.facts(facts), ...this.states(thread, lifetime), make("p", {className: "hint"},
            make("kbd", {}, "["), " ", make("kbd", {}, "]"), " step through its waits, ",
            make("kbd", {}, "{"), " ", make("kbd", {}, "}"), " through its holds.")];
    }

    /** What the scheduler did with a thread, when that was recorded. */
    states(thread, lifetime) {
        const spans = thread.stateSpans;
        if (!spans)
            return [];
        const sums = new Float64Array(this.model.stateNames.length);
        for (let i = 0; i < spans.count; i++)
            sums[spans.flags[i]] += spans.end[i] - spans.start[i];
        return [make("h3", {}, "Its states"), make("ol", {className: "ranking"},
            ...rankEntries(sums).map(({member, ns}) => make("li", {},
                make("span", {title: STATE_MEANING[this.model.stateNames[member]] ?? ""},
                     this.model.stateNames[member]),
                make("span", {className: "number"},
                     `${durationText(ns)} · ${percentText(ns, lifetime)}%`),
                shareBar(ns / lifetime, "free"))))];
    }

    /** One line for the pointer's neighbourhood. */
    hoverText(selection) {
        const lane = laneOf(this.model, selection.thread, selection.gil);
        const {name} = lane.thread;
        if (selection.kind === "thread")
            return `${name} did not run Python then`;
        const length = durationText(selection.end - selection.start);
        if (selection.kind === "free")
            return `${name} without the GIL for ${length}`;
        if (selection.kind === "hold")
            return `${name} holds for ${length}`;
        if (selection.kind === "call") {
            const called = this.model.functions[selection.function];
            return `${called.title} (${called.where}) for ${length}`;
        }
        if (selection.kind === "state")
            return `${name}: ${this.model.stateNames[selection.state]} for ${length}` +
                (selection.cpu >= 0 ? `, CPU ${selection.cpu}` : "");
        const [first] = holdersDuring(lane.gil, selection.start, selection.end);
        const holder = first ? this.model.threads[lane.gil.members[first.member]].name : null;
        return `${name} waits for ${length}${holder ? `, mostly for ${nameText(holder)}` : ""}`;
    }
}
