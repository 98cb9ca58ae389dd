// SPDX-License-Identifier: MIT
// Draws lanes in one buffer: the cost depends on the number of pixels, not of spans. A pixel column
// of a thread's lane is a bar chart of that moment: from below, the share of holding is solid and
// that of waiting hatched; the rest is a thin line. Zoomed in, they become boxes.

import {LAYERS, countBelow} from "./tracks.js";

const HOLDS_PER_PIXEL = 4; // up to so many, the holds of many owners are drawn one by one

export class Painter {
  // Start a picture of `width` × `height` device pixels of [from, to).
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
    return Math.min(this.width, Math.max(0, Math.round((time - this.from) / this.step)));
  }

  // Rows [y, y + height) that lie on the picture, from x0 to x1, in one colour.
  fill(x0, x1, y, height, pixel) {
    const end = Math.min(this.height, y + height);
    for (let row = Math.max(0, y); row < end; row++)
      this.pixels.fill(pixel, row * this.width + x0, row * this.width + x1);
  }

  // The share of each pixel column that a track covers, into `this.hold` or another array.
  cover(track, shares = this.hold) {
    track.coverage(this.from, this.step, this.width, shares);
  }

  // The height of a bar for a share: whatever there is shows, be it ever so little.
  rowsOf(share, height, least = 1) {
    return share > 0 ? Math.max(least, Math.round(share * height)) : 0;
  }

  column(x, y, height, pixel) {
    this.hatchedColumn(x, y, height, pixel, pixel);
  }

  hatchedColumn(x, y, height, dark, pale) {
    const end = Math.min(this.height, y + height);
    for (let row = Math.max(0, y); row < end; row++)
      this.pixels[row * this.width + x] = (x + row) % 6 < 3 ? dark : pale;
  }

  // A thread's lane: `y` and `height` of its bar, `line` the thickness of thin lines.
  thread(lane, y, height, line) {
    const {pixels, ownerPixel} = this.theme;
    const x0 = this.x(lane.start), x1 = this.x(lane.end);
    const middle = y + Math.floor((height - line) / 2);
    this.fill(x0, Math.max(x1, Math.min(x0 + 1, this.width)), middle, line, pixels.free);
    if (!lane.gil)
      return;
    this.cover(lane.holds);
    this.cover(lane.waits, this.wait);
    const owner = ownerPixel(lane.color);
    for (let x = 0; x < this.width; x++) {
      let held = this.rowsOf(this.hold[x], height, line);
      let waited = this.rowsOf(this.wait[x], height, line);
      const over = Math.max(0, held + waited - height);
      if (held > waited)
        held -= over;
      else
        waited -= over;
      this.column(x, y + height - held, held, owner);
      this.hatchedColumn(x, y + height - held - waited, waited, pixels.wait,
                         pixels.waitPale);
    }
  }

  // One level of a thread's calls: as high as their share of the pixel's time, in the colour of
  // the last function. The left edge of a box stays empty.
  calls(track, calls, y, height, colorOf) {
    const {start, count} = track;
    this.cover(track);
    let below = countBelow(start, this.from);
    for (let x = 0; x < this.width; x++) {
      const to = this.from + (x + 1) * this.step;
      const first = below;
      if (below < count && start[below] < to)
        below = countBelow(start, to, below);
      if (this.hold[x] <= 0 || below === 0)
        continue;
      const rows = this.rowsOf(this.hold[x], height);
      const edge = below > first && this.step * 3 < track.end(below - 1) - start[below - 1];
      const pixel = edge ? this.theme.pixels.panel : colorOf(calls.function[track.id[below - 1]]);
      this.column(x, y + height - rows, rows, pixel);
    }
  }

  // A thread's states as such bars, from below: running solid, ready without a CPU hatched, asleep
  // for the GIL, uninterruptible dark; other sleep is a thin line. `alone`: no bar above shows
  // waits.
  states(tracks, y, height, line, alone) {
    const {pixels} = this.theme;
    const looks = [[pixels.running, null], [pixels.runnable, pixels.panel],
                   [pixels.blocked, null],
                   alone ? [pixels.wait, pixels.waitPale] : [pixels.waitPale, null]];
    this.rows.fill(0); // taken so far
    for (const kind of [0, 1, 3, 2]) {
      const [pixel, pale] = looks[kind];
      if (tracks[kind].count === 0)
        continue;
      this.cover(tracks[kind]);
      for (let x = 0; x < this.width; x++) {
        const rows = this.rowsOf(this.hold[x], height);
        const top = Math.max(0, height - this.rows[x] - rows);
        this.rows[x] = Math.min(height, this.rows[x] + rows);
        this.hatchedColumn(x, y + top, rows, pixel, pale ?? pixel);
      }
    }
    this.cover(tracks[4]);
    for (let x = 0; x < this.width; x++)
      if (this.hold[x] > 0 && this.rows[x] <= height / 2)
        this.column(x, y + (height - line >> 1), line, pixels.free);
  }

  // Who holds a GIL: owners as layers, as thick as their share of the pixel's time. Those that
  // held longest in all lie below; where owners are many, the last ones share a layer.
  owners(gil, y, height) {
    const {pixels, ownerPixel} = this.theme;
    this.fill(this.x(gil.start_ns), this.x(gil.end_ns), y, height, pixels.idle);
    this.level.fill(0);
    this.rows.fill(0);
    if (gil.ranked.length > LAYERS && this.ownersInTurn(gil, y, height))
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
        this.hold[x] = Math.max(0, this.hold[x] - this.wait[x] - 1e-4);
      this.layer(y, height, pixels.free);
    }
  }

  // The same with layers in the order of time; returns false when too many holds are in view.
  ownersInTurn(gil, y, height) {
    const {start, end, member} = gil.holdSpans;
    const first = gil.allHolds.firstAfter(this.from);
    const last = countBelow(start, this.from + this.step * this.width, first);
    if (last - first > HOLDS_PER_PIXEL * this.width)
      return false;
    for (let i = first; i < last; i++) {
      const pixel = this.theme.ownerPixel(gil.colorOf[member[i]]);
      const from = Math.max(0, (start[i] - this.from) / this.step);
      const to = Math.min(this.width, (end[i] - this.from) / this.step);
      for (let x = Math.floor(from); x < to; x++)
        this.stack(x, Math.min(to, x + 1) - Math.max(from, x), y, height, pixel);
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
    const top = Math.min(height, Math.max(1, Math.round(this.level[x] * height)));
    this.column(x, y + height - top, top - this.rows[x], pixel);
    this.rows[x] = top;
  }

  // A curve of values over a hatched area, from 0 at the bottom to `most` at the top.
  curve(values, y, height, most, thickness, line = this.theme.pixels.wait,
        area = this.theme.pixels.waitPale) {
    let last = height;
    for (let x = 0; x < this.width; x++) {
      const rows = Math.round(Math.min(1, values[x] / most) * height);
      const at = values[x] > 0 ? height - Math.max(rows, thickness) : height;
      this.hatchedColumn(x, y + at, height - at, area, this.theme.pixels.panel);
      if (at < height || last < height)
        this.column(x, y + Math.min(at, last), Math.max(thickness, Math.abs(at - last)), line);
      last = at;
    }
  }

  // A counter's rate as a curve, scaled to its peak in view; returns the peak.
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
      const x0 = this.x(start), x1 = Math.max(x0 + 2, this.x(end));
      for (let y = Math.max(0, top); y < Math.min(bottom, this.height); y++)
        for (let x = x0; x < Math.min(x1, this.width); x++)
          if (x === x0 || x === x1 - 1 || (x - y & 7) < 2)
            this.pixels[y * this.width + x] = pixels.lost;
    }
  }
}
