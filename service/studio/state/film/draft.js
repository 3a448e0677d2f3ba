// The shots of a film in the form. A shot has a key of its own: errors and images stay with it when it moves.

import { form, edit } from "../form.js";
import { IMAGES, newShot, shotField, shotsOf } from "./shots.js";

const shots = () => shotsOf(form.get().values);
const placeOf = (key) => shots().findIndex((shot) => shot.key === key);
const nextKey = () => Math.max(...shots().map(({ key }) => key)) + 1;

/** Changes the shots, and drops the images of those that are gone and the errors of `changed` fields. */
function replace(next, files = form.get().files, changed = []) {
  const keys = new Set(next.map(({ key }) => String(key)));
  const kept = Object.entries(files).filter(([name]) => !name.startsWith("shot-") || keys.has(name.split("-")[1]));
  edit({ shots: next }, { files: Object.fromEntries(kept), changed });
}

/** Changes the values of one shot. */
export function editShot(key, patch) {
  const changed = Object.keys(patch).map((name) => shotField(key, name));
  replace(shots().map((shot) => (shot.key === key ? { ...shot, ...patch } : shot)), undefined, changed);
}

/** Adds an empty shot at the end and returns its key. */
export function addShot() {
  const key = nextKey();
  replace([...shots(), newShot(key, shots().at(-1).length)]);
  return key;
}

/** Adds a copy behind a shot, with its images, and returns the key of the copy. */
export function duplicateShot(key) {
  const all = shots(), place = placeOf(key), copy = { ...all[place], key: nextKey() }, { files } = form.get();
  const images = Object.fromEntries(IMAGES.map((name) => [shotField(copy.key, name), files[shotField(key, name)] ?? null]));
  replace(all.toSpliced(place + 1, 0, copy), { ...files, ...images });
  return copy.key;
}

/** Removes a shot and returns the key of the one that takes its place. */
export function removeShot(key) {
  const place = placeOf(key), rest = shots().filter((shot) => shot.key !== key);
  replace(rest);
  return rest[Math.min(place, rest.length - 1)].key;
}

/** Moves a shot to a place. Returns false if there is no such place. */
export function moveShot(key, place) {
  const all = shots(), from = placeOf(key);
  if (place < 0 || place >= all.length || place === from) return false;
  replace(all.toSpliced(from, 1).toSpliced(place, 0, all[from]));
  return true;
}

export { placeOf };
