// The table of threads: of the whole run as the summary says, or of the selected range.

import {byId, make, shareBar, threadLabel, valueCell} from "./dom.js";
import {countText, durationText, nameText, percentText, shortName} from "./format.js";
import {gilName, laneOf, threadSelection} from "./model.js";
import {measureBlockers, measureLane, measureStates} from "./select.js";

// [key, title, what it means, is a share of the lifetime, which reports have it]
const sawGil = ({gils}) => gils.length > 0, sawStates = ({hasStates}) => hasStates;
const sawHolds = ({gils}) => gils.some(({partial}) => !partial);
const COLUMNS = [
  ["label", "Thread", "Name and thread id; ★ is a main thread"],
  ["lifetime_ns", "Lifetime", "From its start to its end, as far as recorded"],
  ["free_ns", "No GIL %", "Share of its life without the GIL, not waiting for it", true, sawHolds],
  ["hold_ns", "Has GIL %", "Share of its life holding the GIL", true, sawHolds],
  ["wait_ns", "GIL wait %", "Share of its life waiting for the GIL", true],
  ["unknown_ns", "Unknown %", "Share of its life in which events were lost", true,
   ({lost, holes}) => lost.length > 0 || holes.some(([start, end]) => end > start)],
  ["running_ns", "Running %", "Share of its life on a CPU", true, sawStates],
  ["runnable_ns", "Runnable %", "Share of its life ready to run, without a CPU", true, sawStates],
  ["sleeping_ns", "Sleeping %", "Share of its life off the CPU of itself", true, sawStates],
  ["longest_wait_ns", "Longest wait", "Its longest wait for the GIL", false, sawGil],
  ["blocked_by", "Blocked by", "Who held the GIL while it waited, share of its waiting", false,
   sawGil],
  ["waits", "Waits", "How often it had to wait", false, sawGil],
  ["holds", "Holds", "How often it took the GIL", false, sawGil],
  ["longest_hold_ns", "Longest hold", "The longest it held the GIL at a stretch", false, sawGil],
];
const BARS = {free_ns: "free", hold_ns: "hold", wait_ns: "wait", unknown_ns: "lost"};

/** What a column's value is a share of: of what is known, states of the whole life. */
function wholeOf(row, key) {
  const states = ["running_ns", "runnable_ns", "sleeping_ns"].includes(key);
  const known = row.lifetime_ns - (key === "unknown_ns" ? 0 : row.unknown_ns ?? 0);
  return Math.max(1, states ? row.state_life_ns : known);
}

export class ThreadTable {
  constructor(model, view, summary) {
    Object.assign(this, {model, view, summary});
    this.columns = COLUMNS.filter(([, , , , has]) => !has || has(model));
    this.sort = {key: null, down: true};
    this.turn = 0; // counts measurements: a newer one makes an older one stale
  }

  /** [{gil, rows, …}]: from the JSON for the whole run, measured for a range. */
  whole() {
    const {gils} = this.summary;
    return gils.length === 0 ? this.stateBlocks(0, Infinity) : gils.map((gil) => ({
      ...gil, gil: this.model.gils[gil.index],
      rows: gil.threads.map((row) => this.complete(row, this.model.gils[gil.index])),
    }));
  }

  /** A row with its states, without the holds that futex calls cannot tell. */
  complete(row, gil) {
    const unknown = gil?.partial ? {hold_ns: null, free_ns: null} : {};
    return {...row, ...measureStates(this.model, row), ...unknown};
  }

  /** Without the GIL's events: what the states tell, of each process. */
  stateBlocks(from, to) {
    const threads = this.summary.threads
      .filter(({thread}) => this.model.threads[thread].stateTracks)
      .map((row) => ({...row, start_ns: Math.max(from, row.start_ns),
                      end_ns: Math.min(to, row.end_ns)}))
      .filter((row) => row.end_ns > row.start_ns).map((row) => this.complete(row, null));
    const told = this.summary.sched?.stacks || threads.some((row) => row.for_gil_ns > 0);
    return this.model.processes.map(({name, pid, index}) => ({
      gil: null, process: name, pid,
      rows: threads.filter(({thread}) => this.model.threads[thread].process === index)
        .map((row) => ({...row, lifetime_ns: row.end_ns - row.start_ns,
                        wait_ns: told ? row.for_gil_ns : null})),
    })).filter(({rows}) => rows.length > 0);
  }

  measured({from, to}) {
    const {gils, processes} = this.model;
    return gils.length === 0 ? this.stateBlocks(from, to) : gils.map((gil) => {
      const process = processes[gil.process];
      const rows = gil.lanes.map((lane) => measureLane(this.model, lane, from, to))
        .filter((row) => row.lifetime_ns > 0).map((row) => this.complete(row, gil));
      const sum = (key) => rows.reduce((ns, row) => ns + (row[key] ?? 0), 0);
      return {gil, rows, process: process.name, pid: process.pid,
              hold_ns: sum("hold_ns"), wait_ns: sum("wait_ns")};
    }).filter(({rows}) => rows.length > 0);
  }

