// The numbers and the thumbnails that the file holds, decoded where they are looked at.
"use strict";
const element = (id) => document.getElementById(id);
const about = JSON.parse(element("about").textContent);
const count = about.count;
const ARRAYS = { int8: Int8Array, uint8: Uint8Array, int16: Int16Array, int32: Int32Array, float32: Float32Array };
const MISSING = { name: "", code: -1, colour: "#5c5c5c", marker: "o" };
const MOST_BITMAPS = 150;
const MICROMETRES = (about.window * about.micrometres_per_pixel).toFixed(0);

// ---- numbers ----

function bytesOf(id) {
  const text = atob(element(id).textContent);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

function decode(id, type) {
  const { buffer } = bytesOf(id);
  element(id).remove(); // its text is as large as the numbers
  return new ARRAYS[type](buffer);
}

function column(name) {
  const found = about.columns[name];
  if (found && !found.values) found.values = decode(found.id, found.type);
  return found;
}

// A number, a name, true or false; null where there is none.
function value(name, i) {
  const found = column(name);
  if (!found) return null;
  const raw = found.values[i];
  if (found.kind === "category") return raw < 0 ? null : found.names[raw];
  if (found.kind === "flag") return raw === 1;
  return Number.isNaN(raw) ? null : raw;
}

// So that no condition lies on top of another; the same at each visit.
function shuffled(length) {
  const order = Uint32Array.from({ length }, (_, i) => i);
  let seed = 20191;
  for (let i = length - 1; i > 0; i--) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    const j = seed % (i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

const tidy = (number) => String(Number(number.toPrecision(7))); // float32 without its tail
const fixed = (number, digits) => number.toFixed(digits).replace("-", "−");
const wellName = (i) => `${value("plate", i)} ${value("well", i)}`;

// ---- thumbnails ----

const bitmaps = new Map(); // sheet -> promise of its picture, those last used last

async function sheet(index) {
  const found = bitmaps.get(index) ?? createImageBitmap(new Blob([bytesOf(`sheet-${index}`)], { type: "image/jpeg" }));
  bitmaps.delete(index);
  bitmaps.set(index, found);
  if (bitmaps.size > MOST_BITMAPS) bitmaps.delete(bitmaps.keys().next().value);
  return found;
}

const loaded = new Promise((resolve) => document.addEventListener("DOMContentLoaded", resolve, { once: true }));

// A patch's thumbnail, unless the canvas was given another meanwhile.
async function draw(canvas, i) {
  const { tile, across } = about.layout;
  const index = Math.floor(i / across ** 2);
  const nth = i % across ** 2;
  canvas.dataset.patch = i;
  delete canvas.dataset.drawn;
  // The sheets are the end of the file: one is whole when the next has begun, or the file has ended.
  if (!element(`sheet-${index + 1}`)) await loaded;
  const there = nth < Number(element(`sheet-${index}`)?.dataset.count ?? 0);
  const bitmap = there ? await sheet(index) : null;
  if (canvas.dataset.patch !== String(i)) return;
  [canvas.width, canvas.height] = [tile, tile];
  const left = (nth % across) * tile;
  const top = Math.floor(nth / across) * tile;
  if (bitmap) canvas.getContext("2d").drawImage(bitmap, left, top, tile, tile, 0, 0, tile, tile);
  canvas.dataset.drawn = there ? i : "none";
  if (canvas.id === "image")
    element("caption").textContent = there
      ? `${MICROMETRES} µm across; ${about.colours}`
      : "No image of this patch";
}
