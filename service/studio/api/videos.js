// The videos of the caller: records, files and events.

import { call, parse, pause, read, send } from "./client.js";

const POLL_MS = 2000, MIN_GAP_MS = 300, RECONNECT_MS = 1000;
export const ENDS = ["completed", "failed", "cancelled", "expired", "draft"];
export const isOver = ({ state }) => ENDS.includes(state);
export const isDraft = ({ draft }) => Boolean(draft);
export const isImage = ({ num_frames: frames }) => frames === 1;

export const videoPath = (id, rest = "") => `v1/videos/${encodeURIComponent(id)}${rest}`;
export const readVideo = (id, options) => read(videoPath(id), options);
export const cancelVideo = (id) => read(videoPath(id, "/cancel"), { method: "POST" });

/** Finishes a draft as a new video, whose record is returned. */
export const promoteVideo = (id) => send({ path: videoPath(id, "/promote"), fields: {} });

/** Deletes a video; one that is gone is no error. `keepalive`: the request outlives the page. */
export async function deleteVideo(id, keepalive) {
  try {
    await call(videoPath(id), { method: "DELETE", keepalive });
  } catch (error) {
    if (error.status !== 404) throw error;
  }
}

export const listVideos = (limit, after) => read(`v1/videos?limit=${limit}${after ? `&after=${encodeURIComponent(after)}` : ""}`);

/** The playlist of the finished windows, below the address of the page. Its ticket stands in for the key. */
export const playlistPath = ({ id, playlist_url: url }) => videoPath(id, `/playlist.m3u8${new URL(url).search}`);

/** How many seconds of a running video are finished. */
export async function finishedSeconds(record) {
  const text = await (await call(playlistPath(record))).text();
  return [...text.matchAll(/#EXTINF:([\d.]+)/g)].reduce((sum, [, seconds]) => sum + Number(seconds), 0);
}

/** How many tokens a prompt has, and how many the model reads: { tokens, limit }, null where it is not known. */
export const countTokens = (model, prompt) =>
  read(`v1/models/${encodeURIComponent(model)}/count_tokens`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ prompt }) });

/** A file of a video as a Blob. */
export const readFile = async (id, variant = "video") => (await call(videoPath(id, `/content?variant=${variant}`))).blob();
export const fileUrl = async (id, variant) => URL.createObjectURL(await readFile(id, variant));

const thumbnails = new Map(); // id -> promise of a blob URL

/** The URL of the thumbnail, which is read once. */
export function thumbnail(id) {
  if (!thumbnails.has(id)) thumbnails.set(id, fileUrl(id, "thumbnail"));
  thumbnails.get(id).catch(() => thumbnails.delete(id));
  return thumbnails.get(id);
}

/** The server-sent events after `place.last`. EventSource cannot send a key. */
async function* events(id, place, signal) {
  const headers = place.last ? { "Last-Event-ID": place.last } : {};
  const { body } = await call(videoPath(id, "/events"), { headers, signal });
  const reader = body?.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = "", part; reader && !(part = await reader.read()).done; ) {
    const blocks = (text + part.value).split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      const lines = Object.fromEntries(block.split("\n").map((line) => line.split(/: (.*)/s, 2)));
      place.last = lines.id ?? place.last;
      if (lines.event) yield { name: lines.event, data: parse(lines.data) };
    }
  }
}

/**
 * Follows a video by events, and by polling: the queue has no events, and connections break.
 * `on` has `record(record)`, `progress(fields)`, `preview()`, `gone(isDeleted)` and `error(error)`.
 */
export async function follow(id, on, signal) {
  const place = { last: null };
  let readAt = 0;
  const poll = async () => {
    readAt = Date.now();
    try {
      const record = await readVideo(id, { signal });
      if (!signal.aborted) on.record(record);
    } catch (error) {
      if (!signal.aborted) error.status === 404 ? on.gone(false) : on.error(error);
    }
  };
  const timer = setInterval(poll, POLL_MS);
  signal.addEventListener("abort", () => clearInterval(timer));
  await poll();
  for (; !signal.aborted; await pause(RECONNECT_MS)) {
    try {
      for await (const { name, data } of events(id, place, signal)) {
        if (signal.aborted) return;
        if (name === "done") data.deleted ? on.gone(true) : on.record(data);
        else if (name === "preview") on.preview();
        else if (name === "progress") on.progress(data);
        if (name !== "done" && name !== "preview" && Date.now() - readAt > MIN_GAP_MS) poll();
      }
    } catch { /* the timer polls */ }
  }
}

/** Follows several videos by polling: browsers open few connections to one host. */
export async function followAll(ids, on, signal) {
  let open = [...ids];
  const leave = (id) => (open = open.filter((other) => other !== id));
  const poll = async (id) => {
    try {
      const record = await readVideo(id, { signal });
      if (signal.aborted) return;
      on.record(record);
      if (isOver(record)) leave(id);
    } catch (error) {
      if (signal.aborted) return;
      if (error.status !== 404) return on.error(error);
      leave(id);
      on.gone(id);
    }
  };
  for (; open.length && !signal.aborted; await pause(POLL_MS)) await Promise.all(open.map(poll));
}
