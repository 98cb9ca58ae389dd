// SPDX-License-Identifier: MIT
// Colours for canvases, from the style sheet's variables.

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
    out |= Math.round(from + ((b >>> shift & 255) - from) * share) << shift;
  }
  return out >>> 0;
}

// The current colours.
export function readTheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches &&
    !matchMedia("print").matches;
  const style = getComputedStyle(document.documentElement);
  const css = (name) => style.getPropertyValue(`--${name}`).trim();
  const color = (name) => css(name).match(/#\w+/g)[dark ? 1 : 0]; // of light-dark(…)
  const theme = {dark, owners: dark ? OWNERS_DARK : OWNERS_LIGHT, pixels: {}};
  for (const name of ["text", "muted", "line", "wait", "free", "accent", "lost", "panel",
                      "idle", "page", "running", "runnable", "blocked", "counter"]) {
    theme[name] = color(name);
    theme.pixels[name] = toPixel(theme[name]);
  }
  const owners = theme.owners.map(toPixel);
  theme.pixels.waitPale = mixPixels(theme.pixels.panel, theme.pixels.wait, dark ? 0.38 : 0.3);
  theme.font = "11px " + css("font");
  theme.ownerColor = (rank) => rank < 0 ? theme.free : theme.owners[rank % theme.owners.length];
  // Functions take pale colours, on which text can be read, by number.
  const pale = owners.map((pixel) => mixPixels(theme.pixels.panel, pixel, 0.42));
  theme.functionPixel = (number) => pale[number * 7 % pale.length];
  theme.ownerPixel = (rank) => owners[rank % owners.length];
  return theme;
}
