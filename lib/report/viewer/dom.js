// SPDX-License-Identifier: MIT
// Builds the document, and makes text of numbers and names. Text is only ever set as text.

export const {ceil, floor, max, min, round} = Math;

// A new element: a tag with classes ("p.hint"), perhaps properties (the DOM's, `data-…`, `aria-…`,
// `style` as {property: text}, handlers), and children.
export function make(kind, ...children) {
  const [tag, ...classes] = kind.split(".");
  const element = document.createElement(tag);
  element.classList.add(...classes);
  const properties = children[0]?.constructor === Object ? children.shift() : {};
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null)
      continue;
    if (name.startsWith("on"))
      element.addEventListener(name.slice(2), value);
    else if (name === "style")
      Object.entries(value).forEach((each) => element.style.setProperty(...each));
    else if (name.includes("-") || name === "role" || name === "scope")
      element.setAttribute(name, value);
    else
      element[name] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// A title is a text, or a list; it is aligned as the first row's cell is.
export function makeTable(className, titles, rows) {
  const alignment = (i) => rows[0]?.cells[i].classList.contains("text") ? "text" : "";
  const cells = titles.map((title, i) =>
    make("th", {scope: "col", className: alignment(i)}, ...[title].flat()));
  return make("table", {className}, make("thead", make("tr", ...cells)), make("tbody", ...rows));
}

export function valueCell(row, key, textOf = durationText) {
  const value = row[key];
  return make("td", {"data-key": key, "data-value": value}, value === undefined ? "" : textOf(value));
}

export function shareCell(share, className) {
  return make("td", shareBar(share, className), make("span.number", `${percentText(share, 1)}%`));
}

export function linkCell(name, ...more) {
  return make("td.text.where", make("button.link", make("bdi", name)), ...more);
}

export function textCell(text, title = text) {
  return make("td.text.where", {title}, make("bdi", text));
}

export function makeFact(name, ...value) {
  return make("div", make("dt", ...[name].flat()), make("dd", ...value));
}

export function on(target, acts, options) {
  for (const [event, act] of Object.entries(acts))
    target.addEventListener(event, act, options);
}

export function byId(id) {
  return document.getElementById(id);
}

export function laneLabel(theme, {color, thread: {name, tid}}, idPrefix = "") {
  const style = {background: theme.ownerColor(color)};
  return [make("span.swatch", {"aria-hidden": "true", style}),
          make("bdi.name", name), make("span.tid", `${idPrefix}${tid}`)];
}

export function shareBar(share, className) {
  const width = `${(100 * min(1, max(0, share))).toFixed(2)}%`;
  return make("span.bar", {"aria-hidden": "true"},
              make(`span.fill.${className}`, {style: {width}}));
}

export function sizeCanvas(canvas, width, height) {
  const ratio = min(2, window.devicePixelRatio || 1);
  const w = max(1, round(width * ratio)), h = max(1, round(height * ratio));
  if (canvas.width !== w || canvas.height !== h)
    Object.assign(canvas, {width: w, height: h});
  return ratio;
}

export function nextTurn() {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

// A measurement whose loops give way to the page every 12 ms, and end when a newer one of the
// owner's has made it stale: `if (task.due && await task.pause()) return`.
export class Measurement {
  steps = 0;
  since = performance.now();

  constructor(owner = {}) {
    this.owner = owner;
    owner.measurement = this;
  }

  get due() {
    return (++this.steps & 127) === 0 && performance.now() - this.since > 12;
  }

  get stale() {
    return this.owner.measurement !== this;
  }

  async pause() {
    await nextTurn();
    this.since = performance.now();
    return this.stale;
  }
}

const UNITS = [
  [3600e9, "h", 2],
  [1e9, "s", 2],
  [1e6, "ms", 1],
  [1e3, "µs", 1],
];

// A length of time for people: "850 ns", "5.2 ms", "12.30 s", "1.50 h" (as base/nstime.h).
export function durationText(ns) {
  for (const [size, unit, decimals] of UNITS)
    if (Math.abs(ns) >= size)
      return `${(ns / size).toFixed(decimals)} ${unit}`;
  return `${round(ns)} ns`;
}

// A point in time, with the decimals that a distance of `step_ns` asks for, in the unit of the last
// one, `most_ns`.
export function timeText(ns, step_ns, most_ns = ns) {
  const [size, unit] = most_ns >= 1e9 ? [1e9, "s"] : [1e6, "ms"];
  const decimals = min(9, max(0, ceil(Math.log10(size / step_ns) - 1e-9)));
  return `${(ns / size).toFixed(min(decimals, Math.log10(size)))} ${unit}`;
}

export function percentText(part, whole) {
  return whole > 0 ? (100 * part / whole).toFixed(1) : "–";
}

export function shareText(ns, whole) {
  return `${durationText(ns)} · ${percentText(ns, whole)}%`;
}

export function pluralText(count, what) {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

export function countText(count) {
  return String(count).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

// Events per ns as a rate for people: "12 k/s".
export function rateText(per_ns) {
  const rate = per_ns * 1e9;
  const sizes = [[1e9, "\u202fG"], [1e6, "\u202fM"], [1e3, "\u202fk"]];
  const [size, unit] = sizes.find(([least]) => rate >= least) ?? [1, ""];
  return `${(rate / size).toFixed(rate / size >= 100 || size === 1 ? 0 : 1)}${unit}/s`;
}

// A distance of ticks: 1, 2 or 5 times a power of ten, at least `least_ns`.
export function tickStep(least_ns) {
  const power = 10 ** floor(Math.log10(max(least_ns, 1)));
  for (const factor of [1, 2, 5])
    if (factor * power >= least_ns)
      return factor * power;
  return 10 * power;
}

const INVISIBLE = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

// A name from the traced program; what could disturb the text around it made visible.
export function nameText(name) {
  return String(name ?? "").replace(INVISIBLE, (mark) => {
    const code = mark.charCodeAt(0);
    return code < 0x20 ? String.fromCharCode(0x2400 + code) : "\ufffd";
  });
}

export function shortName(name) {
  const text = nameText(name);
  return text.slice(text.replace(/\/+$/, "").lastIndexOf("/") + 1);
}

// "file.py:12", with the last `parts` of a path; "" without a file.
export function placeText({file, line}, parts = 1) {
  const short = nameText(file).split("/").slice(-parts).join("/");
  return file && line > 0 ? `${short}:${line}` : short;
}

// What a search for words asks: does a text hold all of them? Null without words.
export function matcher(search) {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  return words.length === 0 ? null : (text) => {
    const low = text.toLowerCase();
    return words.every((word) => low.includes(word));
  };
}
