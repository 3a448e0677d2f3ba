// What buttons do with videos.

import { allowLogin } from "../api/client.js";
import { cancelVideo, deleteVideo, readFile, readVideo } from "../api/videos.js";
import { t } from "../text/text.js";
import { dialogs } from "./dialogs.js";
import { messageOf } from "./errors.js";
import { attach, edit, form, request, sentRequest, setMode, submit, useSettings } from "./form.js";
import { forget, refreshGallery } from "./gallery.js";
import { bringIntoView, clear, open, stage } from "./stage.js";

const SETTINGS = ["model", "prompt", "negative_prompt", "size", "num_frames", "num_inference_steps", "guidance_scale", "scheduler"];
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
  return { path: "v1/videos", fields: { ...fields, ...extra } };
}

const isFromText = (record) => record.mode.startsWith("text");
const shape = ({ width, height }) => ({ width, height });
export const canRepeat = (record) => isFromText(record) || Boolean(sentRequest(record.id));

export const retry = (record) => generate(sentRequest(record.id) ?? again(record, { seed: record.seed }), shape(record));

/** Four videos with other seeds. */
export function vary(record) {
  const wish = isFromText(record) ? again(record, {}) : sentRequest(record.id);
  const { seed: _, ...fields } = wish.fields;
  return generate({ path: "v1/videos", fields: { ...fields, n: VARIATIONS } }, shape(record));
}

export function reuse(record, keepsSeed) {
  useSettings(record, keepsSeed, t(isFromText(record) ? "settings_used" : "images_left_out"));
  document.getElementById("prompt")?.focus();
}

/** Opens the form for another video from this one. */
export function derive(mode, record) {
  setMode(mode, mode === "edit" ? null : record);
  if (mode === "edit") {
    attach("video", record);
    if (!form.get().values.prompt.trim()) edit({ prompt: record.prompt });
  }
  document.getElementById("form")?.scrollIntoView({ block: "nearest" });
}

export const cancel = act(async (record) => {
  await cancelVideo(record.id);
  stage.set(({ records }) => ({ records: { ...records, [record.id]: { ...records[record.id], cancel_requested: true } } }));
});

/** Asks in a dialog, then deletes videos and their files. */
export const erase = act(async (ids) => {
  if (!(await dialogs.confirm({ title: ids.length === 1 ? t("delete_title_one") : t("delete_title", { n: ids.length }), text: t("delete_text"), action: t("delete") }))) return;
  for (const id of ids) await deleteVideo(id);
  forget(ids);
  if (stage.get().ids.some((id) => ids.includes(id))) clear(t("deleted"));
  await refreshGallery();
  document.getElementById("mine")?.focus();
});

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

export const copyText = act(async (text) => {
  await navigator.clipboard.writeText(text);
  stage.set({ detail: t("copied") });
});

export const linkOf = (ids) => new URL(`#${ids.join(",")}`, location.href).href;