  /** Soon: while a range is dragged, it changes with each frame. */
  showSoon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.show(), 60);
  }

  show() {
    const {range} = this.view;
    this.turn++;
    this.blocks = range ? this.measured(range) : this.whole();
    byId("table-scope").textContent = range
      ? `Selected range of ${durationText(range.to - range.from)}` : "Whole run";
    byId("drop-range").hidden = !range;
    this.render();
    if (range)
      this.blame(range);
  }

  /** Who blocked whom in a range takes longer: it comes after the rest. */
  async blame({from, to}) {
    const turn = ++this.turn, stale = () => turn !== this.turn;
    for (const {gil, rows} of this.blocks.filter((block) => block.gil)) {
      const waiters = await measureBlockers(gil, from, to, stale);
      if (!waiters || stale())
        return;
      const rowOf = new Map(rows.map((row) => [row.thread, row]));
      for (const waiter of waiters) {
        const row = rowOf.get(gil.members[waiter.member]);
        if (row)
          row.blocked_by = this.blameOf(gil, waiter);
      }
    }
    this.render();
  }

  blameOf(gil, {ns, holders, nobody}) {
    const blame = (thread, part, label) => ({thread, label, ns: part, share: part / ns});
    return [...holders.map((each) => blame(gil.members[each.member], each.ns)),
            ...nobody > 0 ? [blame(null, nobody, "(nobody)")] : []];
  }

  render() {
    const head = make("tr", ...this.columns.map((column) => this.headCell(column)));
    const bodies = this.blocks.map((block) => this.body(block));
    byId("threads-table").replaceChildren(
      make("caption.visually-hidden", "Threads and their GIL"),
      make("thead", head), ...bodies);
    byId("no-threads").hidden = bodies.length > 0;
    this.mark();
  }

  headCell([key, title, meaning]) {
    const [order, arrow] = this.sort.key !== key ? ["none", ""]
      : this.sort.down ? ["descending", " ▾"] : ["ascending", " ▴"];
    const text = key === "label" || key === "blocked_by";
    return make("th", {scope: "col", "aria-sort": order, className: text ? "text" : "",
                       style: key === "blocked_by" ? {"min-width": "120px"} : {}},
      make("button", {title: meaning, onclick: () => this.sortBy(key)}, title,
           make("span", {"aria-hidden": "true"}, arrow)));
  }

  sortBy(key) {
    const same = this.sort.key === key;
    this.sort = {key, down: same ? !this.sort.down : key !== "label"};
    this.render();
    byId("threads-table").querySelector(`th:nth-child(${
      this.columns.findIndex(([name]) => name === key) + 1}) button`).focus();
  }

  sorted(rows) {
    const {key, down} = this.sort;
    if (!key)
      return rows;
    const share = COLUMNS.find(([name]) => name === key)[3];
    const value = (row) => key === "label" ? nameText(row.label).toLowerCase()
      : key === "blocked_by" ? row.blocked_by?.[0]?.ns ?? 0
        : share ? row[key] / wholeOf(row, key) : row[key] ?? -1;
    const compare = (a, b) => (value(a) > value(b) ? 1 : value(a) < value(b) ? -1 : 0);
    return [...rows].sort((a, b) => (down ? -compare(a, b) : compare(a, b)));
  }

  body(block) {
    const {gil} = block;
    const held = gil?.partial ? "" : `held for ${durationText(block.hold_ns)}, `;
    const sums = gil ? `, ${gilName(gil, this.model)}: ${held}waited for ${
      durationText(block.wait_ns)}` : "";
    const title = make("th", {scope: "rowgroup", colSpan: this.columns.length,
                              className: "text"},
      make("bdi", {title: nameText(block.process)}, shortName(block.process)),
      ` (${block.pid})${sums}`,
      block.violations > 0 ? `, ${block.violations} violations` : "");
    return make("tbody", make("tr.group", title),
                ...this.sorted(block.rows).map((row) => this.row(row, gil)));
  }

  row(row, gil) {
    const lane = laneOf(this.model, row.thread, gil?.index ?? null);
    const select = () => this.view.set({selection: threadSelection(lane)});
    return make("tr", {"data-thread": row.thread, "data-gil": gil?.index, onclick: select},
      make("td.text", make("button.link",
        ...threadLabel(this.theme.ownerColor(lane.color), nameText(row.label),
                       `${row.main ? "★ " : ""}${row.tid}`))),
      ...this.columns.slice(1).map((column) => this.cell(column, row)));
  }

  cell([key, , , share], row) {
    const value = row[key];
    if (key === "blocked_by")
      return this.blockedCell(value);
    if (typeof value !== "number")
      return make("td", "–");
    if (share)
      return make("td", {"data-key": key, "data-value": value, title: durationText(value)},
        BARS[key] ? shareBar(value / wholeOf(row, key), BARS[key]) : null,
        make("span.number", percentText(value, wholeOf(row, key))));
    const text = !key.endsWith("_ns") ? countText(value) : value > 0 ? durationText(value) : "–";
    return valueCell(row, key, text);
  }

  blockedCell(list) {
    const called = ({thread, label}) => this.model.threads[thread]?.called ?? nameText(label);
    const parts = (list ?? []).slice(0, 2).map(({share, ns, ...who}, i) =>
      make("span", {title: durationText(ns)}, i ? ", " : "", make("bdi", called(who)),
           ` ${(100 * share).toFixed(0)}%`));
    return make("td.text.blocked", {"data-key": "blocked_by"},
                ...(parts.length ? parts : ["–"]));
  }

  mark() {
    const {selection} = this.view;
    for (const row of byId("threads-table").querySelectorAll("tr[data-thread]"))
      row.classList.toggle("selected", selection !== null &&
        Number(row.dataset.thread) === selection.thread &&
        (row.dataset.gil === undefined || Number(row.dataset.gil) === selection.gil));
  }
}
