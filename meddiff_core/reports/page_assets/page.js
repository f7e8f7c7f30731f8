// Controls of the page; the planes are drawn by planes.js, which stands before.
const NEAR_PX = 8;
const byId = (id) => document.getElementById(id);
let active = PLANES[0];

function make(tag, parent, properties = {}) {
  return parent.appendChild(Object.assign(document.createElement(tag), properties));
}

async function unpack(item, Kind) {
  const raw = atob(item.data), bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  delete item.data; // large
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Kind(await new Response(stream).arrayBuffer());
}

function colourTable(colours) {
  const table = new Uint8Array(colours.length * 4);
  colours.forEach((colour, i) => {
    for (let c = 0; c < 4; c++) table[4 * i + c] = parseInt(colour.slice(1 + 2 * c, 3 + 2 * c), 16);
  });
  return table;
}

let waiting = false;
/** Draw all planes before the next frame, once however much has changed. */
function redraw() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    PLANES.forEach(draw);
    PLANES.forEach((plane) => plane.figure.classList.toggle("active", plane === active));
    showControls();
  });
}

function showControls() {
  const voxel = state.at.reduce((sum, at, axis) => sum + at * strides[axis], 0);
  const place = [0, 1, 2].map(voxelAt).join(", ");
  const values = scene.scans.map((scan) => `${scan.name} ${scan.voxels[voxel]} HU`);
  byId("readout").textContent = [`voxel ${place}`, ...values].join("  ·  ");
  byId("split").value = 100 * state.split;
  for (const name of ["level", "width"]) {
    if (document.activeElement !== byId(name)) byId(name).value = state.window[name];
  }
  scene.presets.forEach((preset) => preset.button.setAttribute("aria-pressed", preset === state.window));
}

function moveSlice(plane, slices) {
  active = plane;
  state.at[plane.axis] = limited(state.at[plane.axis] + slices, 0, scene.shape[plane.axis] - 1);
  redraw();
}

function setSplit(share) {
  if (scene.scans.length === 2) state.split = limited(share, 0, 1);
  redraw();
}

function onPointer(plane, event) {
  const { x, y, w, h, room } = placed(plane);
  const across = event.clientX - room.left - x, down = event.clientY - room.top - y;
  const near = scene.scans.length === 2 && Math.abs(across - state.split * w) < NEAR_PX;
  if (event.type === "pointerdown") {
    active = plane;
    plane.drag = near ? "curtain" : "cross";
    plane.canvas.setPointerCapture(event.pointerId);
  }
  plane.canvas.style.cursor = near || plane.drag === "curtain" ? "ew-resize" : "crosshair";
  if (event.type === "pointerup" || event.type === "pointercancel") plane.drag = null;
  if (plane.drag === "curtain") setSplit(across / w);
  if (plane.drag === "cross") {
    for (const [axis, share] of [[plane.across, across / w], [plane.down, down / h]]) {
      state.at[axis] = limited(Math.floor((1 - share) * scene.shape[axis]), 0, scene.shape[axis] - 1);
    }
    redraw();
  }
}

function onKey(event) {
  const typed = event.target.matches?.('[type="number"]');
  const moved = event.target.matches?.('[type="range"]') && /^(Arrow|Page)/.test(event.key); // the slider's own
  if (typed || moved || event.ctrlKey || event.metaKey || event.altKey) return;
  const preset = scene.presets[event.key - 1];
  const slices = { ArrowUp: 1, ArrowDown: -1, PageUp: 10, PageDown: -10 }[event.key];
  const share = { ArrowLeft: -0.05, ArrowRight: 0.05 }[event.key];
  if (slices) moveSlice(active, slices);
  else if (share) setSplit(state.split + share);
  else if (preset) setWindow(preset);
  else if (event.key.toLowerCase() === "b") setSplit(state.split > 0 ? 0 : 1);
  else if (event.key.toLowerCase() === "o") { state.overlay = !state.overlay; redraw(); }
  else return;
  event.preventDefault();
}

function setWindow(preset) {
  state.window = preset;
  redraw();
}

function addPlane(plane) {
  plane.figure = make("figure", byId("planes"));
  plane.canvas = make("canvas", plane.figure, { tabIndex: 0, ariaLabel: `${plane.name} plane` });
  plane.slice = document.createElement("canvas");
  const caption = make("figcaption", plane.figure);
  plane.label = make("output", caption);
  const last = scene.shape[plane.axis] - 1;
  plane.slider = make("input", caption, { type: "range", min: 0, max: last, ariaLabel: `${plane.name} slice` });
  plane.slider.oninput = () => moveSlice(plane, plane.slider.value - state.at[plane.axis]);
  for (const kind of ["pointerdown", "pointermove", "pointerup", "pointercancel"]) {
    plane.canvas.addEventListener(kind, (event) => onPointer(plane, event));
  }
  plane.canvas.addEventListener("focus", () => { active = plane; redraw(); });
  plane.canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    moveSlice(plane, event.deltaY < 0 ? 1 : -1);
  }, { passive: false });
}

function addLayer(layer) {
  const line = make("div", byId("layers"), { className: "layer" }), label = make("label", line);
  const box = make("input", label, { type: "checkbox", checked: layer.shown });
  const name = make("span", label), swatch = make("span", name, { className: "swatch" });
  const shades = layer.note ? [0, 64, 128, 192, 255] : [1, 2]; // of a map, or of labels
  swatch.style.background = layer.outline || `linear-gradient(90deg, ${shades.map((i) => layer.colours[i])})`;
  name.append(layer.name);
  make("small", name, { textContent: layer.note || "" });
  const opacity = make("input", line, { type: "range", min: 0, max: 100, value: 100 * layer.opacity });
  opacity.ariaLabel = `opacity of ${layer.name}`;
  box.onchange = () => { layer.shown = box.checked; state.overlay = true; redraw(); };
  opacity.oninput = () => { layer.opacity = opacity.value / 100; redraw(); };
}

function addControls() {
  for (const preset of scene.presets) {
    preset.button = make("button", byId("presets"), { textContent: preset.name });
    preset.button.title = `level ${preset.level}, width ${preset.width}`;
    preset.button.onclick = () => setWindow(preset);
  }
  for (const name of ["level", "width"]) {
    byId(name).oninput = () => {
      const value = Number(byId(name).value);
      if (name === "level" || value > 0) setWindow({ ...state.window, [name]: value });
    };
  }
  const two = scene.scans.length === 2;
  document.querySelectorAll(".two").forEach((part) => { part.hidden = !two; });
  if (two) [byId("before").textContent, byId("after").textContent] = scene.scans.map((scan) => scan.name);
  byId("split").oninput = () => setSplit(byId("split").value / 100);
  scene.overlays.forEach(addLayer);
  if (!scene.overlays.length) byId("layers").remove();
  byId("controls").hidden = false;
}

async function start() {
  for (const scan of scene.scans) scan.voxels = await unpack(scan, Int16Array);
  for (const layer of scene.overlays) {
    if ("data" in layer) layer.voxels = await unpack(layer, Uint8Array);
    if (layer.colours) layer.table = colourTable(layer.colours);
  }
  byId("scene").remove();
  byId("message").remove();
  PLANES.forEach(addPlane);
  addControls();
  window.addEventListener("keydown", onKey);
  new ResizeObserver(redraw).observe(byId("planes"));
  redraw();
}

start().catch((error) => {
  byId("planes").textContent = `This browser cannot show the page (${error.message}): use a current one.`;
});
