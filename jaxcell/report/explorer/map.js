// Bokeh holds the frame: pan, zoom, pinch, lasso and box. The dots are painted here, into the pixels
// of a canvas below it, because without a graphics card 100,000 dots take Bokeh's own canvas more
// than a second and its WebGL longer, and this raster a few hundredths, wherever the page is opened.
"use strict";
const REACH = 14; // pixels, how far from a dot the pointer may be
const FAINT = 0xd4d4d4;
const FAINT_ALPHA = 110;
const ALPHA = 215; // of 256
// Area of a dot at no overlap and for each percent, in units of its own.
const AREA = 7;
const AREA_PER_PERCENT = 5;
const LARGEST_PERCENT = 40;
const LARGEST_SIZE = 30; // pixels
const BASE = (count <= 3000 ? 7 : count <= 12000 ? 6 : count <= 40000 ? 5 : 4) - (innerWidth < 600 ? 1 : 0); // pixels, a dot

const state = {
  projection: -1,
  colouring: 0,
  sized: false,
  hidden: {},
  only: null,
  hovered: -1,
  pinned: -1,
  selected: [],
  tool: "move",
};
// One value a patch.
const dots = {
  x: new Float32Array(count).fill(NaN),
  y: new Float32Array(count).fill(NaN),
  shown: new Uint8Array(count),
  kept: new Uint8Array(count).fill(1),
  colour: new Uint32Array(count),
  marker: new Uint8Array(count),
  size: new Uint8Array(count),
  bright: new Uint8Array(count),
  order: shuffled(count),
};
let grid = null;
let plot = null;
let fields = null;
let neighbours = null;
const painted = { queued: false, dots: false };

// ---- where dots are ----

function chooseProjection(index) {
  const chosen = about.projections[index];
  state.projection = index;
  chosen.values ??= decode(chosen.id, "float32");
  dots.x = chosen.values.subarray(0, count);
  dots.y = chosen.values.subarray(count);
  chosen.grid ??= makeGrid(dots.x, dots.y);
  grid = chosen.grid;
  refresh();
  showWhole();
}

// Patches sorted by the cell of a square grid that they lie in.
function makeGrid(x, y) {
  const box = { left: Infinity, right: -Infinity, bottom: Infinity, top: -Infinity };
  for (let i = 0; i < count; i++) {
    if (!Number.isFinite(x[i] + y[i])) continue;
    box.left = Math.min(box.left, x[i]);
    box.right = Math.max(box.right, x[i]);
    box.bottom = Math.min(box.bottom, y[i]);
    box.top = Math.max(box.top, y[i]);
  }
  const cells = Math.max(1, Math.ceil(Math.sqrt(count / 2)));
  const wide = (box.right - box.left) / cells || 1;
  const high = (box.top - box.bottom) / cells || 1;
  const at = (coordinate, from, step) => Math.max(0, Math.min(cells - 1, Math.floor((coordinate - from) / step)));
  const across = (coordinate) => at(coordinate, box.left, wide);
  const up = (coordinate) => at(coordinate, box.bottom, high);
  const starts = new Uint32Array(cells * cells + 1);
  const members = new Uint32Array(count);
  const finite = (i) => Number.isFinite(x[i] + y[i]);
  for (let i = 0; i < count; i++) if (finite(i)) starts[up(y[i]) * cells + across(x[i]) + 1]++;
  for (let cell = 0; cell < cells * cells; cell++) starts[cell + 1] += starts[cell];
  const next = starts.slice();
  for (let i = 0; i < count; i++) if (finite(i)) members[next[up(y[i]) * cells + across(x[i])]++] = i;
  return { box, cells, across, up, starts, members };
}

// Pixels of the map for one unit of the projection, and its upper left corner.
function scale() {
  const { x_range, y_range } = plot;
  const { clientWidth: width, clientHeight: height } = element("map");
  return {
    x: width / (x_range.end - x_range.start),
    y: height / (y_range.end - y_range.start),
    left: x_range.start,
    top: y_range.end,
    width,
    height,
  };
}

// Of a dot, in pixels of the map.
function place(i, by = scale()) {
  return [(dots.x[i] - by.left) * by.x, (by.top - dots.y[i]) * by.y];
}

// Of the map on the screen, inside its border.
function corner() {
  const map = element("map");
  const box = map.getBoundingClientRect();
  return [box.left + map.clientLeft, box.top + map.clientTop];
}

// The dot shown nearest to a pixel of the map; -1 where none is near.
function nearest(px, py) {
  if (!grid) return -1;
  const by = scale();
  const x = by.left + px / by.x;
  const y = by.top - py / by.y;
  let best = -1;
  let least = REACH * REACH;
  for (let row = grid.up(y - REACH / by.y); row <= grid.up(y + REACH / by.y); row++) {
    const from = grid.starts[row * grid.cells + grid.across(x - REACH / by.x)];
    const to = grid.starts[row * grid.cells + grid.across(x + REACH / by.x) + 1];
    for (let k = from; k < to; k++) {
      const i = grid.members[k];
      const right = (dots.x[i] - x) * by.x;
      const up = (dots.y[i] - y) * by.y;
      const distance = right * right + up * up;
      if (dots.shown[i] && distance < least) {
        least = distance;
        best = i;
      }
    }
  }
  return best;
}

