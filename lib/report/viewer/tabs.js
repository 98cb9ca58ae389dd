// SPDX-License-Identifier: MIT
// The tabs, but that of the threads.

import {byId, countText, durationText, laneLabel, make, makeTable, Measurement, nameText, nextTurn,
        on, percentText, textCell, timeText, valueCell} from "./dom.js";
import {attributeTime, attributionText} from "./flame.js";
import {FlameGraph} from "./flamegraph.js";
import {Blockers, locksContent, nameInCalls, whatIfContent} from "./lists.js";
import {gilName, spanSelection} from "./model.js";
import {byNs, holdersDuring, longestSpans, measureBlockers, rankEntries, sumOf, waitersDuring}
  from "./select.js";

const LONGEST = 100, MATRIX_THREADS = 40; // rows in a list of spans, and in a matrix

export class Tabs {
  constructor(model, view, summary, search) {
    Object.assign(this, {model, view, counters: summary.counters, whatIf: summary.potential,
                         locks: summary.locks, tabs: model.tabs.map(([tab]) => tab)});
    this.build(view);
    this.find = (row) => search(nameInCalls(model, row));
    this.flame = this.has("flame") && new FlameGraph(model, byId("panel-flame"), view);
    this.blockers = new Blockers(model, summary, this.find);
    this.shown = null; // the tab and the range whose content was made last
    on(byId("tabs"), {keydown: (event) => this.key(event)});
  }

  build(view) {
    byId("tabs").prepend(...this.model.tabs.map(([tab, title]) => make("button", {
      id: `tab-${tab}`, role: "tab", "aria-controls": `panel-${tab}`,
      onclick: () => view.set({tab}),
    }, title)));
    byId("answers").append(...this.tabs.slice(1).map((tab) => make("div.panel", {
      id: `panel-${tab}`, role: "tabpanel", "aria-labelledby": `tab-${tab}`, tabIndex: 0,
    })));
  }

  has(tab) {
    return this.tabs.includes(tab);
  }

  key(event) {
    const step = {ArrowLeft: -1, ArrowRight: 1}[event.key];
    if (!step)
      return;
    const {tabs} = this;
    const tab = tabs[(tabs.indexOf(this.view.tab) + step + tabs.length) % tabs.length];
    this.view.set({tab});
    byId(`tab-${tab}`).focus();
    event.preventDefault();
  }

  show() {
    const {tab, range} = this.view;
    for (const each of this.tabs) {
      byId(`tab-${each}`).setAttribute("aria-selected", each === tab);
      byId(`tab-${each}`).tabIndex = each === tab ? 0 : -1;
      byId(`panel-${each}`).hidden = each !== tab;
    }
    const {loading} = this.model, key = `${tab} ${range?.from} ${range?.to} ${loading}`;
    if (["threads", "compare"].includes(tab) || key === this.shown)
      return;
    this.shown = key;
    const interval = range ?? {from: 0, to: Infinity};
    if (tab === "flame")
      this.flame.show(interval);
    else
      this.fill(tab, interval);
  }

  async fill(tab, interval) {
    const task = new Measurement(this);
    const panel = byId(`panel-${tab}`);
    if (tab === "matrix" || tab === "blockers")
      panel.replaceChildren(make("p.hint", "Measuring…"));
    await nextTurn();
    const contents = {
      blockers: () => this.blockers.table(this.view.range, task),
      locks: () => locksContent(this.locks, this.model.threads, this.find),
      whatif: () => whatIfContent(this.whatIf, this.find),
      matrix: () => this.matrices(interval, task),
      counters: () => this.counterTables(),
    };
    const content = await (contents[tab] ?? (() => this.longest(tab, interval)))();
    if (!task.stale)
      panel.replaceChildren(...content);
  }

  name(gil, member) {
    return laneLabel(this.theme, gil.lanes[member]);
  }

  async matrices({from, to}, task) {
    const content = [];
    for (const gil of this.model.gils) {
      const waiters = await measureBlockers(gil, from, to, task), {title, pid} = gil.process;
      if (!waiters)
        return [];
      if (waiters.length > 0)
        content.push(make("h2", make("bdi", title), ` (${pid}), ${gilName(gil)}`),
                     this.matrix(gil, waiters));
    }
    return content.length ? content
      : [make("p.hint", "No thread waited for another here.")];
  }

