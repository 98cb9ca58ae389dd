// SPDX-License-Identifier: MIT
// Numbers and names become text.

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
  return `${Math.round(ns)} ns`;
}

// A point in time, with the decimals that a distance of `step_ns` asks for, in the unit of the last
// one, `most_ns`.
export function timeText(ns, step_ns, most_ns = ns) {
  const [size, unit] = most_ns >= 1e9 ? [1e9, "s"] : [1e6, "ms"];
  const decimals = Math.min(9, Math.max(0, Math.ceil(Math.log10(size / step_ns) - 1e-9)));
  return `${(ns / size).toFixed(Math.min(decimals, Math.log10(size)))} ${unit}`;
}

// A share of a whole in percent with one decimal, as in the table on the terminal.
export function percentText(part, whole) {
  return whole > 0 ? (100 * part / whole).toFixed(1) : "–";
}

// "1.2 ms · 34.5%" of a whole.
export function shareText(ns, whole) {
  return `${durationText(ns)} · ${percentText(ns, whole)}%`;
}

// "1 thread", "2 threads".
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
  const power = 10 ** Math.floor(Math.log10(Math.max(least_ns, 1)));
  for (const factor of [1, 2, 5])
    if (factor * power >= least_ns)
      return factor * power;
  return 10 * power;
}

const INVISIBLE = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

// A name from the traced program; characters that could disturb the text around it made visible.
export function nameText(name) {
  return String(name).replace(INVISIBLE, (mark) => {
    const code = mark.charCodeAt(0);
    return code < 0x20 ? String.fromCharCode(0x2400 + code) : "\ufffd";
  });
}

// The last part of a name that is a path: labels have little room.
export function shortName(name) {
  const text = nameText(name);
  return text.slice(text.replace(/\/+$/, "").lastIndexOf("/") + 1);
}

// "file.py:12", with the last `parts` of a path; "" without a file.
export function placeText({file, line}, parts = 1) {
  const short = nameText(file ?? "").split("/").slice(-parts).join("/");
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
