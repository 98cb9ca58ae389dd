// SPDX-License-Identifier: MIT
// Decodes the data, builds the model, shows it; redraws when the view changes.

import {comparison} from "./compare.js";
import {documentBlocks, readBlocks, readDocument} from "./data.js";
import {byId, durationText, make, makeFact, nameText, nextTurn, on} from "./dom.js";
import {openInPerfetto, saveJson} from "./export.js";
import {Gestures, keyTable, listenToKeys, Search} from "./input.js";
import {buildModel, complete, findSelection, ORDERS} from "./model.js";
import {Overview} from "./overview.js";
import {readTheme} from "./paint.js";
import {Details} from "./panels.js";
import {ThreadTable} from "./table.js";
import {Tabs} from "./tabs.js";
import {Timeline} from "./timeline.js";
import {readHash, View, viewToHash} from "./view.js";

const GESTURES = [
  ["Wheel, pinch", "zoom at the pointer"], ["Drag, Shift+wheel", "move"],
  ["Drag on the ruler, Shift+drag", "select a range: the tables are measured for it"],
  ["Click, double click", "select, fit"],
];
const SLICE_MS = 10, TOLD_MS = 200; // of decoding, until others have their turn, and its progress is told

class Page {
  constructor(model, summary, summaryText) {
    const view = new View(model.duration), timeline = new Timeline(model, view);
    Object.assign(this, {model, summaryText, view, timeline});
    this.overview = new Overview(model, view, summary.load, (event, text) => this.tip(event, text));
    this.details = new Details(model, view, summary.load);
    this.table = new ThreadTable(model, view, summary);
    this.search = new Search(model, view, timeline);
    this.tabs = new Tabs(model, view, summary, (text) => this.search.start(text));
    this.compare = comparison(summary, view);
    this.pending = null; // names of fields of the view that changed since the last frame
  }

  start() {
    const {legend, guide} = this.model;
    byId("legend").prepend(...legend.map(([key, text]) => make("span", make(`i.key.${key}`), text)));
    byId("guide").append(...guide.map((text) => make("li", text)));
    byId("unfold").hidden = this.model.functions.length === 0;
    byId("order").append(...Object.keys(ORDERS).map((value) =>
      make("option", {value}, `by ${value}`)));
    this.applyTheme();
    this.followHash();
    this.view.onChange = (changed) => this.changed(changed);
    this.listen();
    this.showAll();
    performance.mark("giltracer-drawn");
  }

  progress(share) {
    byId("status").textContent = `Decoding, ${Math.floor(share * 100)}%: until it is done, figures of ${
      ""}ranges, selections and calls are of what is decoded.`;
    this.changed([]);
  }

  complete() {
    const {model, view, search} = this;
    model.loading = false;
    complete(model);
    if (!view.selection)
      view.set({selection: findSelection(model, readHash(this.asked))});
    if (search.input.value)
      search.find(search.input.value);
    this.showAll();
  }

  applyTheme() {
    const theme = readTheme();
    for (const part of [this.timeline, this.overview, this.details, this.table, this.tabs])
      part.theme = theme;
  }

  showAll() {
    this.timeline.layOut();
    this.overview.paint();
    this.overview.place();
    this.table.show();
    this.tabs.show();
    this.details.show();
    this.draw();
  }

  changed(changed) {
    if (!this.pending) {
      this.pending = new Set();
      requestAnimationFrame(() => this.update());
    }
    for (const name of changed)
      this.pending.add(name);
  }

  update() {
    const changed = this.pending ?? new Set();
    this.pending = null;
    const has = (...names) => names.some((name) => changed.has(name));
    if (has("collapsed", "others", "unfolded", "order", "filter"))
      this.timeline.layOut();
    if (has("selection"))
      this.showSelection();
    else if (has("range"))
      this.details.show();
    if (has("range"))
      this.table.showSoon();
    if (has("tab", "range"))
      this.tabs.show();
    this.draw();
    this.writeHash();
  }

  showSelection() {
    const {selection} = this.view;
    this.details.show();
    if (selection)
      this.timeline.revealRow(selection);
    this.timeline.markSelected();
    this.table.mark();
  }

  draw() {
    this.timeline.draw();
    this.overview.place();
    byId("span-shown").textContent = durationText(this.view.width);
  }

  writeHash() {
    clearTimeout(this.hashTimer);
    this.hashTimer = setTimeout(() => {
      const hash = `#${viewToHash(this.view, this.model)}`;
      this.ownHash = hash;
      // A frame that a notebook filled (srcdoc) has no address of its own.
      if (location.hash !== hash && location.protocol !== "about:")
        history.replaceState(null, "", hash);
    }, 150);
  }

  followHash() {
    const asked = readHash(this.asked = location.hash);
    const {view, model} = this;
    if (asked.interval)
      view.show(asked.interval.from, asked.interval.to);
    view.set({
      range: asked.range, selection: asked.at && model.loading ? null : findSelection(model, asked),
      tab: this.tabs.has(asked.tab) ? asked.tab : "threads",
      order: asked.order ?? "start", filter: asked.filter ?? "",
    });
    byId("order").value = view.order;
    byId("filter").value = view.filter;
  }

