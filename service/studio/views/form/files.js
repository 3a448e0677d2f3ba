// Files from choosing, dropping and pasting.

import { shotField, shotsOf } from "../../state/film/shots.js";
import { attach, form, setMode } from "../../state/form.js";
import { t } from "../../text/text.js";

/** Puts files where they belong: `wanted`, or the first free field of their kind. */
export function receiveFiles(list, wanted) {
  const files = [...list], video = files.find(({ type }) => type.startsWith("video/"));
  if (wanted && files[0]) return attach(wanted, files[0]);
  if (video) {
    if (form.get().mode !== "edit") setMode("edit");
    return attach("video", video);
  }
  const images = files.filter(({ type }) => type.startsWith("image/"));
  if (!images.length) return void (files.length && form.set({ trouble: t("unknown_file") }));
  if (form.get().mode === "film") return void attach(shotField(focusedShot(), "image"), images[0]);
  if (form.get().mode !== "new") setMode("new");
  const [first, second] = images;
  const goesLast = !second && form.get().files.image && !form.get().files.last_image;
  attach(goesLast ? "last_image" : "image", first);
  if (second) attach("last_image", second);
}

/** The key of the shot with the focus, else of the last shot. */
function focusedShot() {
  const shots = shotsOf(form.get().values), key = Number(document.activeElement?.closest("[data-shot]")?.dataset.shot);
  return (shots.find((shot) => shot.key === key) ?? shots.at(-1)).key;
}

const urls = new WeakMap();

/** The blob URL of a file; the same one each time. */
export function urlOf(file) {
  if (!urls.has(file)) urls.set(file, URL.createObjectURL(file));
  return urls.get(file);
}

const sizes = new WeakMap(); // file -> [width, height]
export const keepSize = (file, width, height) => sizes.set(file, [width, height]);

/** The width and height of an image; undefined until it was shown. */
export const sizeOf = (file) => sizes.get(file);
