// Building the document. Text only ever goes in as text: names come from the traced program.

/** A new element. `properties` are DOM properties, `data-…` and `aria-…` attributes, or
 * `onclick`-like handlers; children are elements or text. */
export function make(tag, properties = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
        if (value === undefined || value === null)
            continue;
        if (name.startsWith("on"))
            element.addEventListener(name.slice(2), value);
        else if (name.includes("-") || name === "role" || name === "scope")
            element.setAttribute(name, value);
        else
            element[name] = value;
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
}

/** The element of an id; its absence is a mistake in viewer.html. */
export function byId(id) {
    return document.getElementById(id);
}

/** A small square in a thread's colour. */
export function swatch(color) {
    const element = make("span", {className: "swatch", "aria-hidden": "true"});
    element.style.background = color;
    return element;
}

/** A bar that shows a share from 0 to 1. */
export function shareBar(share, className) {
    const fill = make("span", {className: `fill ${className}`});
    fill.style.width = `${(100 * Math.min(1, Math.max(0, share))).toFixed(2)}%`;
    return make("span", {className: "bar", "aria-hidden": "true"}, fill);
}

/** Let the browser draw and take input, then go on. */
export function nextTurn() {
    return new Promise((resolve) => setTimeout(resolve, 0));
}

/** For long loops: `await slice.pause()` now and then gives way every 12 ms. */
export class TimeSlice {
    constructor() {
        this.since = performance.now();
    }

    get due() {
        return performance.now() - this.since > 12;
    }

    async pause() {
        await nextTurn();
        this.since = performance.now();
    }
}