function look(left, right, bottom, top) {
  plot.x_range.setv({ start: left, end: right });
  plot.y_range.setv({ start: bottom, end: top });
}

// One scale for both axes: a distance is the same in any direction.
function showWhole() {
  if (!grid) return;
  const { box } = grid;
  const { clientWidth: width, clientHeight: height } = element("map");
  const unit = 1.08 * Math.max((box.right - box.left) / width, (box.top - box.bottom) / height) || 1 / width;
  const x = (box.left + box.right) / 2;
  const y = (box.bottom + box.top) / 2;
  look(x - (unit * width) / 2, x + (unit * width) / 2, y - (unit * height) / 2, y + (unit * height) / 2);
}

// The same middle when the map changes its size, and the same scale for both axes.
function keepView() {
  const { x_range, y_range } = plot;
  const { clientWidth: width, clientHeight: height } = element("map");
  const { size } = keepView;
  keepView.size = [width, height];
  if (!size || !grid) return showWhole();
  const unit = ((x_range.end - x_range.start) / size[0]) * Math.max(size[0] / width, size[1] / height);
  const x = (x_range.start + x_range.end) / 2;
  const y = (y_range.start + y_range.end) / 2;
  look(x - (unit * width) / 2, x + (unit * width) / 2, y - (unit * height) / 2, y + (unit * height) / 2);
}

function bringIntoView(i) {
  const [px, py] = place(i);
  const by = scale();
  if (!Number.isFinite(px) || (px > 0 && py > 0 && px < by.width && py < by.height)) return;
  const x = by.width / by.x / 2;
  const y = by.height / by.y / 2;
  look(dots.x[i] - x, dots.x[i] + x, dots.y[i] - y, dots.y[i] + y);
}

// ---- how dots look ----

function rgb(hex) {
  return parseInt(hex.slice(1), 16);
}

// Colour, marker, size and presence of every dot, from the state.
function refresh() {
  const chosen = about.colourings[state.colouring];
  const found = column(chosen.column);
  const picked = new Uint8Array(count);
  for (const i of state.selected) picked[i] = 1;
  const category = chosen.kind === "category";
  const marks = category ? new Map(chosen.marks.map((mark) => [mark.code, mark])) : null;
  const looks = category
    ? new Map(
        [...marks, [-1, MISSING]].map(([code, mark]) => [code, [rgb(mark.colour), "os^DvPX".indexOf(mark.marker)]]),
      )
    : null;
  const colours = category ? null : chosen.colours.map(rgb);
  const span = chosen.high - chosen.low || 1;
  let shown = 0;
  for (let i = 0; i < count; i++) {
    const raw = found.values[i];
    dots.shown[i] = dots.kept[i] && Number.isFinite(dots.x[i] + dots.y[i]) ? 1 : 0;
    shown += dots.shown[i];
    dots.bright[i] = (state.selected.length ? picked[i] : 1) && (state.only === null || raw === state.only) ? 1 : 0;
    if (category) [dots.colour[i], dots.marker[i]] = looks.get(raw) ?? looks.get(-1);
    else {
      const share = Math.max(0, Math.min(1, (raw - chosen.low) / span));
      dots.colour[i] = Number.isNaN(raw) ? rgb(MISSING.colour) : colours[Math.round(share * (colours.length - 1))];
      dots.marker[i] = 0;
    }
    dots.size[i] = state.sized ? sizeOf(i) : BASE;
  }
  element("count").textContent = `${shown.toLocaleString("en")} of ${count.toLocaleString("en")} patches shown`;
  showLegend(chosen, found);
  repaint(true);
}

function sizeOf(i) {
  const target = column("target").values;
  const overlap = about.target.name === "iou";
  sizeOf.range ??= overlap
    ? [0, LARGEST_PERCENT]
    : target.filter(Number.isFinite).reduce(([low, high], one) => [Math.min(low, one), Math.max(high, one)], [Infinity, -Infinity]);
  const [low, high] = sizeOf.range;
  const percent = (LARGEST_PERCENT * Math.max(0, target[i] - low)) / (high - low || 1);
  return Math.min(LARGEST_SIZE, Math.round(0.75 * BASE * Math.sqrt((AREA + AREA_PER_PERCENT * (percent || 0)) / AREA)));
}

// The outline of a marker, all of about one area.
function trace(context, marker, middle, radius) {
  const corners = {
    1: [
      [-0.89, -0.89],
      [0.89, -0.89],
      [0.89, 0.89],
      [-0.89, 0.89],
    ],
    2: [
      [0, -1.2],
      [1.15, 0.85],
      [-1.15, 0.85],
    ],
    3: [
      [0, -1.25],
      [1.1, 0],
      [0, 1.25],
      [-1.1, 0],
    ],
    4: [
      [0, 1.2],
      [1.15, -0.85],
      [-1.15, -0.85],
    ],
    5: [
      [-0.4, -1.1],
      [0.4, -1.1],
      [0.4, -0.4],
      [1.1, -0.4],
      [1.1, 0.4],
      [0.4, 0.4],
      [0.4, 1.1],
      [-0.4, 1.1],
      [-0.4, 0.4],
      [-1.1, 0.4],
      [-1.1, -0.4],
      [-0.4, -0.4],
    ],
  };
  corners[6] = corners[5].map(([x, y]) => [(x - y) * Math.SQRT1_2, (x + y) * Math.SQRT1_2]);
  context.beginPath();
  if (!marker) context.arc(middle, middle, radius, 0, 2 * Math.PI);
  else corners[marker].forEach(([x, y]) => context.lineTo(middle + x * radius, middle + y * radius));
  context.closePath();
}

