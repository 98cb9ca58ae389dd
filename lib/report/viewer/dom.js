// Building the document. Text goes in as text only: names come from the traced program.

/** A new element: a tag with classes ("p.hint"), perhaps properties, and children: elements or
 * text. Properties are the DOM's, `data-…`, `aria-…`, `style` as {property: text}, handlers. */
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

/** A table of rows. Titles are texts, or lists of what a cell holds; those in `texts` stand over
 * texts, the others over numbers. */
export function makeTable(className, titles, texts, rows) {
  const cell = (title) => make("th", {scope: "col", className: texts.includes(title) ? "text" : ""},
                               ...[title].flat());
  return make("table", {className}, make("thead", make("tr", ...titles.map(cell))),
              make("tbody", ...rows));
}

/** A cell of a table with a text about a value of its row. */
export function valueCell(row, key, ...children) {
  return make("td", {"data-key": key, "data-value": row[key]}, ...children);
}

/** A cell with a text that may be too long for it. */
export function textCell(text, title = text) {
  return make("td.text.where", {title}, make("bdi", text));
}

/** Listen to events of a target: {event: what to do}. */
export function on(target, acts, options) {
  for (const [event, act] of Object.entries(acts))
    target.addEventListener(event, act, options);
}

/** The element of an id; its absence is a mistake in viewer.html. */
export function byId(id) {
  return document.getElementById(id);
}

export function threadLabel(color, name, tid) {
  return [make("span.swatch", {"aria-hidden": "true", style: {background: color}}),
          make("bdi.name", name), make("span.tid", String(tid))];
}

/** A bar that shows a share from 0 to 1. */
export function shareBar(share, className) {
  const width = `${(100 * Math.min(1, Math.max(0, share))).toFixed(2)}%`;
  return make("span.bar", {"aria-hidden": "true"},
              make(`span.fill.${className}`, {style: {width}}));
}

/** Let the browser draw and take input, then go on. */
export function nextTurn() {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** For long loops: `if (slice.due && await slice.pause(stale)) return` gives way to the page
 * every 12 ms, and up when it has become stale. */
export class TimeSlice {
  steps = 0;
  since = performance.now();

  get due() {
    return (++this.steps & 127) === 0 && performance.now() - this.since > 12;
  }

  async pause(stale) {
    await nextTurn();
    this.since = performance.now();
    return stale();
  }
}
