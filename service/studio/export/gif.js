// A video as an animated GIF.

import { applyPalette, GIFEncoder, quantize } from "../vendor/gifenc.js";
import { eachFrame } from "./frames.js";

const LONGEST_SIDE = 480, MOST_FPS = 15, COLOURS = 256;

/** The GIF of a record as a Blob. `tell(share)` hears how much is done. Fast videos get fewer frames, large ones fewer pixels. */
export async function makeGif(record, tell) {
  const { fps, num_frames: total } = record, step = Math.ceil(fps / MOST_FPS), gif = GIFEncoder();
  await eachFrame(record, { step, longest: LONGEST_SIDE }, (canvas, index) => {
    const { data, width, height } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const palette = quantize(data, COLOURS), next = Math.min(index + step, total);
    gif.writeFrame(applyPalette(data, palette), width, height, { palette, delay: centiseconds(next / fps) - centiseconds(index / fps) });
    tell(next / total);
    return new Promise((done) => setTimeout(done)); // the page stays responsive
  });
  gif.finish();
  return new Blob([gif.bytes()], { type: "image/gif" });
}

/** A time in milliseconds, on the grid of a GIF: the whole lasts as long as the video. */
const centiseconds = (seconds) => Math.round(seconds * 100) * 10;