  matrix(gil, waiters) {
    const caused = new Float64Array(gil.members.length);
    let most = 1;
    for (const {member, ns} of waiters.flatMap(({holders}) => holders)) {
      caused[member] += ns;
      most = Math.max(most, ns);
    }
    const rows = [...waiters].sort(byNs).slice(0, MATRIX_THREADS);
    const columns = rankEntries(caused).slice(0, MATRIX_THREADS);
    const names = columns.map(({member}) => this.name(gil, member));
    const body = rows.map((row) => {
      const held = new Map(row.holders.map(({member, ns}) => [member, ns]));
      return make("tr",
        make("th", {scope: "row", className: "text"}, ...this.name(gil, row.member)),
        ...columns.map(({member}) => this.matrixCell(held.get(member) ?? 0, most, row.ns)),
        make("td", durationText(row.nobody)),
        make("td", make("b", durationText(row.ns))));
    });
    const left = waiters.length - rows.length;
    return make("div", makeTable(
      "matrix", ["waits ↓   for →", ...names, "nobody", "all"], body), left > 0
      ? make("p.hint", `${left} threads that waited less are not shown.`) : "");
  }

  matrixCell(ns, most, whole) {
    return make("td", {
      "data-value": ns, title: `${percentText(ns, whole)}% of its waiting`,
      style: {"--share": `${ns > 0 ? (8 + 45 * ns / most).toFixed(0) : 0}%`},
    }, ns > 0 ? durationText(ns) : "·");
  }

  counterTables() {
    const kinds = ["holding", "waiting", "free"];
    const keys = ["total", ...kinds, ...kinds.map((kind) => `${kind}_per_s`)];
    const titles = ["Thread", "Total", "Holding", "Waiting", "Neither", "Holding /s", "Waiting /s",
                    "Neither /s"];
    const number = (value) => typeof value !== "number" ? "–"
      : Number.isInteger(value) || value >= 1000 ? countText(Math.round(value))
        : value.toFixed(1);
    return this.counters.flatMap(({name, threads}) => [
      make("h2", make("bdi", nameText(name))),
      makeTable("list", titles, threads.map((row) => make("tr",
        make("td.text", make("bdi", nameText(row.label)), make("span.tid", row.tid)),
        ...keys.map((key) => valueCell(row, key, number))))),
    ]);
  }

  longest(tab, {from, to}) {
    const kind = tab.slice(0, -1); // wait, hold
    const found = this.model.gils.flatMap((gil) =>
      longestSpans(gil[`${kind}Spans`], from, to, LONGEST)
        .map((id) => spanSelection(gil, kind, id)))
      .sort((a, b) => b.end - b.start - (a.end - a.start));
    if (found.length === 0)
      return [make("p.hint", `No ${kind}s here.`)];
    const titles = kind === "wait" ? ["Thread", "Waited", "At", "Mostly for"]
      : ["Thread", "Held", "At", "Cost others", "Mostly in"];
    if (this.model.functions.length === 0)
      titles.length = 4;
    return [makeTable("list", titles,
      found.slice(0, LONGEST).map((each) => this.spanRow(each, titles.length)))];
  }

  spanRow(selection, columns) {
    const {thread, start, end} = selection, {lanes: [lane]} = this.model.threads[thread];
    const jump = () => {
      this.view.set({selection});
      this.view.fit();
    };
    return make("tr", {onclick: jump},
      make("td.text", make("button.link", ...laneLabel(this.theme, lane))),
      valueCell({ns: end - start}, "ns"),
      make("td", timeText(start, 1e4, this.view.duration)),
      this.partners(selection),
      columns > 4 ? this.function(lane.thread, start, end) : null);
  }

  function(thread, from, to) {
    const [first] = attributeTime(this.model, thread, [[from, to]]);
    return textCell(first ? attributionText(this.model, first) : "–");
  }

  partners(selection) {
    const {kind, gil: index, start, end} = selection, gil = this.model.gils[index];
    if (kind === "hold") {
      const cost = sumOf(waitersDuring(gil, start, end));
      return make("td.text", cost > 0 ? `${durationText(cost)} of waiting` : "–");
    }
    const [first] = holdersDuring(gil, start, end);
    return make("td.text", ...(first
      ? [...this.name(gil, first.member), ` ${durationText(first.ns)}`] : ["–"]));
  }
}
