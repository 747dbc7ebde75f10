// What is said about patches, how several are chosen, and the page's controls.
"use strict";
const MOST_ROWS = 200;

// ---- what is said about a patch ----

function make(tag, content = {}, ...children) {
  const made = Object.assign(document.createElement(tag), content);
  made.append(...children);
  return made;
}

// Measured and predicted, with their unit.
function answers(i) {
  return ["target", "predicted"]
    .map((name) => value(name, i))
    .map((one) => (one === null ? "–" : `${fixed(one, about.target.digits - 1)} ${about.target.unit}`.trim()));
}

function factsOf(i) {
  const { label, digits } = about.target;
  const [target, predicted] = answers(i);
  const low = value("low", i);
  const high = value("high", i);
  const dose = value("concentration_um", i);
  const overlap = value("overlap", i);
  const interval =
    low === null || high === null ? "" : ` (interval ${fixed(low, digits - 1)} to ${fixed(high, digits - 1)})`;
  return [
    ["condition", value("condition", i)],
    ["compound", value("compound", i)],
    ["dose", dose === null ? null : `${tidy(dose)} µM`],
    ...(about.target.name === "iou" ? [] : [["overlap (IoU)", overlap === null ? "–" : `${fixed(overlap, 1)} %`]]),
    [`${label}, measured`, target],
    [`${label}, predicted`, predicted + interval],
    ["faulty", value("faulty", i) ? "yes: no pixel is brighter than background" : "no"],
  ].map(([name, text]) => [name, text ?? "not stated"]);
}

// Where the patch comes from.
function originOf(i) {
  fields ??= decode("fields", "int32");
  return [
    ...Object.entries(about.fields[fields[i]]).map(([view, file]) => [about.views[view] ?? view, file]),
    [
      "window",
      `field ${value("field", i)}, y ${value("y", i)}, x ${value("x", i)}; ${about.window} × ${about.window} pixels (${MICROMETRES} × ${MICROMETRES} µm)`,
    ],
  ];
}

function list(id, facts) {
  element(id).replaceChildren(
    ...facts.flatMap(([name, text]) => [make("dt", { textContent: name }), make("dd", { textContent: text })]),
  );
}

// The patch pointed at, else the one pinned; the last one stays for reading.
function showCard() {
  const i = state.hovered >= 0 ? state.hovered : state.pinned;
  element("unpin").hidden = state.pinned < 0;
  if (i < 0) return;
  element("which").textContent = wellName(i) + (i === state.pinned ? ", pinned" : "");
  list("facts", factsOf(i));
  draw(element("image"), i);
}

function emptyCard() {
  element("which").textContent = "Point at a dot";
  element("caption").textContent = "";
  element("facts").replaceChildren();
  const image = element("image");
  image.dataset.patch = "none";
  image.width = image.height = 1;
}

function near(i) {
  if (i < 0 || !about.neighbours) return [];
  neighbours ??= decode("neighbours", "int32");
  return neighbours
    .subarray(i * about.neighbours, (i + 1) * about.neighbours)
    .filter((other) => other >= 0 && other < count);
}

const drawnOnSight = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries)
      if (isIntersecting) {
        drawnOnSight.unobserve(target);
        draw(target, Number(target.dataset.patch));
      }
  },
  { rootMargin: "200px" },
);

// Drawn when it is scrolled into sight.
function picture(i) {
  const canvas = make("canvas", { className: "pixels", width: 1, height: 1 });
  canvas.dataset.patch = i;
  drawnOnSight.observe(canvas);
  return canvas;
}

function hover(i) {
  if (i === state.hovered) return;
  state.hovered = i;
  showCard();
  repaint(false);
}

// A patch to point at and to go to.
function button(i, ...content) {
  return make(
    "button",
    {
      type: "button",
      title: `${wellName(i)}: go to it`,
      onclick: () => pin(i, true),
      onpointerenter: () => hover(i),
      onpointerleave: () => hover(-1),
    },
    picture(i),
    ...content,
  );
}

function pin(i, follow = false) {
  [state.pinned, state.hovered] = [i, -1];
  if (i >= 0 && follow) bringIntoView(i);
  element("neighbourhood").hidden = i < 0 || !near(i).length;
  element("origin").hidden = i < 0;
  if (i < 0) emptyCard();
  else list("source", originOf(i));
  element("near").replaceChildren(
    ...Array.from(near(i), (other) => button(other, wellName(other), make("br"), answers(other)[0])),
  );
  showCard();
  repaint(false);
}

// ---- choosing several ----

