// SPDX-License-Identifier: MIT
// What moves on the page of a comparison: a box that is clicked is zoomed to, and the time below
// the pointer is shown in both timelines. All is there without it.

const SVG = "http://www.w3.org/2000/svg";

/** A box and its place, as the page was written: x and width in percent. */
function boxesOf(flame) {
    return Array.from(flame.querySelectorAll(":scope > svg"), (svg) => ({
        svg, x: parseFloat(svg.getAttribute("x")), y: +svg.getAttribute("y"),
        width: parseFloat(svg.getAttribute("width"))}));
}

/** What is below `box` fills the width; what is above it, too; the rest goes. */
function zoom(boxes, box) {
    const end = box.x + box.width, slack = 1e-3;
    for (const {svg, x, y, width} of boxes) {
        const above = y < box.y && x <= box.x + slack && x + width >= end - slack;
        const below = y >= box.y && x >= box.x - slack && x + width <= end + slack;
        svg.style.display = above || below ? "" : "none";
        svg.setAttribute("x", above ? "0%" : `${100 * (x - box.x) / box.width}%`);
        svg.setAttribute("width", above ? "100%" : `${100 * width / box.width}%`);
    }
}

for (const flame of document.querySelectorAll(".flame")) {
    const boxes = boxesOf(flame);
    let zoomed = null;
    flame.addEventListener("click", ({target}) => {
        const box = boxes.find(({svg}) => svg === target.closest(".flame > svg"));
        zoomed = box && box !== zoomed ? box : null;
        zoom(boxes, zoomed ?? {x: 0, y: 0, width: 100});
    });
}

function duration(ns) {
    const [unit, size] = ns >= 1e9 ? ["s", 1e9] : ns >= 1e6 ? ["ms", 1e6] : ["µs", 1e3];
    return `${(ns / size).toFixed(2)} ${unit}`;
}

const lanes = Array.from(document.querySelectorAll(".lane"));
const cursors = lanes.map((lane) => {
    const line = document.createElementNS(SVG, "line");
    line.setAttribute("class", "cursor");
    line.setAttribute("y2", "100%");
    line.style.display = "none";
    lane.append(line);
    return line;
});
const time = document.getElementById("time");

function point(share) {
    for (const line of cursors) {
        line.style.display = share === null ? "none" : "";
        line.setAttribute("x1", `${100 * (share ?? 0)}%`);
        line.setAttribute("x2", `${100 * (share ?? 0)}%`);
    }
    const length = +document.querySelector(".lanes").dataset.length;
    time.textContent = share === null ? "" : `At ${duration(share * length)}.`;
}

for (const lane of lanes) {
    lane.addEventListener("pointermove", ({clientX}) => {
        const {left, width} = lane.getBoundingClientRect();
        point(Math.min(1, Math.max(0, (clientX - left) / width)));
    });
    lane.addEventListener("pointerleave", () => point(null));
}
