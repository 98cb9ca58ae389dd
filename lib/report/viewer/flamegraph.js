// SPDX-License-Identifier: MIT
// Flame graphs: a tree of frames as boxes, the outermost on top. A click zooms.

import {make, Measurement, nameText, on, percentText} from "./dom.js";
import {callTree, figures, findFrames, layBoxes, sampleTree, stackTree} from "./flame.js";

const ROW = 18, MIN_PIXELS = 2; // heights of levels, widths of boxes
const MAX_BOXES = 3000;

const CALL_TITLES = {time: "Time in functions", hold: "Holding the GIL",
                     wait: "Waiting for the GIL", caused: "Making others wait"};
const SAMPLE_TITLES = {time: "", held: " with the GIL", free: " without it"};
function kindsOf({flames, functions, stateNames, meanings, gils, counters}) {
  const each = (titles, group, prefix, of = "", flame = null) => Object.entries(titles)
    .filter(([what]) => what === "time" || gils.length > 0)
    .map(([what, title]) => ({key: `${prefix}:${what}`, what, title: of + title, group, flame}));
  const stacks = flames.flatMap((flame) => {
    const {state, values: nodes, samples} = flame, name = stateNames[state];
    return samples.total > 0 ? each(SAMPLE_TITLES, "By sampled stack", `samples${state}`,
      nameText(counters[flame.counter]?.name ?? "Running"), flame)
      : [{key: `state:${state}`, name, nodes, title: `${name}: ${meanings[state]}`,
          group: "By recorded stack"}];
  });
  const calls = functions.length > 0 ? each(CALL_TITLES, "By Python function", "calls") : [];
  const kinds = [...stacks, ...calls];
  const first = kinds.find(({name, what}) => name === "S(GIL)" || what === "wait");
  return {kinds, key: (first ?? kinds[0])?.key};
}

// The boxes, and a line above them: drawn when they come into the page.
export class Boxes {
  constructor(tree) {
    Object.assign(this, {
      tree, top: 0, found: new Set(), figure: make("span.flame-figure", {role: "status"}),
      boxes: make("div.flame", {role: "tree", "aria-label": "Flame graph"}),
      reset: make("button", {onclick: () => this.zoom(0)}, "Whole graph"),
    });
    on(this.boxes, {
      pointerover: ({target}) => this.hover(target), focusin: ({target}) => this.hover(target),
      pointerleave: () => this.hover(null), keydown: (event) => this.step(event),
      click: ({target}) => this.zoom(this.nodeOf(target) ?? this.top),
    });
    new ResizeObserver(() => {
      if (this.tree && this.boxes.clientWidth > 0 && this.boxes.clientWidth !== this.width)
        this.draw();
    }).observe(this.boxes);
  }

  zoom(node) {
    this.top = node;
    this.draw();
    this.elementOf(node)?.focus({preventScroll: true});
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
    const laid = layBoxes(tree, this.top, MIN_PIXELS / Math.max(100, this.width), MAX_BOXES);
    const deepest = laid.reduce((most, {depth}) => Math.max(most, depth), 0);
    boxes.style.height = `${(deepest + 1) * ROW}px`;
    boxes.replaceChildren(...laid.map((box) => this.box(box)));
    this.hover(null);
  }

  box({node, depth, from, share, above}) {
    const title = this.tree.title(node);
    return make("div", {
      className: `frame${title.endsWith("_[k]") ? " kernel" : ""}${above ? " above" : ""}${
        this.found.has(node) ? " found" : ""}`, role: "treeitem", "data-node": node,
      "aria-label": `${title}, ${figures(this.tree, node)}`,
      "aria-level": depth + 1, tabIndex: node === this.top ? 0 : -1,
      // Equal frames look alike: one of a few shades by name.
      style: {"--hue": 22 + [...title].reduce((sum, mark) => sum + mark.codePointAt(0), 0) % 6 * 4, "top": `${depth * ROW}px`,
              "left": `${(100 * from).toFixed(4)}%`, "width": `${(100 * share).toFixed(4)}%`},
    }, share * this.width > 24 ? make("bdi", title) : "");
  }
}

export class FlameGraph extends Boxes {
  constructor(model, panel, view) {
    super(null);
    Object.assign(this, {model, view, apart: false, words: "", matches: make("span.hint"),
      scope: make("span.hint")}, kindsOf(model));
    panel.replaceChildren(make("div.flame-tools", this.selector(),
      make("label", make("input", {type: "checkbox", id: "flame-threads",
        onchange: ({target}) => this.choose({apart: target.checked})}), " separate threads"),
      make("input", {type: "search", id: "flame-search", placeholder: "Find frames",
        "aria-label": "Find frames", autocomplete: "off",
        oninput: ({target}) => this.find(target.value)}),
      this.matches, this.reset, this.scope), this.figure, this.boxes);
  }

  selector() {
    return make("select", {id: "flame-what", "aria-label": "Time to show",
      onchange: ({target}) => this.choose({key: target.value})},
    ...Array.from(Map.groupBy(this.kinds, ({group}) => group), ([label, kinds]) =>
      make("optgroup", {label}, ...kinds.map(({key, title}) =>
        make("option", {value: key, selected: key === this.key}, title)))));
  }

  choose(fields) {
    Object.assign(this, fields);
    this.show(this.interval);
  }

  // Make the graph of an interval. Recorded stacks are sums over the whole run.
  async show(interval) {
    const task = new Measurement(this), {model, apart} = this, {from, to} = interval;
    this.interval = interval;
    const {nodes, flame, what} = this.kinds.find(({key}) => key === this.key);
    this.figure.textContent = "Measuring…";
    const wanted = (thread, time) => what === "time" || (what === "held") ===
      model.threads[thread].lanes.some(({holds}) => holds?.at(time) >= 0);
    const tree = nodes ? stackTree(nodes, model.frames, 1 + apart)
      : flame ? sampleTree(flame, model.frames, 1 + apart, from, to, wanted)
        : await callTree(model, what, apart, from, to, task);
    if (task.stale || !tree)
      return;
    this.tree = tree;
    this.scope.textContent = nodes && this.view.range ? "of the whole run" : "";
    this.top = 0;
    this.find(this.words);
  }

  find(words) {
    this.words = words;
    const {found, ns} = findFrames(this.tree, words);
    this.found = found;
    this.matches.textContent = words.trim() === "" ? ""
      : `${found.size} found, ${percentText(ns, this.tree.total[0])}%`;
    this.draw();
  }
}