// Even-odd rule.
function inside(x, y, polygon) {
  let odd = false;
  for (let a = 0, b = polygon.x.length - 1; a < polygon.x.length; b = a++) {
    const crosses = polygon.y[a] > y !== polygon.y[b] > y;
    if (
      crosses &&
      x < ((polygon.x[b] - polygon.x[a]) * (y - polygon.y[a])) / (polygon.y[b] - polygon.y[a]) + polygon.x[a]
    )
      odd = !odd;
  }
  return odd;
}

function selectWithin(geometry) {
  const { x0, x1, y0, y1 } = geometry;
  const polygon = geometry.type === "poly" ? geometry : { x: [x0, x1, x1, x0], y: [y0, y0, y1, y1] };
  select((i) => dots.shown[i] && inside(dots.x[i], dots.y[i], polygon), "chosen");
}

function select(wanted, words) {
  state.selected = [];
  for (let i = 0; i < count; i++) if (wanted(i)) state.selected.push(i);
  const rows = state.selected.slice(0, MOST_ROWS);
  element("selection").hidden = !words;
  document.querySelector(".side").classList.toggle("listing", Boolean(words));
  element("chosen").textContent =
    `${state.selected.length.toLocaleString("en")} ${state.selected.length === 1 ? "patch" : "patches"} ${words}`;
  element("more").hidden = rows.length === state.selected.length;
  element("download").hidden = !rows.length;
  element("rows").replaceChildren(
    ...rows.map((i) =>
      button(
        i,
        make(
          "span",
          {},
          `${wellName(i)} · ${value("condition", i) ?? "no condition"}`,
          make("br"),
          make("small", { textContent: `measured ${answers(i)[0]}, predicted ${answers(i)[1]}` }),
        ),
      ),
    ),
  );
  refresh();
}

