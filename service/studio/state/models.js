// The models and the arithmetic of their limits.

import { read } from "../api/client.js";
import { createStore } from "./store.js";

const SHAPES = { "1:1": 1, "16:9": 16 / 9, "9:16": 9 / 16, "4:3": 4 / 3, "3:4": 3 / 4 };
const SLICE = 8, OVERLAP = 4, SIDE_STEP = 16, SLIDER_WINDOWS = 8;

/** `isOperator`: the key may pause queues and drain workers. */
export const models = createStore({ list: [], isLoaded: false, isOperator: false });

export async function loadModels() {
  models.set({ list: (await read("v1/models")).data, isLoaded: true });
}

/** Asks once whether the key is one of an operator. */
export async function findRole() {
  models.set({ isOperator: await read("v1/admin/workers").then(() => true, () => false) });
}

/** The models of a mode of the form. A card of another release may have no modes. */
export const modelsOf = (mode) => models.get().list.filter(({ card }) => mode !== "film" || card.modes?.includes("film"));

/** The model of a name, or the first one. */
export function modelOf(name, mode) {
  const list = modelsOf(mode);
  return list.find(({ id }) => id === name) ?? list[0] ?? null;
}

const round = (number) => Number(number.toPrecision(3));

/** The limits of a model in the units of the page; null without a model. */
export function limitsOf(model) {
  if (!model) return null;
  const { card } = model, window = Math.floor(card.max_frames / SLICE) * SLICE;
  const longest = window ? Math.max(card.max_frames, card.max_total_frames) : card.max_frames;
  return {
    ...card, window, longest,
    longestSeconds: round(longest / card.fps),
    stride: window - OVERLAP,
    sliderFrames: Math.min(longest, window + (SLIDER_WINDOWS - 1) * (window - OVERLAP)),
    base: card.base_size ?? Math.floor(Math.sqrt(card.default_width * card.default_height)),
  };
}

/** The sizes of common shapes with about as many pixels as the default size: [{ shape, size, width, height }]. */
export function sizesOf({ default_width: width, default_height: height, min_side: least, max_side: most, max_pixels: pixels }) {
  const side = (number) => Math.round(number / SIDE_STEP) * SIDE_STEP, area = width * height;
  const made = Object.entries(SHAPES).map(([shape, ratio]) => [shape, side(Math.sqrt(area * ratio)), side(Math.sqrt(area / ratio))]);
  const fits = ([, w, h]) => Math.min(w, h) >= least && Math.max(w, h) <= most && w * h <= pixels;
  const sizes = made.filter(fits).map(([shape, w, h]) => ({ shape, size: `${w}x${h}`, width: w, height: h }));
  return sizes.filter((one, place) => sizes.findIndex(({ size }) => size === one.size) === place);
}

// Height / width of the shapes that V3 was trained with, as (height, width) at the base size 512.
const BUCKETS = [
  [256, 1024, 0.25], [256, 992, 0.26], [256, 960, 0.27], [256, 928, 0.28], [288, 896, 0.32], [288, 864, 0.33], [288, 832, 0.35],
  [320, 800, 0.4], [320, 768, 0.42], [352, 736, 0.48], [352, 704, 0.5], [352, 672, 0.52], [384, 672, 0.57], [384, 640, 0.6],
  [416, 608, 0.68], [416, 576, 0.72], [448, 576, 0.78], [448, 544, 0.82], [480, 544, 0.88], [480, 512, 0.94], [512, 512, 1],
  [512, 480, 1.07], [544, 480, 1.13], [544, 448, 1.21], [576, 448, 1.29], [576, 416, 1.38], [608, 416, 1.46], [640, 384, 1.67],
  [672, 384, 1.75], [704, 352, 2], [736, 352, 2.09], [768, 320, 2.4], [800, 320, 2.5], [832, 288, 2.89], [864, 288, 3],
  [896, 288, 3.11], [928, 256, 3.62], [960, 256, 3.75], [992, 256, 3.88], [1024, 256, 4],
];

/** The size that "Resize to the Start Image" gives an image of `width` x `height`, as the service computes it. */
export function resizedTo(width, height, base) {
  const distance = ([, , ratio]) => Math.abs(ratio - height / width);
  const [tall, wide] = BUCKETS.reduce((best, one) => (distance(one) < distance(best) ? one : best));
  const side = (length) => Math.floor((length * base) / 512 / SIDE_STEP) * SIDE_STEP;
  return `${side(wide)}x${side(tall)}`;
}

/** How many windows a video of so many frames has. */
export function windowsOf(frames, { window, stride }) {
  return frames <= window || stride < 1 ? 1 : 1 + Math.ceil((frames - window) / stride);
}

/** The frames at which windows end, up to the end of the slider. */
export function windowMarks({ window, stride, sliderFrames }) {
  const marks = [];
  for (let end = window; end && end <= sliderFrames; end += stride) marks.push(end);
  return marks;
}

/** Frames as the service counts them: 1, or a multiple of 8. `typed` is in `unit` "seconds" or "num_frames". */
export function framesOf(typed, unit, { fps, longest }) {
  const frames = Number(typed) * (unit === "seconds" ? fps : 1);
  if (!(frames > 0)) return null;
  return frames < SLICE / 2 ? 1 : Math.min(longest, Math.max(SLICE, Math.round(frames / SLICE) * SLICE));
}

export const secondsOf = (frames, { fps }) => round(frames / fps);

// ---- What a model knows, from its card. A card of another release may say nothing.

/** Example requests: [{ prompt, ... }]. */
export function examplesOf(model) {
  const examples = model?.examples ?? model?.card.examples ?? [];
  return examples.map((one) => (typeof one === "string" ? { prompt: one } : one)).filter(({ prompt }) => prompt);
}

/** The known words by kind: [[kind, [word]]]; empty if the card has no list. */
export function wordsOf(model) {
  const words = model?.words ?? model?.card.words ?? {};
  const kinds = Array.isArray(words) ? [["", words]] : Object.entries(words);
  return kinds.filter(([, list]) => Array.isArray(list) && list.length);
}

/** The words of a prompt that are not in the lists of the model. */
export function unknownWords(prompt, model) {
  const known = new Set(wordsOf(model).flatMap(([, list]) => list).flatMap((entry) => entry.toLowerCase().match(/[a-z]+/g) ?? []));
  if (!known.size) return [];
  return [...new Set(prompt.toLowerCase().match(/[a-z]+/g) ?? [])].filter((word) => !known.has(word));
}

/** Whether a prompt has letters that a model of English text does not read. */
export const isForeign = (prompt) => /[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0400-\u04ff\u0600-\u06ff]/.test(prompt);
