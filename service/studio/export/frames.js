// The frames of a finished video as pixels, one after the other, and its XMP.

import { readFile } from "../api/videos.js";
import { xmpOf } from "./xmp.js";

/** Calls `use(canvas, index)` for every `step`th frame of a record, scaled so that no side is longer than `longest`. Returns the XMP of its file, or null. */
export async function eachFrame({ id, num_frames: total, fps, width, height }, { step = 1, longest = Infinity }, use) {
  const scale = Math.min(1, longest / Math.max(width, height)), size = { width: Math.round(width * scale), height: Math.round(height * scale) };
  const canvas = Object.assign(document.createElement("canvas"), size), pen = canvas.getContext("2d", { willReadFrequently: true });
  const file = await readFile(id), url = URL.createObjectURL(file); // of the API: the link may lead to another origin, whose pixels cannot be read
  try {
    const video = await opened(url);
    for (let index = 0; index < total; index += step) {
      await seek(video, (index + 0.5) / fps);
      pen.drawImage(video, 0, 0, size.width, size.height);
      await use(canvas, index);
    }
    return xmpOf(new Uint8Array(await file.arrayBuffer()));
  } finally {
    URL.revokeObjectURL(url);
  }
}

async function opened(url) {
  const video = Object.assign(document.createElement("video"), { muted: true, playsInline: true, preload: "auto" });
  await happens(video, "loadeddata", () => (video.src = url));
  return video;
}

const seek = (video, time) => happens(video, "seeked", () => (video.currentTime = time));

/** Waits for an event that `begin` brings about; an error of the media is thrown. */
const happens = (media, name, begin) => new Promise((done, fail) => {
  media.addEventListener(name, done, { once: true });
  media.addEventListener("error", () => fail(media.error), { once: true });
  begin();
});
