// The tab "Flame graph": a tree of frames as boxes, the outermost on top. A click zooms.

import {make} from "./dom.js";
import {durationText} from "./format.js";
import {callTree, figures, findFrames, layBoxes, stackTree} from "./flame.js";

const ROW = 18;          // pixels of a level
const LEAST_PIXELS = 2;  // of a box
const MOST_BOXES = 3000;

const CALL_TITLES = {time: "Time in functions", hold: "Holding the GIL",
                     wait: "Waiting for the GIL", caused: "Making others wait"};
const STATE_TITLES = {"S(GIL)": "Asleep for the GIL · S(GIL)", "S": "Asleep · S",
                      "D": "Asleep, uninterruptible · D"};

/** What graphs a report has: [{key, title, group}], the one to show first in front. */
function kindsOf({flames, functions, stateNames, gils}) {
  const kinds = flames.map(({state, nodes}) => ({
    key: `state:${state}`, name: stateNames[state], nodes,
    title: STATE_TITLES[stateNames[state]] ?? stateNames[state], group: "By recorded stack",
  }));
  const called = functions.length > 0 ? Object.entries(CALL_TITLES) : [];
  for (const [what, title] of called)
    if (what === "time" || gils.length > 0)
      kinds.push({key: `calls:${what}`, what, title, group: "By Python function"});
  const first = kinds.find(({name, what}) => name === "S(GIL)" || what === "wait");
  return {kinds, first: (first ?? kinds[0])?.key};
}

export class FlameGraph {
  constructor(model, panel, view) {
    Object.assign(this, {model, panel, view}, kindsOf(model));
    this.key = this.first;
    this.apart = false; // threads are kept apart
    this.words = "";
    this.turn = 0;
    this.tree = null;
    if (this.kinds.length > 0)
      this.build();
  }

  get present() {
    return this.kinds.length > 0;
  }

  build() {
    this.figure = make("span.flame-figure", {role: "status"});
    this.matches = make("span.hint");
    this.scope = make("span.hint");
    this.boxes = make("div.flame", {role: "tree", "aria-label": "Flame graph"});
    this.reset = make("button", {hidden: true, onclick: () => this.zoom(0)}, "Whole graph");
    this.panel.replaceChildren(make("div.flame-tools", this.selector(),
      make("label", make("input", {type: "checkbox", id: "flame-threads",
        onchange: (event) => this.choose({apart: event.target.checked})}), " threads apart"),
      make("input", {type: "search", id: "flame-search", placeholder: "Find frames",
        "aria-label": "Find frames", spellcheck: false, autocomplete: "off",
        oninput: (event) => this.find(event.target.value)}),
      this.matches, this.reset, this.scope), this.figure, this.boxes);
    this.boxes.addEventListener("pointerover", (event) => this.hover(event.target));
    this.boxes.addEventListener("focusin", (event) => this.hover(event.target));
    this.boxes.addEventListener("pointerleave", () => this.hover(null));
    this.boxes.addEventListener("click", (event) => this.zoomTo(event.target));
    this.boxes.addEventListener("keydown", (event) => this.step(event));
    new ResizeObserver(() => {
      if (this.tree && this.boxes.clientWidth > 0 && this.boxes.clientWidth !== this.width)
        this.draw();
    }).observe(this.boxes);
  }

  selector() {
    const groups = new Map();
    for (const {key, title, group} of this.kinds) {
      if (!groups.has(group))
        groups.set(group, make("optgroup", {label: group}));
      groups.get(group).append(make("option", {value: key}, title));
    }
    const select = make("select", {id: "flame-what", "aria-label": "Time to show",
      onchange: (event) => this.choose({key: event.target.value})}, ...groups.values());
    select.value = this.key;
    return select;
  }

  choose(fields) {
    Object.assign(this, fields);
    this.show(this.interval);
  }

