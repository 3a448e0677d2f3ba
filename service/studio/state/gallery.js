// The gallery: all videos of the caller, newest first. It is read again while any of them is unfinished.

import { isOver, listVideos } from "../api/videos.js";
import { ofDevice, write } from "./settings.js";
import { createStore } from "./store.js";

const PAGE = 24, BUSY_MS = 2000, QUIET_MS = 8000, FAVOURITES = "favourites";

function storedFavourites() {
  try {
    return [JSON.parse(ofDevice.getItem(FAVOURITES))].flat().filter((id) => typeof id === "string");
  } catch {
    return [];
  }
}

/** `hidden` are the ids of videos whose deletion can be undone. `favourites` are ids, kept on this device. */
export const gallery = createStore({
  list: [], isLoaded: false, hasMore: false, isReading: false, search: "", isSelecting: false, selected: [], hidden: [],
  favourites: storedFavourites(), onlyFavourites: false,
});

let timer = null, version = 0;

/** Reads the newest page, and the next ones down to the oldest unfinished entry. Older entries, which other pages brought, stay. */
export async function refreshGallery() {
  const mine = ++version;
  clearTimeout(timer);
  try {
    const { data, has_more: hasMore } = await readNewest();
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

async function readNewest() {
  let page = await listVideos(PAGE), { data } = page;
  while (page.has_more && data.length && isLiveBehind(data)) {
    page = await listVideos(PAGE, data.at(-1).id);
    data = [...data, ...page.data];
  }
  return { data, has_more: page.has_more };
}

/** Whether the gallery shows an unfinished video that is older than these. */
function isLiveBehind(data) {
  const ids = new Set(data.map(({ id }) => id)), last = data.at(-1).created_at;
  return gallery.get().list.some((one) => !isOver(one) && !ids.has(one.id) && one.created_at <= last);
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

/** All videos without those that are hidden. */
export const shown = ({ list, hidden }) => list.filter(({ id }) => !hidden.includes(id));

/** The videos whose prompts have all words of the search; only favourites, if they are chosen. */
export function found(state) {
  const words = state.search.toLowerCase().split(/\s+/).filter(Boolean);
  const isWanted = ({ id }) => !state.onlyFavourites || state.favourites.includes(id);
  return shown(state).filter((one) => isWanted(one) && words.every((word) => `${one.prompt} ${one.id}`.toLowerCase().includes(word)));
}

/** The newest video that finished this draft, if it is among those that are read. */
export const promotionOf = ({ id }) => shown(gallery.get()).find(({ promoted_from: draft }) => draft === id);

export function toggleFavourite(id) {
  const { favourites } = gallery.get();
  keepFavourites(favourites.includes(id) ? favourites.filter((one) => one !== id) : [id, ...favourites]);
}

function keepFavourites(favourites) {
  write(ofDevice, FAVOURITES, JSON.stringify(favourites));
  gallery.set({ favourites });
}

/** Another tab changed them. */
addEventListener("storage", ({ key }) => key === FAVOURITES && gallery.set({ favourites: storedFavourites() }));

export function toggle(id) {
  gallery.set(({ selected }) => ({ selected: selected.includes(id) ? selected.filter((one) => one !== id) : [...selected, id] }));
}

/** Hides videos until they are deleted or shown again. */
export function hide(ids) {
  gallery.set(({ hidden, selected }) => ({ hidden: [...hidden, ...ids], selected: selected.filter((id) => !ids.includes(id)) }));
}

export function unhide(ids) {
  gallery.set(({ hidden }) => ({ hidden: hidden.filter((id) => !ids.includes(id)) }));
  refreshGallery().catch(() => {});
}

/** Removes deleted videos from the list; the next reading confirms it. */
export function forget(ids) {
  gallery.set(({ list }) => ({ list: list.filter(({ id }) => !ids.includes(id)) }));
  const { favourites } = gallery.get(), left = favourites.filter((id) => !ids.includes(id));
  if (left.length < favourites.length) keepFavourites(left);
}
