// The gallery: all videos of the caller, newest first. It is read again while any of them is unfinished.

import { isOver, listVideos } from "../api/videos.js";
import { createStore } from "./store.js";

const PAGE = 24, BUSY_MS = 2000, QUIET_MS = 8000;

export const gallery = createStore({ list: [], isLoaded: false, hasMore: false, isReading: false, search: "", isSelecting: false, selected: [] });

let timer = null, version = 0;

/** Reads the newest page. Older entries, which other pages brought, stay. */
export async function refreshGallery() {
  const mine = ++version;
  clearTimeout(timer);
  try {
    const { data, has_more: hasMore } = await listVideos(PAGE);
    if (mine !== version) return;
    const { list, hasMore: hadMore, selected } = gallery.get();
    const last = data.at(-1), ids = new Set(data.map(({ id }) => id));
    const older = last && hasMore ? list.filter((one) => one.created_at <= last.created_at && !ids.has(one.id)) : [];
    const next = [...data, ...older], there = new Set(next.map(({ id }) => id));
    gallery.set({ list: next, isLoaded: true, hasMore: older.length ? hadMore : hasMore, selected: selected.filter((id) => there.has(id)) });
  } finally {
    if (mine === version) schedule();
  }
}

function schedule() {
  clearTimeout(timer);
  const isBusy = gallery.get().list.some((record) => !isOver(record));
  timer = setTimeout(() => (document.hidden ? schedule() : refreshGallery().catch(() => {})), isBusy ? BUSY_MS : QUIET_MS);
}

/** Reads the next older page. */
export async function readOlder() {
  const { list, hasMore, isReading } = gallery.get();
  if (!hasMore || isReading) return;
  gallery.set({ isReading: true });
  try {
    const page = await listVideos(PAGE, list.at(-1).id);
    const { list: now } = gallery.get(), ids = new Set(now.map(({ id }) => id));
    gallery.set({ list: [...now, ...page.data.filter(({ id }) => !ids.has(id))], hasMore: page.has_more });
  } finally {
    gallery.set({ isReading: false });
  }
}

/** The videos whose prompts have all words of the search. */
export function found({ list, search }) {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  return list.filter(({ prompt, id }) => words.every((word) => `${prompt} ${id}`.toLowerCase().includes(word)));
}

export function toggle(id) {
  gallery.set(({ selected }) => ({ selected: selected.includes(id) ? selected.filter((one) => one !== id) : [...selected, id] }));
}

/** Removes videos from the list at once; the next reading confirms it. */
export function forget(ids) {
  gallery.set(({ list, selected }) => ({ list: list.filter(({ id }) => !ids.includes(id)), selected: selected.filter((id) => !ids.includes(id)) }));
}
