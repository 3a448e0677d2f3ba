// A video as an animated GIF.

import { applyPalette, GIFEncoder, quantize } from "../vendor/gifenc.js";
import { eachFrame } from "./frames.js";

const LONGEST_SIDE = 480, MOST_FPS = 15, COLOURS = 256;
const HEADER_BYTES = 13, TABLE_FLAG = 0x80, TABLE_SIZE = 7, FLAGS = 10; // of the header, and of its byte of flags
const XMP_BLOCK = [0x21, 0xff, 11, ...new TextEncoder().encode("XMP DataXMP")]; // XMP, part 3: application extension

/** The GIF of a record as a Blob. `tell(share)` hears how much is done. Fast videos get fewer frames, large ones fewer pixels. */
export async function makeGif(record, tell) {
  const { fps, num_frames: total } = record, step = Math.ceil(fps / MOST_FPS), gif = GIFEncoder();
  const xmp = await eachFrame(record, { step, longest: LONGEST_SIDE }, (canvas, index) => {
    const { data, width, height } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const palette = quantize(data, COLOURS), next = Math.min(index + step, total);
    gif.writeFrame(applyPalette(data, palette), width, height, { palette, delay: centiseconds(next / fps) - centiseconds(index / fps) });
    tell(next / total);
    return new Promise((done) => setTimeout(done)); // the page stays responsive
  });
  gif.finish();
  return new Blob(withXmp(gif.bytes(), xmp), { type: "image/gif" });
}

/** The file with XMP before its first frame. After the packet come bytes that lead readers of blocks to the end of the extension, wherever they stand. */
function withXmp(gif, xmp) {
  if (!xmp) return [gif];
  const flags = gif[FLAGS], place = HEADER_BYTES + (flags & TABLE_FLAG ? 3 * 2 ** ((flags & TABLE_SIZE) + 1) : 0);
  const end = Uint8Array.from({ length: 258 }, (_, n) => (n === 0 ? 1 : Math.max(0, 256 - n)));
  return [gif.subarray(0, place), Uint8Array.from(XMP_BLOCK), xmp, end, gif.subarray(place)];
}

/** A time in milliseconds, on the grid of a GIF: the whole lasts as long as the video. */
const centiseconds = (seconds) => Math.round(seconds * 100) * 10;