  /** Make the graph of an interval anew. Recorded stacks are summed over the whole run. */
  async show(interval) {
    const turn = ++this.turn;
    this.interval = interval;
    const kind = this.kinds.find(({key}) => key === this.key);
    const {model, apart} = this;
    this.figure.textContent = "Measuring…";
    const tree = kind.nodes ? stackTree(kind.nodes, model.frames, apart)
      : await callTree(model, kind.what, apart, interval.from, interval.to,
                       () => turn !== this.turn);
    if (turn !== this.turn || !tree)
      return;
    this.tree = tree;
    this.scope.textContent = kind.nodes && this.view.range ? "of the whole run" : "";
    this.top = 0;
    this.find(this.words);
  }

  find(words) {
    this.words = words;
    const {found, ns} = findFrames(this.tree, words);
    this.found = found;
    this.matches.textContent = words.trim() === "" ? ""
      : `${found.size} found, ${durationText(ns)} · ${
        (100 * ns / Math.max(1, this.tree.total[0])).toFixed(1)}%`;
    this.draw();
  }

  zoom(node) {
    this.top = node;
    this.draw();
    this.elementOf(node)?.focus({preventScroll: true});
  }

  zoomTo(element) {
    const node = this.nodeOf(element);
    if (node !== null)
      this.zoom(node);
  }

  nodeOf(element) {
    const node = element?.closest?.(".frame")?.dataset.node;
    return node === undefined ? null : Number(node);
  }

  elementOf(node) {
    return this.boxes.querySelector(`.frame[data-node="${node}"]`);
  }

  hover(element) {
    const node = this.nodeOf(element) ?? this.top;
    if (this.tree.total[0] > 0)
      this.figure.replaceChildren(make("bdi", this.tree.title(node)),
                                  ` · ${figures(this.tree, node)}`);
  }

  /** Arrows go through the boxes. */
  step(event) {
    const node = this.nodeOf(event.target);
    if (node === null || !/^(Arrow|Escape$)/.test(event.key))
      return;
    const {tree} = this;
    const siblings = node === 0 ? [0] : tree.children[tree.parent[node]];
    const at = siblings.indexOf(node);
    const next = {ArrowUp: tree.parent[node], ArrowDown: tree.children[node][0],
                  ArrowLeft: siblings[at - 1], ArrowRight: siblings[at + 1]}[event.key];
    event.preventDefault();
    event.stopPropagation();
    if (event.key === "Escape")
      this.zoom(0);
    else if (next >= 0)
      this.elementOf(next)?.focus();
  }

  draw() {
    const {tree, boxes} = this;
    this.width = boxes.clientWidth;
    this.reset.hidden = this.top === 0;
    if (tree.total[0] === 0) {
      boxes.replaceChildren(make("p.hint", "No such time here."));
      boxes.style.height = "";
      this.figure.textContent = "";
      return;
    }
    const laid = layBoxes(tree, this.top, LEAST_PIXELS / Math.max(100, this.width), MOST_BOXES);
    const deepest = laid.boxes.reduce((most, {depth}) => Math.max(most, depth), 0);
    boxes.style.height = `${(deepest + 1) * ROW}px`;
    boxes.replaceChildren(...laid.boxes.map((box) => this.box(box)));
    this.hover(null);
  }

  box({node, depth, from, share, above}) {
    const title = this.tree.title(node);
    const element = make("div", {
      className: `frame hue${hueOf(title)}`, role: "treeitem", "data-node": node,
      "aria-label": `${title}, ${figures(this.tree, node)}`,
      "aria-level": String(depth + 1), tabIndex: node === this.top ? 0 : -1,
    }, share * this.width > 24 ? make("bdi", title) : "");
    element.classList.toggle("above", above);
    element.classList.toggle("found", this.found.has(node));
    element.style.top = `${depth * ROW}px`;
    element.style.left = `${(100 * from).toFixed(4)}%`;
    element.style.width = `${(100 * share).toFixed(4)}%`;
    return element;
  }
}

/** Equal frames look alike: one of a few shades by name, others for the kernel's. */
function hueOf(title) {
  if (title.endsWith("_[k]"))
    return "k";
  let hash = 5381;
  for (let i = 0; i < title.length; i++)
    hash = hash * 33 + title.charCodeAt(i) >>> 0;
  return hash % 6;
}
