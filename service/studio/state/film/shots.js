// The shots of a film as values: their fields in a request, their errors, and their lengths.

import { framesOf, secondsOf } from "../models.js";

export const MAX_SHOTS = 64, IMAGES = ["image", "last_image"];
const MIN_FRAMES = 8;
const TEXTS = { prompt: "", negative_prompt: "", seed: "", overlap: "" };
const FIELD_OF = { num_frames: "length", seconds: "length" };

export const newShot = (key, length = "") => ({ key, length, ...TEXTS });
/** The shots of a draft; an empty draft has one. */
export const shotsOf = ({ shots }) => (shots?.length ? shots : [newShot(1)]);
/** Whether the shots are those of an empty draft. */
export const isEmptyFilm = ({ shots }) => !shots.length || JSON.stringify(shots) === JSON.stringify([newShot(1)]);

/** The name of a field of a shot in the page: of its control, its file and its error. */
export const shotField = (key, name) => `shot-${key}-${name}`;

/** The field of the page for a parameter such as `shots[3].num_frames`, the shot and its number; null for others. */
export function shotOf(param, values) {
  const [, place, name] = param?.match(/^shots\[(\d+)\]\.?(\w+)?/) ?? [], shot = shotsOf(values)[place];
  if (!shot) return null;
  const field = FIELD_OF[name] ?? name, isKnown = field in shot || IMAGES.includes(field);
  return { shot, n: Number(place) + 1, name: isKnown ? field : "prompt", field: shotField(shot.key, isKnown ? field : "prompt") };
}

/** The frames of a shot; null while its length cannot be read. */
export function framesOfShot({ length }, unit, limits) {
  if (!length.trim()) return Math.max(MIN_FRAMES, Math.round(limits.default_num_frames / MIN_FRAMES) * MIN_FRAMES);
  const frames = framesOf(length, unit, limits);
  return frames && Math.max(MIN_FRAMES, frames);
}

/** The length of all shots in another unit. */
export function inUnit(values, unit, limits) {
  const text = (frames) => String(unit === "seconds" ? secondsOf(frames, limits) : frames);
  return shotsOf(values).map((shot) => ({ ...shot, length: shot.length.trim() && text(framesOfShot(shot, values.unit, limits) ?? MIN_FRAMES) }));
}

/** The fields of a request. With images they have names as in a form: `shots[0][image]`. */
export function shotFields(values, files, limits, number) {
  const shots = shotsOf(values).map((shot) => {
    const { key, length, overlap, prompt, ...texts } = shot, images = IMAGES.map((name) => [name, files[shotField(key, name)]]);
    const typed = Object.entries(texts).filter(([, text]) => text.trim()).map(([name, text]) => [name, name === "seed" ? number(text) : text.trim()]);
    const lasts = length.trim() ? [values.unit, values.unit === "num_frames" ? number(length) : length.trim()] : ["num_frames", limits ? framesOfShot(shot, values.unit, limits) : MIN_FRAMES];
    return [["prompt", prompt], lasts, ...typed, ...(overlap === "" ? [] : [["overlap", Number(overlap)]]), ...images.filter(([, file]) => file)];
  });
  if (!shots.some((fields) => fields.some(([name]) => IMAGES.includes(name)))) return { shots: shots.map((fields) => Object.fromEntries(fields)) };
  return Object.fromEntries(shots.flatMap((fields, n) => fields.map(([name, value]) => [`shots[${n}][${name}]`, value])));
}

/** The shots of a film for the form: those of its manifest, or of its record if the prompts can be told apart. */
export function storedShots(record, manifest) {
  const prompts = record.prompt.split("\n"), isClear = prompts.length === record.shots.length;
  return record.shots.map(({ index, num_frames: frames }) => {
    const { prompt, negative_prompt: negative, overlap, seed } = manifest?.settings?.shots?.[index] ?? {};
    const isOwn = seed !== undefined && seed !== record.seed + index;
    return {
      ...newShot(index + 1, String(frames)), prompt: prompt ?? (isClear ? prompts[index] : ""), seed: isOwn ? String(seed) : "",
      negative_prompt: negative && negative !== record.negative_prompt ? negative : "", overlap: index && overlap !== undefined ? String(overlap) : "",
    };
  });
}
