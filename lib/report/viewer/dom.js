// SPDX-License-Identifier: MIT
// Builds the document. Names are the traced program's: text is only ever set as text.

// A new element: a tag with classes ("p.hint"), perhaps properties (the DOM's, `data-…`, `aria-…`,
// `style` as {property: text}, handlers), and children: elements or text.
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

// A table. A title is a text, or a list of what its cell holds; it is aligned as the first row's
// cell is.
export function makeTable(className, titles, rows) {
  const alignment = (i) => rows[0]?.cells[i].classList.contains("text") ? "text" : "";
  const cells = titles.map((title, i) =>
    make("th", {scope: "col", className: alignment(i)}, ...[title].flat()));
  return make("table", {className}, make("thead", make("tr", ...cells)), make("tbody", ...rows));
}

export function valueCell(row, key, ...children) {
  return make("td", {"data-key": key, "data-value": row[key]}, ...children);
}

// A cell with a text that may be too long for it.
export function textCell(text, title = text) {
  return make("td.text.where", {title}, make("bdi", text));
}

// A row of a list of facts. `name` is a text, or a list of elements.
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
  const width = `${(100 * Math.min(1, Math.max(0, share))).toFixed(2)}%`;
  return make("span.bar", {"aria-hidden": "true"},
              make(`span.fill.${className}`, {style: {width}}));
}

// Give a canvas the pixels that a size in CSS pixels takes; returns the ratio of the two.
export function sizeCanvas(canvas, width, height) {
  const ratio = Math.min(2, window.devicePixelRatio || 1);
  const w = Math.max(1, Math.round(width * ratio)), h = Math.max(1, Math.round(height * ratio));
  if (canvas.width !== w || canvas.height !== h)
    Object.assign(canvas, {width: w, height: h});
  return ratio;
}

// Let the browser draw and take input, then go on.
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