const stamps = [];
// How much of each pixel a marker covers, of 255.
function stamp(marker, size) {
  const key = 64 * marker + size;
  if (!stamps[key]) {
    const edge = Math.ceil(1.25 * size) | 1;
    const context = new OffscreenCanvas(edge, edge).getContext("2d", { willReadFrequently: true });
    trace(context, marker, edge / 2, size / 2);
    context.fill();
    stamps[key] = { edge, cover: context.getImageData(0, 0, edge, edge).data.filter((_, k) => k % 4 === 3) };
  }
  return stamps[key];
}

// ---- painting ----

// At most once a frame.
function repaint(withDots) {
  painted.dots ||= withDots;
  if (painted.queued) return;
  painted.queued = true;
  requestAnimationFrame(() => {
    painted.queued = false;
    if (painted.dots) paintDots();
    painted.dots = false;
    paintMarks();
  });
}

// A canvas at the size of the map.
function fitted(id, density) {
  const canvas = element(id);
  const { clientWidth: width, clientHeight: height } = element("map");
  const [w, h] = [Math.max(1, Math.round(width * density)), Math.max(1, Math.round(height * density))];
  if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
  return canvas.getContext("2d");
}

function paintDots() {
  const began = performance.now();
  const density = count > 40000 ? 1 : Math.min(2, window.devicePixelRatio || 1);
  const context = fitted("points", density);
  const { width, height } = context.canvas;
  const by = scale();
  if (!paintDots.image || paintDots.image.width !== width || paintDots.image.height !== height)
    paintDots.image = context.createImageData(width, height);
  const pixels = new Uint32Array(paintDots.image.data.buffer).fill(0xffffffff);
  const kx = by.x * density;
  const ky = by.y * density;
  for (let bright = 0; bright < 2; bright++) {
    for (let k = 0; k < count; k++) {
      const i = dots.order[k];
      if (!dots.shown[i] || dots.bright[i] !== bright) continue;
      const { edge, cover } = stamp(dots.marker[i], Math.round(dots.size[i] * density));
      const left = Math.round((dots.x[i] - by.left) * kx - edge / 2);
      const top = Math.round((by.top - dots.y[i]) * ky - edge / 2);
      if (left < 0 || top < 0 || left + edge > width || top + edge > height) continue;
      blend(pixels, width, left, top, edge, cover, bright ? dots.colour[i] : FAINT, bright ? ALPHA : FAINT_ALPHA);
    }
  }
  context.putImageData(paintDots.image, 0, 0);
  window.jaxcell.paints.push(performance.now() - began);
}

// A stamp onto pixels, 0xAABBGGRR.
function blend(pixels, width, left, top, edge, cover, colour, alpha) {
  const red = colour >> 16;
  const green = (colour >> 8) & 255;
  const blue = colour & 255;
  for (let row = 0, k = 0; row < edge; row++) {
    for (let at = (top + row) * width + left, end = at + edge; at < end; at++, k++) {
      const weight = (cover[k] * alpha) >> 8;
      if (!weight) continue;
      const old = pixels[at];
      const r = old & 255;
      const g = (old >> 8) & 255;
      const b = (old >> 16) & 255;
      pixels[at] =
        0xff000000 |
        ((b + (((blue - b) * weight) >> 8)) << 16) |
        ((g + (((green - g) * weight) >> 8)) << 8) |
        (r + (((red - r) * weight) >> 8));
    }
  }
}

// Rings about what is pointed at, kept, and near to it.
function paintMarks() {
  const density = window.devicePixelRatio || 1;
  const context = fitted("marks", density);
  const by = scale();
  context.setTransform(density, 0, 0, density, 0, 0);
  context.clearRect(0, 0, by.width, by.height);
  const ring = (i, radius, colour, thick) => {
    const [px, py] = place(i, by);
    if (!Number.isFinite(px)) return;
    for (const [style, wide] of [
      ["#fff", thick + 2],
      [colour, thick],
    ]) {
      [context.strokeStyle, context.lineWidth] = [style, wide];
      context.beginPath();
      context.arc(px, py, radius + dots.size[i] / 2, 0, 2 * Math.PI);
      context.stroke();
    }
  };
  for (const i of near(state.pinned)) ring(i, 3, "#1a1a1a", 1.25);
  if (state.pinned >= 0) ring(state.pinned, 5, "#1a1a1a", 3);
  if (state.hovered >= 0) ring(state.hovered, 4, "#0072b2", 2.5);
}
