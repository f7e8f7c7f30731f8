"use strict";
// Voxels lie x fastest, axes towards right, anterior, superior. Every image shows both of its axes reversed:
// anterior or superior up; the patient's right, or anterior, on the left.
const PLANES = [
  { name: "axial", axis: 2, down: 1, across: 0, letters: ["A", "R", "L", "P"] },
  { name: "coronal", axis: 1, down: 2, across: 0, letters: ["S", "R", "L", "I"] },
  { name: "sagittal", axis: 0, down: 2, across: 1, letters: ["S", "A", "P", "I"] },
];
const MUTED = "#98a0aa", ACCENT = "#ffb454";
const scene = JSON.parse(document.getElementById("scene").textContent);
const strides = [1, scene.shape[0], scene.shape[0] * scene.shape[1]];
const state = { at: scene.start, split: scene.scans.length === 2 ? 0.5 : 0, window: scene.presets[0], overlay: true };
const limited = (value, low, high) => Math.min(high, Math.max(low, value));

/** Where the planes cross along an axis, in voxels of the scan. */
const voxelAt = (axis) => scene.origin[axis] + state.at[axis] * scene.steps[axis];

/** Index into the colours of an overlay at a voxel. */
function levelAt(layer, voxel) {
  if (layer.voxels) return layer.voxels[voxel];
  const change = scene.scans[1].voxels[voxel] - scene.scans[0].voxels[voxel];
  return Math.round(limited(127.5 * (1 + change / layer.limit), 0, 255));
}

const shownLayers = () => (state.overlay ? scene.overlays.filter((layer) => layer.shown) : []);

/** Paint one slice, a pixel per voxel. */
function paintSlice(plane) {
  const width = scene.shape[plane.across], height = scene.shape[plane.down];
  const image = new ImageData(width, height), pixels = image.data;
  const [first, last] = [scene.scans[0].voxels, scene.scans[scene.scans.length - 1].voxels];
  const lower = state.window.level - state.window.width / 2, gain = 255 / state.window.width;
  const layers = shownLayers().filter((layer) => !layer.outline);
  const cut = Math.round(state.split * width);
  for (let row = 0, p = 0; row < height; row++) {
    const line = state.at[plane.axis] * strides[plane.axis] + (height - 1 - row) * strides[plane.down];
    for (let column = 0; column < width; column++, p += 4) {
      const voxel = line + (width - 1 - column) * strides[plane.across];
      const grey = limited(((column < cut ? first : last)[voxel] - lower) * gain, 0, 255);
      pixels[p] = pixels[p + 1] = pixels[p + 2] = grey;
      pixels[p + 3] = 255;
      for (const layer of layers) {
        const entry = 4 * levelAt(layer, voxel), share = (layer.table[entry + 3] / 255) * layer.opacity;
        for (let c = 0; c < 3; c++) pixels[p + c] += (layer.table[entry + c] - pixels[p + c]) * share;
      }
    }
  }
  plane.slice.width = width;
  plane.slice.height = height;
  plane.slice.getContext("2d").putImageData(image, 0, 0);
}

/** Stroke the edges between the voxels of a mask and the others. */
function strokeOutline(context, plane, layer, { x, y, w, h }) {
  const width = scene.shape[plane.across], height = scene.shape[plane.down];
  const first = state.at[plane.axis] * strides[plane.axis];
  const inside = (column, row) => column >= 0 && row >= 0 && column < width && row < height &&
    layer.voxels[first + (width - 1 - column) * strides[plane.across] + (height - 1 - row) * strides[plane.down]] > 0;
  context.save();
  context.globalAlpha = layer.opacity;
  context.strokeStyle = layer.outline;
  context.lineWidth = 1.5;
  context.beginPath();
  for (let row = 0; row <= height; row++) {
    for (let column = 0; column <= width; column++) {
      const here = inside(column, row), left = x + (column * w) / width, top = y + (row * h) / height;
      if (here !== inside(column - 1, row)) { context.moveTo(left, top); context.lineTo(left, top + h / height); }
      if (here !== inside(column, row - 1)) { context.moveTo(left, top); context.lineTo(left + w / width, top); }
    }
  }
  context.stroke();
  context.restore();
}

/** Where the slice lies on the canvas, in CSS pixels, in the patient's proportions. */
function placed(plane) {
  const room = plane.canvas.getBoundingClientRect();
  const width = scene.shape[plane.across] * scene.spacing[plane.across];
  const height = scene.shape[plane.down] * scene.spacing[plane.down];
  const scale = Math.min(room.width / width, room.height / height);
  const w = width * scale, h = height * scale;
  return { x: (room.width - w) / 2, y: (room.height - h) / 2, w, h, room };
}

function draw(plane) {
  const place = placed(plane), { x, y, w, h, room } = place, ratio = window.devicePixelRatio || 1;
  plane.canvas.width = room.width * ratio;
  plane.canvas.height = room.height * ratio;
  const context = plane.canvas.getContext("2d");
  context.scale(ratio, ratio);
  context.imageSmoothingQuality = "high";
  paintSlice(plane);
  context.drawImage(plane.slice, x, y, w, h);
  shownLayers().filter((layer) => layer.outline).forEach((layer) => strokeOutline(context, plane, layer, place));
  const share = (axis) => 1 - (state.at[axis] + 0.5) / scene.shape[axis];
  drawCross(context, x + share(plane.across) * w, y + share(plane.down) * h, x, y, w, h);
  if (scene.scans.length === 2) drawCurtain(context, x + state.split * w, x, y, w, h);
  drawLetters(context, plane.letters, room);
  plane.slider.value = state.at[plane.axis];
  plane.label.textContent = `${plane.name} ${voxelAt(plane.axis)}`;
}

/** A cross that leaves its middle free. */
function drawCross(context, cx, cy, x, y, w, h) {
  context.strokeStyle = "#7fd4ff66";
  context.beginPath();
  for (const [from, to] of [[x, cx - 10], [cx + 10, x + w]]) { context.moveTo(from, cy); context.lineTo(to, cy); }
  for (const [from, to] of [[y, cy - 10], [cy + 10, y + h]]) { context.moveTo(cx, from); context.lineTo(cx, to); }
  context.stroke();
}

function drawCurtain(context, at, x, y, w, h) {
  context.strokeStyle = context.fillStyle = ACCENT;
  context.beginPath();
  context.moveTo(at, y);
  context.lineTo(at, y + h);
  context.stroke();
  context.font = "600 12px system-ui, sans-serif";
  context.textBaseline = "bottom";
  const [before, after] = scene.scans.map((scan) => scan.name);
  if (context.measureText(before).width + 10 < at - x) text(context, before, at - 6, y + h - 6, "right");
  if (context.measureText(after).width + 10 < x + w - at) text(context, after, at + 6, y + h - 6, "left");
}

function text(context, words, x, y, align) {
  context.textAlign = align;
  context.lineWidth = 3;
  context.save();
  context.strokeStyle = "#000";
  context.strokeText(words, x, y);
  context.restore();
  context.fillText(words, x, y);
  context.lineWidth = 1;
}

function drawLetters(context, [top, left, right, bottom], room) {
  context.fillStyle = MUTED;
  context.font = "600 13px system-ui, sans-serif";
  context.textBaseline = "middle";
  text(context, top, room.width / 2, 12, "center");
  text(context, bottom, room.width / 2, room.height - 12, "center");
  text(context, left, 8, room.height / 2, "left");
  text(context, right, room.width - 8, room.height / 2, "right");
}
