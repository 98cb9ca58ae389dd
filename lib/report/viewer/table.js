// SPDX-License-Identifier: MIT
// The table of threads: the summary's of the whole run, or measured for the selected range.

import {byId, countText, durationText, laneLabel, make, max, Measurement, min, nameText,
        percentText, shareBar, shortName, valueCell} from "./dom.js";
import {gilName, laneOf} from "./model.js";
import {measureBlocked, measureBlockers, measureLane, measureStates} from "./select.js";

const FEW_ROWS = 20; // of a GIL: each thread has one
function isOutside({gils}, {stateTracks, blockedTracks, lanes}) {
  return gils.length === 0 ? stateTracks ?? blockedTracks : blockedTracks && !lanes[0].gil;
}

function wholeOf(row, key) {
  return max(1, key === "known_ns" ? row.lifetime_ns - (row.unknown_ns ?? 0) : row[key]);
}

export class ThreadTable {
  constructor(model, view, summary) {
    Object.assign(this, {model, view, summary});
    this.columns = model.columns; // [key, title, meaning, key of what it is a share of, colour]
    this.sort = {key: null, down: true};
    this.open = new Set(); // kinds of threads whose rows are shown
  }

  whole() {
    const {gils} = this.summary;
    return [...gils.map((gil) => ({
      ...gil, gil: this.model.gils[gil.index],
      rows: gil.threads.map((row) => this.complete(row, this.model.gils[gil.index])),
    })), ...this.stateBlocks(0, Infinity)];
  }

  // A row with its states; without its holds, where only those that were waited for are known.
  complete(row, gil) {
    const unknown = gil?.partial ? {hold_ns: null, free_ns: null} : {};
    const {model} = this;
    return {...row, wanted_ns: row.contended_ns && row.wait_ns, ...measureStates(model, row), ...measureBlocked(model, row), ...unknown};
  }

  stateBlocks(from, to) {
    const threads = this.summary.threads
      .filter(({thread}) => isOutside(this.model, this.model.threads[thread]))
      .map((row) => ({...row, start_ns: max(from, row.start_ns),
                      end_ns: min(to, row.end_ns)}))
      .filter((row) => row.end_ns > row.start_ns).map((row) => this.complete(row, null));
    const known = this.summary.sched?.stacks || threads.some((row) => row.for_gil_ns > 0);
    return this.model.processes.map(({name, pid, index}) => ({
      gil: null, process: name, pid,
      rows: threads.filter(({thread}) => this.model.threads[thread].process.index === index)
        .map((row) => ({...row, lifetime_ns: row.end_ns - row.start_ns,
                        wait_ns: known ? row.for_gil_ns : null})),
    })).filter(({rows}) => rows.length > 0);
  }

  measured({from, to}) {
    const {gils} = this.model;
    return [...gils.map((gil) => {
      const rows = gil.lanes.map((lane) => measureLane(this.model, lane, from, to))
        .filter((row) => row.lifetime_ns > 0).map((row) => this.complete(row, gil));
      const sum = (key) => rows.reduce((ns, row) => ns + (row[key] ?? 0), 0);
      return {gil, rows, process: gil.process.name, pid: gil.process.pid,
              hold_ns: sum("hold_ns"), wait_ns: sum("wait_ns")};
    }).filter(({rows}) => rows.length > 0), ...this.stateBlocks(from, to)];
  }

