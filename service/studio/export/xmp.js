// The XMP of a video of the service, which says that a trained model made it. Exported files get it unchanged.

const XMP_BOX = [0xbe, 0x7a, 0xcf, 0xcb, 0x97, 0xa9, 0x42, 0xe8, 0x9c, 0x71, 0x99, 0x94, 0x91, 0xe3, 0xaf, 0xac]; // of XMP, part 3
const HEAD = 8, LONG_HEAD = 16, WORD = 2 ** 32;

/** The bytes of the packet in an MP4; null without one. */
export function xmpOf(mp4) {
  const view = new DataView(mp4.buffer, mp4.byteOffset, mp4.byteLength);
  for (let begin = 0; begin + HEAD <= mp4.length; ) {
    const isLong = view.getUint32(begin) === 1 && begin + LONG_HEAD <= mp4.length;
    const size = isLong ? view.getUint32(begin + 8) * WORD + view.getUint32(begin + 12) : view.getUint32(begin) || mp4.length - begin;
    const start = begin + (isLong ? LONG_HEAD : HEAD), kind = String.fromCharCode(...mp4.subarray(begin + 4, begin + 8));
    if (size < start - begin) return null;
    if (kind === "uuid" && XMP_BOX.every((byte, place) => mp4[start + place] === byte)) return mp4.slice(start + XMP_BOX.length, begin + size);
    begin += size;
  }
  return null;
}
