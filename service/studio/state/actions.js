// What buttons do with videos.

import { allowLogin, parse } from "../api/client.js";
import { cancelVideo, deleteVideo, isDraft, promoteVideo, readFile, readVideo } from "../api/videos.js";
import { copyToClipboard } from "../api/clipboard.js";
import { t } from "../text/text.js";
import { messageOf } from "./errors.js";
import { storedShots } from "./film/shots.js";
import { attach, edit, form, hasDraft, keepDraft, keepPromoted, request, sentFilm, sentRequest, setMode, submit, useSettings } from "./form.js";
import { forget, hide, refreshGallery, unhide } from "./gallery.js";
import { bringIntoView, clear, open, stage } from "./stage.js";
import { offerUndo } from "./undo.js";

const SETTINGS = [
  "model", "prompt", "negative_prompt", "size", "num_frames", "num_inference_steps", "guidance_scale", "scheduler",
  "quality", "overlap", "clip_apply_ratio", "smooth", "clean_caption",
];
const VARIATIONS = 4;

/** Runs an action; an error is shown on the stage. */
export const act = (action) => async (...values) => {
  allowLogin();
  try {
    await action(...values);
  } catch (error) {
    stage.set({ detail: messageOf(error) });
  }
};

/** Sends the form, or another request, and opens what it makes. The stage has its frame at once. */
export async function generate(wish = request(), size = null) {
  const before = stage.get().pending;
  stage.set({ pending: size });
  bringIntoView();
  const record = await submit(wish);
  stage.set({ pending: record ? size : before });
  if (!record) return;
  if (form.get().mode === "remix" || form.get().mode === "extend") setMode("new");
  open(record.batch ?? [record.id]);
  refreshGallery().catch(() => {});
}

/** The settings of a record as a new request. */
function again(record, extra) {
  const fields = Object.fromEntries(SETTINGS.map((name) => [name, record[name]]));
  if (record.loras.length) fields.loras = record.loras;
  if (isDraft(record)) fields.draft = record.draft;
  return { path: "v1/videos", fields: { ...fields, ...extra } };
}

const isFromText = (record) => record.mode.startsWith("text");
const shape = ({ width, height }) => ({ width, height });
export const isFilm = (record) => record.mode === "film" && record.shots?.length > 0;
export const canRepeat = (record) => isFromText(record) || Boolean(sentRequest(record.id));

export const retry = (record) => generate(ownRequest(record) ?? again(record, { seed: record.seed }), shape(record));

/** The request of this tab for one video. Of a request for several it is that with the seed of this one. */
function ownRequest({ id, seed }) {
  const wish = sentRequest(id);
  if (!wish?.fields.n) return wish;
  const { n: _, ...fields } = wish.fields;
  return { ...wish, fields: { ...fields, seed } };
}

/** Finishes a draft and opens the new video. The frame is there at once, so that a second click finds no button. */
export async function promote(record) {
  allowLogin();
  stage.set({ pending: shape(record), detail: "" });
  bringIntoView();
  try {
    const { id } = await promoteVideo(record.id);
    keepPromoted(id, record);
    open([id]);
    refreshGallery().catch(() => {});
  } catch (error) {
    stage.set({ pending: null, detail: messageOf(error) });
  }
}

/** Four videos with other seeds. */
export function vary(record) {
  const wish = isFromText(record) ? again(record, {}) : sentRequest(record.id);
  const { seed: _, ...fields } = wish.fields;
  return generate({ path: "v1/videos", fields: { ...fields, n: VARIATIONS } }, shape(record));
}

export const reuse = act(async (record, keepsSeed) => {
  const film = isFilm(record) ? await filmOf(record) : null, isWhole = isFromText(record) || sentFilm(record.id);
  replaceDraft(() => useSettings(record, keepsSeed, t(isWhole ? "settings_used" : "images_left_out"), film));
});