  // A range that is dragged changes with each frame: show it when it rests.
  showSoon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.show(), 60);
  }

  show() {
    const {range} = this.view, task = new Measurement(this);
    this.blocks = range ? this.measured(range) : this.whole();
    byId("table-scope").textContent = range
      ? `Selected range of ${durationText(range.to - range.from)}` : "Whole run";
    byId("drop-range").hidden = !range;
    this.render();
    if (range)
      this.addBlockers(range, task);
  }

  async addBlockers({from, to}, task = new Measurement(this)) {
    for (const {gil, rows} of this.blocks.filter((block) => block.gil)) {
      const waiters = await measureBlockers(gil, from, to, task);
      if (!waiters || task.stale)
        return;
      const rowOf = new Map(rows.map((row) => [row.thread, row]));
      for (const waiter of waiters) {
        const row = rowOf.get(gil.members[waiter.member]);
        if (row)
          row.blocked_by = this.blockedBy(gil, waiter);
      }
    }
    this.render();
  }

  blockedBy(gil, {ns, holders, nobody}) {
    const blocker = (thread, part, label) => ({thread, label, ns: part, share: part / ns});
    return [...holders.map((each) => blocker(gil.members[each.member], each.ns)),
            ...nobody > 0 ? [blocker(null, nobody, "(nobody)")] : []];
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
    return make("th", {scope: "col", "aria-sort": order, className: text ? `text ${key}` : ""},
      make("button", {title: meaning, onclick: () => this.sortBy(key)}, title,
           make("span", {"aria-hidden": "true"}, arrow)));
  }

  sortBy(key) {
    const same = this.sort.key === key;
    this.sort = {key, down: same ? !this.sort.down : key !== "label"};
    this.render();
    byId("threads-table").querySelectorAll("th button")[
      this.columns.findIndex(([name]) => name === key)].focus();
  }

  sorted(rows) {
    const {key, down} = this.sort;
    if (!key)
      return rows;
    const whole = this.columns.find(([name]) => name === key)[3];
    const value = (row) => key === "label" ? nameText(row.label).toLowerCase()
      : key === "blocked_by" ? row.blocked_by?.[0]?.ns ?? 0
        : whole ? row[key] / wholeOf(row, whole) : row[key] ?? -1;
    const sign = down ? -1 : 1;
    return [...rows].sort((a, b) => value(a) > value(b) ? sign : value(a) < value(b) ? -sign : 0);
  }

  body(block) {
    const {gil} = block;
    const held = gil?.partial ? "" : `held for ${durationText(block.hold_ns)}, `;
    const sums = gil ? `, ${gilName(gil)}: ${held}waited for ${durationText(block.wait_ns)}` : "";
    const title = make("th.text", {scope: "rowgroup", colSpan: this.columns.length},
      make("bdi", {title: block.command?.join(" ") ?? nameText(block.process)},
           block.title ?? shortName(block.process)),
      ` (${block.pid})${sums}`,
      block.violations > 0 ? `, ${block.violations} violations` : "");
    const rows = this.sorted(this.grouped(block)).flatMap((row) =>
      !row.members ? [this.row(row, gil)]
        : [this.kindRow(row), ...this.open.has(row.key)
          ? this.sorted(row.members).map((each) => this.row(each, gil)) : []]);
    return make("tbody", make("tr.group", title), ...rows);
  }

  grouped({rows, gil}) {
    const groups = gil && rows.length > FEW_ROWS ? this.summary.gils[gil.index].groups ?? [] : [];
    const groupOf = new Map(groups.flatMap((each) => each.threads.map((i) => [i, each])));
    const sums = new Map();
    return rows.flatMap((row) => {
      const group = groupOf.get(row.thread), sum = sums.get(group);
      if (!group)
        return [row];
      if (!sum) {
        const {kind, blocked_by} = group, key = `${gil.index} ${kind}`;
        sums.set(group, {...row, label: kind, key, members: [row],
                         blocked_by: this.view.range ? null
                           : blocked_by.map((each) => ({...each, label: each.kind}))});
        return [sums.get(group)];
      }
      sum.members.push(row);
      for (const [key, value] of Object.entries(row))
        if (key.startsWith("longest"))
          sum[key] = max(sum[key], value);
        else if (typeof value === "number")
          sum[key] += value;
      return [];
    });
  }

  kindRow(row) {
    const open = this.open.has(row.key);
    const toggle = () => {
      this.open[open ? "delete" : "add"](row.key);
      this.render();
    };
    return make("tr", {"data-kind": row.label, onclick: toggle},
      make("td.text", make("button.link", {"aria-expanded": String(open)}, open ? "▾ " : "▸ ",
        make("bdi.name", nameText(row.label)), make("span.tid", ` × ${row.members.length}`))),
      ...this.columns.slice(1).map((column) => this.cell(column, row)));
  }

  row(row, gil) {
    const lane = laneOf(this.model, {thread: row.thread, gil: gil?.index});
    const select = () => this.view.select(lane);
    return make("tr", {"data-thread": row.thread, "data-gil": gil?.index, onclick: select},
      make("td.text", make("button.link",
        ...laneLabel(this.theme, lane, row.main ? "★ " : ""))),
      ...this.columns.slice(1).map((column) => this.cell(column, row)));
  }

  cell([key, , , whole, colour], row) {
    const value = row[key];
    if (key === "blocked_by")
      return this.blockedCell(value);
    if (typeof value !== "number")
      return make("td", "–");
    if (whole)
      return make("td", {"data-key": key, "data-value": value, title: durationText(value)},
        colour ? shareBar(value / wholeOf(row, whole), colour) : null,
        make("span.number", percentText(value, wholeOf(row, whole))));
    return valueCell(row, key, !key.endsWith("_ns") ? countText
      : (ns) => ns > 0 ? durationText(ns) : "–");
  }

  blockedCell(list) {
    const parts = (list ?? []).slice(0, 2).map(({share, ns, thread, label}, i) =>
      make("span", {title: durationText(ns)}, i ? ", " : "",
           make("bdi", this.model.threads[thread]?.title ?? nameText(label)),
           ` ${(100 * share).toFixed(0)}%`));
    return make("td.text.blocked", {"data-key": "blocked_by"}, ...(parts.length ? parts : ["–"]));
  }

  mark() {
    const {selection} = this.view;
    for (const row of byId("threads-table").querySelectorAll("tr[data-thread]"))
      row.classList.toggle("selected", selection !== null &&
        Number(row.dataset.thread) === selection.thread &&
        (row.dataset.gil === undefined || Number(row.dataset.gil) === selection.gil));
  }
}