  listen() {
    const {view, timeline, model, summaryText} = this;
    const help = () => byId("help").showModal();
    new Gestures(timeline, view, (event, at, press) => this.hover(event, at, press));
    const keys = keyTable(model, view, timeline, {
      search: () => this.search.focus(),
      findNext: (direction) => this.search.next(direction),
      jump: () => byId("jump")?.click(), help,
    });
    listenToKeys(keys);
    byId("gestures").append(...GESTURES.map((each) => makeFact(...each)));
    byId("help-keys").append(...keys.map(([names, what]) => makeFact(
      names.flatMap((name, i) =>
        [i ? " " : "", make("kbd", name.replace("Arrow", "").replace("Escape", "Esc"))]), what)));
    const clicks = {
      "help-button": help, "save": () => saveJson(model, summaryText),
      "perfetto": () => openInPerfetto(model, summaryText, document.title),
      "fit-all": () => view.fitAll(), "unfold": () => view.set({unfolded: !view.unfolded}),
      "drop-range": () => view.set({range: null}),
    };
    for (const [id, click] of Object.entries(clicks))
      on(byId(id), {click});
    // The browser would show the file in place of this page.
    const take = (event) => {
      const {types, files} = event.dataTransfer;
      if (!types.includes("Files"))
        return;
      event.preventDefault();
      if (event.type === "drop")
        this.compare(files);
    };
    on(window, {dragover: take, drop: take});
    on(byId("order"), {change: ({target}) => view.set({order: target.value})});
    on(byId("filter"), {input: ({target}) => view.set({filter: target.value})});
    on(timeline.scroller, {scroll: () => this.changed([])});
    new ResizeObserver(() => {
      if (timeline.fits())
        return;
      timeline.layOut();
      this.overview.paint();
      this.changed([]);
    }).observe(timeline.scroller);
    on(matchMedia("(prefers-color-scheme: dark)"), {change: () => {
      this.applyTheme();
      this.showAll();
    }});
    on(window, {hashchange: () => {
      if (location.hash !== this.ownHash)
        this.followHash();
    }});
  }

  hover(event, at, press) {
    const {timeline} = this;
    timeline.cursor.hidden = !at;
    if (at)
      timeline.cursor.style.transform = `translateX(${at.x + timeline.namesWidth}px)`;
    const quiet = !at || press?.moved || press?.kind === "range";
    const found = quiet ? null : timeline.pickAt(at.x, at.y);
    this.tip(event, quiet ? null : timeline.noteAt(at.x, at.y) ??
      (found && this.details.hoverText(found)));
  }

  tip(event, text) {
    const tip = byId("tip");
    tip.hidden = !text;
    if (!text)
      return;
    tip.textContent = text;
    const right = event.clientX > innerWidth * 0.7;
    tip.style.left = `${event.clientX + (right ? -12 : 14)}px`;
    tip.style.top = `${event.clientY + 16}px`;
    tip.classList.toggle("to-left", right);
  }
}

function showVerdict(summary, {command, facts, defects, cost}) {
  if (command) {
    byId("command").textContent = byId("command").title = nameText(command);
    document.title = `${nameText(command)} – giltracer`;
  }
  const {findings: [first, ...rest], worst = []} = summary;
  const item = (text) => {
    const at = worst.find(({sentence}) => sentence === text)?.stretch;
    const span = `${at?.start_ns}-${at?.end_ns}`, name = nameText(text);
    return make("li", at ? make("a", {href: `#t=${span}&range=${span}`}, name) : name);
  };
  byId("cost").textContent = cost;
  byId("headline").textContent = nameText(first);
  byId("findings").replaceChildren(...rest.map(item));
  byId("facts").replaceChildren(...facts.map(([name, text]) =>
    makeFact(name, {title: nameText(text)}, nameText(text))));
  byId("defects").hidden = defects.length === 0;
  byId("defect-list").replaceChildren(...defects.map((text) => make("li", text)));
  byId("generator").textContent = summary.generator;
}

async function start() {
  const status = byId("status");
  try {
    const {data, summary, summaryText} = readDocument();
    showVerdict(summary, data);
    await nextTurn();
    let page = null, rows = 0, since = performance.now(), told = since;
    const show = (loading) => {
      const model = {...buildModel(data, summary.gils), loading};
      page = new Page(model, summary, summaryText);
      window.giltracer = {view: page.view, model: page.model, summary, page};
      page.start();
    };
    for await (const block of readBlocks(data, documentBlocks())) {
      rows += block.rows;
      if (block.table === "waiters")
        show(true);
      if (performance.now() - since < SLICE_MS)
        continue;
      if (page && since - told > TOLD_MS) {
        page.progress(rows / data.rows);
        told = since;
      }
      await nextTurn();
      since = performance.now();
    }
    if (page)
      page.complete();
    else
      show(false);
    byId("app").dataset.state = "ready";
    status.hidden = true;
  } catch (error) {
    byId("app").dataset.state = "failed";
    status.textContent = `This report cannot be shown: ${error.message}`;
    throw error;
  }
}

start();
