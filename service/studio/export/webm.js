// A video as WebM: the frames are encoded by the browser and written in EBML (RFC 8794, RFC 9559).

import { eachFrame } from "./frames.js";

const CODECS = [["V_VP9", "vp09.00.41.08"], ["V_VP8", "vp8"]];
const KEY_EVERY_S = 2, BITS_PER_PIXEL = 0.2, LEAST_BITRATE = 600_000, MS = 1000, APP = "EasyAnimate Studio";
const MATRICES = { bt709: 1, bt470bg: 5, smpte170m: 6 }, LIMITED = 1, FULL = 2; // numbers of ISO/IEC 23091-2 and of Matroska
const IDS = {
  EBML: 0x1a45dfa3, EBMLVersion: 0x4286, EBMLReadVersion: 0x42f7, EBMLMaxIDLength: 0x42f2, EBMLMaxSizeLength: 0x42f3, DocType: 0x4282, DocTypeVersion: 0x4287, DocTypeReadVersion: 0x4285,
  Segment: 0x18538067, Info: 0x1549a966, TimestampScale: 0x2ad7b1, Duration: 0x4489, MuxingApp: 0x4d80, WritingApp: 0x5741,
  Tracks: 0x1654ae6b, TrackEntry: 0xae, TrackNumber: 0xd7, TrackUID: 0x73c5, TrackType: 0x83, FlagLacing: 0x9c, CodecID: 0x86, DefaultDuration: 0x23e383, Video: 0xe0, PixelWidth: 0xb0, PixelHeight: 0xba,
  Colour: 0x55b0, MatrixCoefficients: 0x55b1, Range: 0x55b9, Tags: 0x1254c367, Tag: 0x7373, Targets: 0x63c0, SimpleTag: 0x67c8, TagName: 0x45a3, TagString: 0x4487,
  Cues: 0x1c53bb6b, CuePoint: 0xbb, CueTime: 0xb3, CueTrackPositions: 0xb7, CueTrack: 0xf7, CueClusterPosition: 0xf1, Cluster: 0x1f43b675, Timestamp: 0xe7, SimpleBlock: 0xa3,
};

/** Whether the browser encodes videos. It does so on pages over HTTPS or of this machine only. */
export const canMakeWebm = () => "VideoEncoder" in globalThis;

/** The WebM of a record as a Blob. `tell(share)` hears how much is done. */
export async function makeWebm(record, tell) {
  const { fps, num_frames: total } = record, [codec, config] = await configOf(record), blocks = [];
  let failure = null, colours = null;
  const encoder = new VideoEncoder({
    output: (chunk, about) => {
      colours ??= about?.decoderConfig?.colorSpace ?? null;
      blocks.push({ time: Math.round(chunk.timestamp / MS), isKey: chunk.type === "key", data: bytesOf(chunk) });
    },
    error: (error) => (failure = error),
  });
  encoder.configure(config);
  const xmp = await eachFrame(record, {}, async (canvas, index) => {
    if (failure) throw failure;
    const frame = new VideoFrame(canvas, { timestamp: Math.round((index * MS * MS) / fps), duration: Math.round((MS * MS) / fps) });
    encoder.encode(frame, { keyFrame: index % (KEY_EVERY_S * fps) === 0 });
    frame.close();
    tell((index + 1) / total);
  });
  await encoder.flush();
  encoder.close();
  return new Blob(fileOf(record, codec, colours, blocks, xmp), { type: "video/webm" });
}

/** The first codec that the browser has, with the settings of its encoder. */
async function configOf({ width, height, fps }) {
  const bitrate = Math.max(LEAST_BITRATE, Math.round(width * height * fps * BITS_PER_PIXEL));
  for (const [name, codec] of CODECS) {
    const config = { codec, width, height, framerate: fps, bitrate };
    if ((await VideoEncoder.isConfigSupported(config)).supported) return [name, config];
  }
  throw new Error("the browser encodes neither VP9 nor VP8");
}

function bytesOf(chunk) {
  const data = new Uint8Array(chunk.byteLength);
  chunk.copyTo(data);
  return data;
}