function csv(indices) {
  fields ??= decode("fields", "int32");
  const views = [...new Set(about.fields.flatMap(Object.keys))];
  // A cell that a spreadsheet would run is marked as text, as storage/csv_cells.py does.
  const defused = (text) => (/^'*[=+\-@\t\r\n]/.test(text) ? `'${text}` : text);
  const quoted = (text) => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const cell = (one) =>
    one === null || one === undefined
      ? ""
      : typeof one === "number"
        ? tidy(one)
        : one === true
          ? "True"
          : one === false
            ? "False"
            : quoted(defused(String(one)));
  const rows = indices.map((i) =>
    [...about.exported.map((name) => value(name, i)), ...views.map((view) => about.fields[fields[i]][view])]
      .map(cell)
      .join(","),
  );
  return [[...about.exported, ...views.map((view) => `${view}_file`)].map(quoted).join(","), ...rows, ""].join("\n");
}

function download() {
  const link = make("a", {
    href: URL.createObjectURL(new Blob([csv(state.selected)], { type: "text/csv" })),
    download: "patches.csv",
  });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

// B3, b03, or SIM01 B03.
function findWell(text) {
  const plain = (name) =>
    name
      .trim()
      .toUpperCase()
      .replace(/([A-Z])0+(?=\d)/g, "$1");
  const wanted = plain(text);
  const plates = column("plate");
  const wells = column("well");
  const full = (i) => plain(plates.names[plates.values[i]] ?? "") + " " + plain(wells.names[wells.values[i]] ?? "");
  const matches = new Set(wells.names.flatMap((name, code) => (plain(name) === wanted ? [code] : [])));
  select(
    (i) => wanted && (matches.has(wells.values[i]) || (wanted.includes(" ") && full(i) === wanted)),
    wanted && `in ${text.trim()}`,
  );
}

function clear() {
  state.only = null;
  element("search").value = "";
  pin(-1);
  select(() => false, "");
}

// ---- legend and controls ----

function legendMark(mark) {
  const canvas = make("canvas", { width: 28, height: 28 });
  const context = canvas.getContext("2d");
  trace(context, "os^DvPX".indexOf(mark.marker), 14, 9);
  context.fillStyle = mark.colour;
  context.fill();
  return canvas;
}

function showLegend(chosen, found) {
  if (chosen.kind === "number") {
    const bar = make("i");
    const ticks = make("span", {}, ...chosen.ticks.map((text) => make("span", { textContent: text })));
    bar.style.background = `linear-gradient(90deg, ${chosen.colours.join(", ")})`;
    const grey = found.values.some(Number.isNaN) ? make("small", { textContent: "grey: not stated" }) : "";
    element("legend").replaceChildren(make("div", { className: "bar" }, chosen.words, bar, ticks, grey));
    return;
  }
  const missing = found.values.some((code) => code < 0) ? [{ ...MISSING, name: chosen.missing }] : [];
  element("legend").replaceChildren(
    ...[...chosen.marks, ...missing].map((mark) => {
      const entry = make(
        "button",
        {
          type: "button",
          title: "Show these alone",
          onclick: () => {
            state.only = state.only === mark.code ? null : mark.code;
            refresh();
          },
        },
        legendMark(mark),
        mark.name,
      );
      entry.setAttribute("aria-pressed", state.only === mark.code);
      return entry;
    }),
  );
}

// One tick box a category; at least two, or there is nothing to filter.
function filterBox(name) {
  const found = column(name);
  if (!found || found.kind !== "category") return [];
  const ordered = about.colourings.find((one) => one.column === name).marks.map((mark) => mark.code);
  const names = [...ordered, ...(found.values.some((code) => code < 0) ? [-1] : [])];
  if (names.length < 2) return [];
  state.hidden[name] = new Set();
  return [
    make(
      "fieldset",
      {},
      make("legend", { textContent: name }),
      ...names.map((code) =>
        make(
          "label",
          {},
          make("input", {
            type: "checkbox",
            checked: true,
            onchange: (event) => {
              state.hidden[name][event.target.checked ? "delete" : "add"](code);
              filter();
            },
          }),
          ` ${found.names[code] ?? "not stated"}`,
        ),
      ),
    ),
  ];
}

function filter() {
  for (let i = 0; i < count; i++)
    dots.kept[i] = Object.entries(state.hidden).every(([name, codes]) => !codes.has(column(name).values[i])) ? 1 : 0;
  refresh();
}

function useTool(name) {
  state.tool = name;
  for (const tool of plot.toolbar.tools) tool.active = tool.name === name || tool.name === "zoom";
  for (const button of document.querySelectorAll("[data-tool]"))
    button.setAttribute("aria-pressed", button.dataset.tool === name);
}

function fillControls() {
  about.projections.forEach((one, index) =>
    element("projection").append(
      make("option", {
        value: index,
        disabled: one.reason !== null,
        textContent: one.reason ? `${one.name}: ${one.reason}` : one.name,
      }),
    ),
  );
  about.colourings.forEach((one, index) =>
    element("colouring").append(make("option", { value: index, textContent: one.words })),
  );
  const filters = ["condition", "plate"].flatMap(filterBox);
  element("filters").replaceChildren(...filters);
  document.querySelector(".filters").hidden = !filters.length;
  element("wells").append(...column("well").names.map((name) => make("option", { value: name })));
  emptyCard();
}

function listen() {
  const map = element("map");
  const at = (event) => {
    const [left, top] = corner();
    return nearest(event.clientX - left, event.clientY - top);
  };
  map.addEventListener("pointermove", (event) => {
    if (!event.buttons && event.pointerType !== "touch") hover(at(event));
  });
  map.addEventListener("pointerleave", () => hover(-1));
  plot.on_event("tap", (event) => pin(nearest(event.sx, event.sy)));
  plot.on_event("selectiongeometry", (event) => event.final && selectWithin(event.geometry));
  for (const range of [plot.x_range, plot.y_range]) range.change.connect(() => repaint(true));
  new ResizeObserver(keepView).observe(map);
  element("projection").onchange = (event) => chooseProjection(Number(event.target.value));
  element("colouring").onchange = (event) => {
    state.colouring = Number(event.target.value);
    state.only = null;
    refresh();
  };
  element("sized").onchange = (event) => {
    state.sized = event.target.checked;
    refresh();
  };
  element("search").onchange = (event) => findWell(event.target.value);
  element("download").onclick = download;
  element("unpin").onclick = () => pin(-1);
  element("whole").onclick = showWhole;
  for (const button of document.querySelectorAll("[data-tool]")) button.onclick = () => useTool(button.dataset.tool);
  document.addEventListener("keydown", (event) => event.key === "Escape" && clear());
}

async function start() {
  await Bokeh.embed.embed_item(JSON.parse(element("plot").textContent), "frame");
  plot = Bokeh.documents.at(-1).get_model_by_name("plot");
  fillControls();
  useTool("move");
  listen();
  const first = about.projections.findIndex((one) => one.reason === null);
  if (first >= 0) {
    element("projection").value = first;
    chooseProjection(first);
  } else {
    element("nothing").hidden = false;
    element("nothing").textContent =
      "There is no map to draw. " + about.projections.map((one) => `${one.name}: ${one.reason}.`).join(" ");
    refresh();
  }
  await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
  window.jaxcell.drawn = performance.now();
}

// For tests and the curious: what is shown, and where on the screen a patch's dot is.
const onScreen = (i) => place(i).map((pixels, axis) => pixels + corner()[axis]);
window.jaxcell = { about, state, dots, onScreen, value, near, paints: [], drawn: null };
window.jaxcell.ready = start();