/** The shots of a film: as this tab sent them, or of its manifest, which has no images. */
async function filmOf(record) {
  const sent = sentFilm(record.id);
  if (sent) return sent;
  const manifest = record.url ? await readFile(record.id, "manifest").then((file) => file.text()).then(parse).catch(() => null) : null;
  return { shots: storedShots(record, manifest), unit: "num_frames", files: {} };
}

/** Puts something else into the form. What was there before can be restored. */
export function replaceDraft(replace) {
  const isLost = hasDraft(), restore = keepDraft();
  replace();
  if (isLost) offerUndo(t("draft_replaced"), restore);
  focusPrompt();
}

/** The prompt of the form, or that of the first shot. */
export const focusPrompt = () => document.querySelector("#form textarea")?.focus();

/** Opens the form for another video from this one. A film is remixed with its shots. */
export function derive(mode, record) {
  if (mode === "remix" && isFilm(record)) return void reuse(record, true);
  if (mode === "edit") change(record);
  else setMode(mode, record);
  document.getElementById("form")?.scrollIntoView({ block: "nearest" });
}

/** Puts a video into the form as the one to change. Another video that was there, with its mask, can be restored. */
function change(record) {
  setMode("edit");
  const { video } = form.get().files;
  const put = () => {
    attach("video", record);
    if (!form.get().values.prompt.trim()) edit({ prompt: record.prompt });
  };
  if (!video) put();
  else if (video.id !== record.id) replaceDraft(put);
}

export const cancel = act(async (record) => {
  await cancelVideo(record.id);
  stage.set(({ records }) => ({ records: { ...records, [record.id]: { ...records[record.id], cancel_requested: true } } }));
});

/** Hides videos. They are deleted when the message with "Undo" ends, or when the page is left. `next` is shown instead. */
export function erase(ids, next = null) {
  const { ids: before, timeline } = stage.get(), isMoved = next || before.some((id) => ids.includes(id));
  const restore = () => {
    unhide(ids);
    if (!isMoved) return;
    stage.set({ timeline });
    open(before);
  };
  hide(ids);
  stage.set({ timeline: timeline.filter(({ id }) => !ids.includes(id)) });
  if (next) open([next]);
  else if (isMoved) clear("");
  offerUndo(t(ids.length === 1 ? "deleted_one" : "deleted", { n: ids.length }), restore, (isLeaving) => deleteAll(ids, isLeaving));
  document.getElementById(next ? "stage" : "mine")?.focus({ preventScroll: true });
}

/** Those that cannot be deleted come back with the next reading of the gallery. */
const deleteAll = act(async (ids, isLeaving) => {
  const results = await Promise.allSettled(ids.map((id) => deleteVideo(id, isLeaving)));
  forget(ids.filter((_, place) => results[place].status === "fulfilled"));
  unhide(ids);
  const failed = results.find(({ status }) => status === "rejected");
  if (failed) throw failed.reason;
});

/** Deletes the last part of a timeline and shows the part before it. */
export const removeLast = (parts) => erase([parts.at(-1).id], parts.at(-2).id);

/** Downloads a video by a new link: links expire after an hour. */
export const download = act(async (id) => {
  const { url } = await readVideo(id);
  Object.assign(document.createElement("a"), { href: url, download: "" }).click();
});

export const downloadManifest = act(async (id) => {
  const url = URL.createObjectURL(await readFile(id, "manifest"));
  Object.assign(document.createElement("a"), { href: url, download: `${id}.json` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
});

/** Downloads a video in another format, which the browser makes. */
export const downloadAs = act(async (record, format) => (await import("../export/save.js")).saveAs(record, format));

/** Copies a text, and returns whether that worked. What cannot be copied is shown. */
export async function copyText(text) {
  const isCopied = await copyToClipboard(text);
  stage.set({ detail: isCopied ? t("copied") : `${t("copy_refused")} ${text}` });
  return isCopied;
}

/** Fills the screen with the first of these elements. */
export const fillScreen = (selector) =>
  document.querySelector(selector).requestFullscreen().catch(() => stage.set({ detail: t("fullscreen_refused") }));

export const linkOf = (ids) => new URL(`#${ids.join(",")}`, location.href).href;