// ---- The file

function fileOf({ width, height, fps, num_frames: total }, codec, colours, blocks, xmp) {
  const header = element("EBML", [
    element("DocType", "webm"), // first: programs search for it near the beginning
    element("EBMLVersion", 1), element("EBMLReadVersion", 1), element("EBMLMaxIDLength", 4), element("EBMLMaxSizeLength", 8), element("DocTypeVersion", 4), element("DocTypeReadVersion", 2),
  ]);
  const info = element("Info", [
    element("TimestampScale", MS * MS), element("Duration", float((total / fps) * MS)), element("MuxingApp", APP), element("WritingApp", APP),
  ]);
  const video = element("Video", [element("PixelWidth", width), element("PixelHeight", height), ...colour(colours)]);
  const tracks = element("Tracks", [element("TrackEntry", [
    element("TrackNumber", 1), element("TrackUID", 1), element("TrackType", 1), element("FlagLacing", 0),
    element("DefaultDuration", Math.round((MS * MS * MS) / fps)), element("CodecID", codec), video,
  ])]);
  const clusters = clustersOf(blocks), head = [info, tracks, ...tags(xmp)], start = lengthOf([...head, cuesOf(clusters, 0)]);
  return flat([header, element("Segment", [...head, cuesOf(clusters, start), ...clusters.map(({ content }) => content)])]);
}

/** The XMP as a tag of the whole file. Matroska has no place of its own for XMP. */
function tags(xmp) {
  if (!xmp) return [];
  const tag = element("SimpleTag", [element("TagName", "XMP"), element("TagString", [xmp])]);
  return [element("Tags", [element("Tag", [element("Targets", []), tag])])];
}

/** How the encoder made brightness and colours of red, green and blue, if it says so. */
function colour(colours) {
  const matrix = MATRICES[colours?.matrix];
  return matrix ? [element("Colour", [element("MatrixCoefficients", matrix), element("Range", colours.fullRange ? FULL : LIMITED)])] : [];
}

/** A cluster begins with each key frame: [{ time, content }]. */
function clustersOf(blocks) {
  const groups = [];
  for (const block of blocks) {
    if (block.isKey || !groups.length) groups.push([]);
    groups.at(-1).push(block);
  }
  return groups.map((group) => ({ time: group[0].time, content: element("Cluster", [element("Timestamp", group[0].time), ...group.map((block) => simpleBlock(block, group[0].time))]) }));
}

/** Track 1, the time since that of the cluster, and whether the block is a key frame. */
const simpleBlock = ({ time, isKey, data }, start) => element("SimpleBlock", [Uint8Array.of(0x81, ...uint(time - start, 2), isKey ? 0x80 : 0), data]);

/** Where the clusters are; the first one `start` bytes after the beginning of the segment's content. All numbers have one length, so the element has it too. */
function cuesOf(clusters, start) {
  let position = start;
  return element("Cues", clusters.map(({ time, content }) => {
    const place = element("CueTrackPositions", [element("CueTrack", 1), element("CueClusterPosition", position)]);
    position += lengthOf(content);
    return element("CuePoint", [element("CueTime", time), place]);
  }));
}

// ---- EBML: an element is its id, its length and its content; parts are nested lists of bytes.

function element(name, content) {
  const id = IDS[name], parts = typeof content === "number" ? uint(content, 4) : typeof content === "string" ? new TextEncoder().encode(content) : content;
  const size = uint(lengthOf(parts), 8);
  size[0] = 1; // the mark of a length of eight bytes
  return [uint(id, Math.ceil(Math.log2(id + 1) / 8)), size, parts];
}

const uint = (number, length) => Uint8Array.from({ length }, (_, place) => Math.floor(number / 256 ** (length - 1 - place)) % 256);
const float = (number) => {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, number);
  return new Uint8Array(view.buffer);
};
const lengthOf = (parts) => (parts instanceof Uint8Array ? parts.length : parts.reduce((sum, part) => sum + lengthOf(part), 0));
const flat = (parts) => (parts instanceof Uint8Array ? [parts] : parts.flatMap(flat));
