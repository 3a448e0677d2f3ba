// The stage: one video, or several side by side. The address of the page names them.

import { fileUrl, follow, followAll, isOver, readVideo } from "../api/videos.js";
import { t } from "../text/text.js";
import { messageOf } from "./errors.js";
import { refreshGallery } from "./gallery.js";
import { createStore } from "./store.js";

const MAX_PARTS = 50;
const NOTHING = { ids: [], records: {}, preview: null, message: "", detail: "", timeline: [], pending: null, isWatching: false, isWiping: false };

/** `records` by id. `pending` is a request on its way: { width, height, image }. `timeline` has all parts of a continued video, oldest first.
 * `isWatching`: the finished part of a running video is played. `isWiping`: two videos share one frame. */
export const stage = createStore(NOTHING);

let following = null;
const ended = new Set();

export const idsOf = (hash) => hash.replace(/^#/, "").split(",").filter(Boolean);

/** Shows the videos that the address names. */
export function openHash() {
  const ids = idsOf(location.hash);
  if (!ids.length) return void (stage.get().ids.length && clear(""));
  following?.abort();
  const { signal } = (following = new AbortController());
  const { pending, timeline } = stage.get(), isPart = ids.length === 1 && timeline.some(({ id }) => id === ids[0]);
  stage.set({ ...NOTHING, ids, pending, timeline: isPart ? timeline : [] });
  ended.clear();
  bringIntoView();
  if (ids.length > 1) return void followAll(ids, handlers(signal), signal);
  follow(ids[0], handlers(signal), signal);
}

/** On a phone the stage may be above or below the window. */
export function bringIntoView() {
  const place = document.getElementById("stage")?.getBoundingClientRect();
  if (place && (place.top < 0 || place.top > innerHeight / 2)) document.getElementById("stage").scrollIntoView();
}

/** Opens videos: the address names them. */
export function open(ids) {
  const hash = `#${ids.join(",")}`;
  if (location.hash === hash) openHash();
  else location.hash = hash;
}

/** An empty stage with a message. */
export function clear(message) {
  following?.abort();
  history.replaceState(null, "", location.pathname + location.search);
  stage.set({ ...NOTHING, message });
}

function handlers(signal) {
  const ids = stage.get().ids, isOne = ids.length === 1;
  return {
    record: (record) => show(record, signal),
    progress: (fields) => {
      const record = stage.get().records[ids[0]];
      if (record && !isOver(record)) show({ ...record, ...fields }, signal);
    },
    preview: () => showPreview(ids[0], signal),
    gone: (which) => {
      if (isOne) return clear(t(which ? "was_deleted" : "missing"));
      stage.set(({ ids: now }) => ({ ids: now.filter((id) => id !== which) }));
    },
    error: (error) => stage.set({ detail: messageOf(error) }),
  };
}

function show(record, signal) {
  if (signal.aborted) return;
  const isFirst = !stage.get().records[record.id];
  stage.set(({ records }) => ({ records: { ...records, [record.id]: record }, pending: null, detail: "" }));
  if (isFirst && stage.get().ids.length === 1 && !stage.get().timeline.length) readTimeline(record);
  if (!isOver(record) || ended.has(record.id)) return;
  ended.add(record.id);
  if (stage.get().ids.length === 1) following.abort();
  refreshGallery();
}

async function showPreview(id, signal) {
  const url = await fileUrl(id, "preview").catch(() => null);
  if (!url) return;
  if (signal.aborted) return URL.revokeObjectURL(url);
  const { preview } = stage.get();
  stage.set({ preview: url });
  if (preview) setTimeout(() => URL.revokeObjectURL(preview), 1000);
}

/** Reads the videos that this one continues, oldest first. A deleted one ends the chain. */
async function readTimeline(record) {
  const parts = [record], isShown = () => stage.get().ids.join() === record.id;
  let { source_video_id: id, mode } = record;
  while (id && mode === "extension" && parts.length < MAX_PARTS) {
    const part = await readVideo(id).catch(() => null);
    if (!part || !isShown()) break;
    parts.unshift(part);
    ({ source_video_id: id, mode } = part);
  }
  if (isShown()) stage.set({ timeline: parts });
}
