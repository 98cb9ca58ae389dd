// SPDX-License-Identifier: MIT
// Draws lanes in one buffer, at a cost of pixels, not of spans. A pixel column of a thread's lane is
// a bar: from below, holding is solid, waiting hatched, the rest a thin line.

import {floor, max, min, round} from "./dom.js";
import {LAYERS} from "./tracks.js";

const HOLDS_PER_PIXEL = 4; // up to so many, the holds of many owners are drawn one by one

export class Painter {
  begin(context, width, height, from, to, theme) {
    if (this.width !== width || this.height !== height) {
      this.image = context.createImageData(width, height);
      this.pixels = new Uint32Array(this.image.data.buffer);
      for (const share of ["hold", "wait", "level"])
        this[share] = new Float32Array(width);
      this.rows = new Int32Array(width);
      Object.assign(this, {width, height});
    }
    this.from = from;
    this.step = (to - from) / width;
    this.theme = theme;
    this.pixels.fill(theme.pixels.panel);
  }

  end(context) {
    context.putImageData(this.image, 0, 0);
  }

  x(time) {
    return min(this.width, max(0, round((time - this.from) / this.step)));
  }

  fill(x0, x1, y, height, pixel) {
    const end = min(this.height, y + height);
    for (let row = max(0, y); row < end; row++)
      this.pixels.fill(pixel, row * this.width + x0, row * this.width + x1);
  }

  cover(track, shares = this.hold) {
    track.coverage(this.from, this.step, this.width, shares);
  }

  rowsOf(share, height, least = 1) {
    return share > 0 ? max(least, round(share * height)) : 0;
  }

  column(x, y, height, dark, pale = dark) {
    const end = min(this.height, y + height);
    for (let row = max(0, y); row < end; row++)
      this.pixels[row * this.width + x] = (x + row) % 6 < 3 ? dark : pale;
  }

  thread(lane, y, height, line) {
    const {pixels, ownerPixel} = this.theme;
    const x0 = this.x(lane.start), x1 = this.x(lane.end);
    const middle = y + floor((height - line) / 2);
    this.fill(x0, max(x1, min(x0 + 1, this.width)), middle, line, pixels.free);
    if (lane.gil)
      this.stacked([[lane.holds, ownerPixel(lane.color)],
                    [lane.waits, pixels.wait, pixels.waitPale]], y, height, line);
  }

  // Tracks on each other, each as high as its share of a pixel's time; hatched where it has a second
  // colour. Whatever there is shows, on `least` rows of what is below.
  stacked(layers, y, height, least = 1) {
    this.rows.fill(0); // taken so far
    for (const [track, pixel, pale = pixel] of layers.filter(([{count}]) => count > 0)) {
      this.cover(track);
      for (let x = 0; x < this.width; x++) {
        const room = max(least, height - this.rows[x]);
        const rows = min(room, this.rowsOf(this.hold[x], height, least));
        const top = max(0, height - this.rows[x] - rows);
        this.rows[x] = min(height, this.rows[x] + rows);
        this.column(x, y + top, rows, pixel, pale);
      }
    }
  }

  // One level of a thread's calls: as high as their share of the pixel's time, in the colour of
  // the last function. The left edge of a box stays empty.
  calls(track, calls, y, height, colorOf) {
    const {count} = track;
    this.cover(track);
    let below = track.below(this.from);
    for (let x = 0; x < this.width; x++) {
      const to = this.from + (x + 1) * this.step;
      const first = below;
      if (below < count && track.startOf(below) < to)
        below = track.below(to, below);
      if (this.hold[x] <= 0 || below === 0)
        continue;
      const rows = this.rowsOf(this.hold[x], height);
      const edge = below > first && this.step * 3 < track.endOf(below - 1) - track.startOf(below - 1);
      const pixel = edge ? this.theme.pixels.panel : colorOf(calls.function[track.id[below - 1]]);
      this.column(x, y + height - rows, rows, pixel);
    }
  }

  // A thread's states likewise: running solid, ready without a CPU hatched, asleep for the GIL,
  // uninterruptible dark; other sleep thin. `alone`: no bar above shows waits.
  state(tracks, y, height, line, alone) {
    const {pixels} = this.theme;
    const [running, ready, blocked, forGil, asleep] = tracks;
    this.stacked([[running, pixels.running], [ready, pixels.runnable, pixels.panel],
                  alone ? [forGil, pixels.wait, pixels.waitPale] : [forGil, pixels.waitPale],
                  [blocked, pixels.blocked]], y, height);
    this.cover(asleep);
    for (let x = 0; x < this.width; x++)
      if (this.hold[x] > 0 && this.rows[x] <= height / 2)
        this.column(x, y + (height - line >> 1), line, pixels.free);
  }

  // Hatched: nobody is known to have had the lock, or the thread stopped the others.
  blocked([had, unknown, stopped, stops], y, height) {
    const {lock, lockPale, stop, stopPale} = this.theme.pixels;
    this.stacked([[had, lock], [unknown, lock, lockPale], [stops, stop, stopPale],
                  [stopped, stop]], y, height);
  }

  // Who holds a GIL: owners as layers, as thick as their share of the pixel's time. Who held longest
  // lies below; where owners are many, the last share a layer.
  owners(gil, y, height) {
    const {pixels, ownerPixel} = this.theme;
    this.fill(this.x(gil.start_ns), this.x(gil.end_ns), y, height, pixels.idle);
    this.level.fill(0);
    this.rows.fill(0);
    if (gil.holdSpans && gil.ranked.length > LAYERS && this.ownersInTurn(gil, y, height))
      return;
    this.wait.fill(0); // the share that the layers cover, to find that of the others
    for (const member of gil.ranked.slice(0, LAYERS)) {
      this.cover(gil.holdTracks[member]);
      this.layer(y, height, ownerPixel(gil.colorOf[member]));
      for (let x = 0; x < this.width; x++)
        this.wait[x] += this.hold[x];
    }
    if (gil.ranked.length > LAYERS) {
      this.cover(gil.allHolds);
      for (let x = 0; x < this.width; x++)
        this.hold[x] = max(0, this.hold[x] - this.wait[x] - 1e-4);
      this.layer(y, height, pixels.free);
    }
  }

  ownersInTurn({allHolds, holdSpans, colorOf}, y, height) {
    const {from, step, width} = this, to = from + step * width;
    if (allHolds.below(to) - allHolds.firstAfter(from) > HOLDS_PER_PIXEL * width)
      return false;
    for (const [start, end, i] of allHolds.parts(from, to)) {
      const pixel = this.theme.ownerPixel(colorOf[holdSpans.member[i]]);
      const first = (start - from) / step, last = (end - from) / step;
      for (let x = floor(first); x < last; x++)
        this.stack(x, min(last, x + 1) - max(first, x), y, height, pixel);
    }
    return true;
  }

  layer(y, height, pixel) {
    for (let x = 0; x < this.width; x++)
      if (this.hold[x] > 0)
        this.stack(x, this.hold[x], y, height, pixel);
  }

  stack(x, share, y, height, pixel) {
    this.level[x] += share;
    const top = min(height, max(1, round(this.level[x] * height)));
    this.column(x, y + height - top, top - this.rows[x], pixel);
    this.rows[x] = top;
  }

  curve(values, y, height, most, thickness, line = this.theme.pixels.wait,
        area = this.theme.pixels.waitPale) {
    let last = height;
    for (let x = 0; x < this.width; x++) {
      const rows = round(min(1, values[x] / most) * height);
      const at = values[x] > 0 ? height - max(rows, thickness) : height;
      this.column(x, y + at, height - at, area, this.theme.pixels.panel);
      if (at < height || last < height)
        this.column(x, y + min(at, last), max(thickness, Math.abs(at - last)), line);
      last = at;
    }
  }

  counter(counts, y, height, line) {
    const {pixels} = this.theme;
    const most = counts.rates(this.from, this.step, this.width, this.level);
    this.curve(this.level, y, height, most || 1, line, pixels.counter, pixels.idle);
    return most;
  }

  lost(ranges, bottom, top = 0) {
    const {pixels} = this.theme;
    const to = this.from + this.step * this.width;
    for (const [start, end] of ranges) {
      if (end < this.from || start > to)
        continue;
      const x0 = this.x(start), x1 = max(x0 + 2, this.x(end));
      for (let y = max(0, top); y < min(bottom, this.height); y++)
        for (let x = x0; x < min(x1, this.width); x++)
          if (x === x0 || x === x1 - 1 || (x - y & 7) < 2)
            this.pixels[y * this.width + x] = pixels.lost;
    }
  }
}

// Holds take these by rank. Waits have another colour, and are hatched.
const OWNERS_LIGHT = ["#3f74b5", "#2f8f4e", "#8a63b8", "#b8921f", "#2e97a7", "#8b6b4a",
                      "#5f6fd0", "#7c9a2d", "#697b8c", "#1f8f82", "#a9804a", "#4f93dd"];
const OWNERS_DARK = ["#5b94d6", "#49ad69", "#a883d6", "#d1ac3c", "#4bb4c4", "#ab8962",
                     "#8490ea", "#9aba48", "#8a9cad", "#3fb0a2", "#c49c64", "#74b0f2"];

function toPixel(css) {
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(css.slice(at, at + 2), 16));
  return (0xff000000 | b << 16 | g << 8 | r) >>> 0; // little-endian RGBA
}

function mixPixels(a, b, share) {
  let out = 0xff000000;
  for (const shift of [0, 8, 16]) {
    const from = a >>> shift & 255;
    out |= round(from + ((b >>> shift & 255) - from) * share) << shift;
  }
  return out >>> 0;
}

export function readTheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches &&
    !matchMedia("print").matches;
  const style = getComputedStyle(document.documentElement);
  const css = (name) => style.getPropertyValue(`--${name}`).trim();
  const color = (name) => css(name).match(/#\w+/g)[dark ? 1 : 0]; // of light-dark(…)
  const theme = {dark, owners: dark ? OWNERS_DARK : OWNERS_LIGHT, pixels: {}};
  for (const name of ["text", "muted", "line", "wait", "free", "accent", "lost", "panel",
                      "idle", "page", "running", "runnable", "blocked", "counter", "lock", "stop"]) {
    theme[name] = color(name);
    theme.pixels[name] = toPixel(theme[name]);
  }
  const owners = theme.owners.map(toPixel);
  for (const name of ["wait", "lock", "stop"])
    theme.pixels[`${name}Pale`] = mixPixels(theme.pixels.panel, theme.pixels[name],
                                            dark ? 0.38 : 0.3);
  theme.font = "11px " + css("font");
  theme.ownerColor = (rank) => rank < 0 ? theme.free : theme.owners[rank % theme.owners.length];
  // Functions take pale colours, on which text can be read, by number.
  const pale = owners.map((pixel) => mixPixels(theme.pixels.panel, pixel, 0.42));
  theme.functionPixel = (number) => pale[number * 7 % pale.length];
  theme.ownerPixel = (rank) => owners[rank % owners.length];
  return theme;
}
