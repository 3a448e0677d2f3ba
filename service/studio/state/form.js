// The form: one draft for each mode, and for each video that is remixed or extended. Texts survive a reload of the tab, files do not leave the memory.

import { allowLogin, Refused, send } from "../api/client.js";
import { isDraft, videoPath } from "../api/videos.js";
import { fieldOf, fieldText, shotText } from "./errors.js";
import { isEmptyFilm, shotFields, shotOf, shotsOf } from "./film/shots.js";
import { limitsOf, modelOf } from "./models.js";
import { ofTab, write } from "./settings.js";
import { createStore } from "./store.js";

const DRAFTS = "drafts", PREVIEWS = 6;
const EMPTY = {
  prompt: "", negative_prompt: "", model: "", size: "", resize_to_image: false, length: "", unit: "seconds", seed: "", n: 1,
  num_inference_steps: "", guidance_scale: "", scheduler: "", quality: "", loras: {}, strength: "", previews: true, shots: [],
  is_draft: false, draft: "",
};
const NO_FILES = { image: null, last_image: null, video: null, mask: null };
const SAMPLING = ["negative_prompt", "num_inference_steps", "guidance_scale", "scheduler", "quality", "loras", "seed"];
// The fields of each mode, besides the prompt.
const FIELDS = {
  new: ["model", "size", "resize_to_image", "length", "n", "draft", ...SAMPLING],
  film: ["model", "size", ...SAMPLING],
  edit: ["model", "strength", ...SAMPLING],
  extend: ["length", ...SAMPLING],
  remix: [],
};
const FILES = { new: ["image", "last_image"], film: [], edit: ["video", "mask"], extend: [], remix: [] };
const DRAFT_SHARE = 0.2; // of the steps
const NUMBERS = ["seed", "num_inference_steps", "guidance_scale", "strength", "n"];

function storedDrafts() {
  try {
    return JSON.parse(ofTab.getItem(DRAFTS)) ?? {};
  } catch {
    return {};
  }
}

const drafts = storedDrafts(), files = {};
/** `source` is the record of the video that is remixed, extended or changed. `errors` are by field. */
export const form = createStore({ mode: "new", source: null, values: { ...EMPTY, ...drafts.new }, files: NO_FILES, errors: {}, trouble: "", note: "", isBusy: false });

/** The name of the draft that is shown. */
const draftOf = ({ mode, source }) => (source ? `${mode}:${source.id}` : mode);

/** Changes values, and the files if given. The errors of the fields and of `changed` go away, and the draft is stored. */
export function edit(patch, { files: attached = form.get().files, changed = [] } = {}) {
  const { values, errors } = form.get(), next = { ...values, ...patch }, name = draftOf(form.get());
  drafts[name] = next;
  files[name] = attached;
  write(ofTab, DRAFTS, JSON.stringify(drafts));
  form.set({ values: next, files: attached, errors: without(errors, [...Object.keys(patch), ...changed]), trouble: "", note: "" });
}

/** Puts a file, a record or null into `image`, `last_image`, `video` or `mask`. */
export function attach(name, file) {
  const { errors, files: now } = form.get();
  const next = { ...now, [name]: file, ...(name === "video" && { mask: null }) };
  files[draftOf(form.get())] = next;
  const gone = name === "image" && !file ? { resize_to_image: false } : {};
  form.set({ files: next, errors: without(errors, [name]), trouble: "", note: "" });
  if (Object.keys(gone).length) edit(gone);
}

function without(errors, names) {
  return Object.fromEntries(Object.entries(errors).filter(([name]) => !names.includes(name)));
}

/** Whether the draft has something to lose. */
export function hasDraft() {
  const { values, files: attached } = form.get();
  return JSON.stringify({ ...values, shots: [] }) !== JSON.stringify(EMPTY) || !isEmptyFilm(values) || Object.values(attached).some(Boolean);
}

/** Keeps the drafts as they are. The function that it returns restores them. */
export function keepDraft() {
  const { mode, source, values, files: attached } = form.get(), name = draftOf(form.get());
  const texts = { ...drafts, [name]: values }, before = { ...files, [name]: attached };
  return () => {
    Object.assign(drafts, { new: EMPTY }, texts);
    Object.assign(files, { new: NO_FILES }, before);
    setMode(mode, source);
    edit({});
  };
}

/** An empty draft of the mode. */
export function clearDraft() {
  files[draftOf(form.get())] = NO_FILES;
  form.set({ files: NO_FILES, errors: {} });
  edit(EMPTY);
}

/** Shows the draft of a mode: `new`, `edit`, or `remix` or `extend` of a record. */
export function setMode(mode, source = null) {
  const name = draftOf({ mode, source }), values = { ...EMPTY, ...(drafts[name] ?? (source && { prompt: source.prompt })) };
  form.set({ mode, source, values, files: files[name] ?? NO_FILES, errors: {}, trouble: "", note: "" });
  if (source) document.getElementById("prompt")?.focus();
}

/** Puts the settings of a video into a new request; with its seed or with a random one. A film has `film`: its shots and their files. */
export function useSettings(record, keepsSeed, note, film = null) {
  const { prompt, negative_prompt, model, size, num_inference_steps, guidance_scale, scheduler, quality, seed } = record;
  const loras = Object.fromEntries(record.loras.map(({ name, scale }) => [name, scale]));
  const ofMode = film ? { shots: film.shots, unit: film.unit } : { prompt, length: String(record.num_frames), unit: "num_frames" };
  setMode(film ? "film" : "new");
  edit({
    ...EMPTY, negative_prompt, model, size, scheduler, loras, ...ofMode,
    num_inference_steps: String(num_inference_steps), guidance_scale: String(guidance_scale), quality: quality === "fast" ? quality : "", seed: keepsSeed ? String(seed) : "",
    is_draft: isDraft(record), draft: record.draft ? String(record.draft.steps) : "",
  }, { files: film?.files ?? NO_FILES });
  form.set({ note });
}

/** The path and the fields of the request. The service validates it, so texts are sent as typed. */
export function request({ mode, source, values, files } = form.get()) {
  const fields = mode === "film" ? filmFields(values, files) : { prompt: values.prompt };
  for (const name of FIELDS[mode]) setField(fields, name, values);
  for (const name of FILES[mode]) if (files[name]) fields[name] = files[name];
  if (!fields.image) delete fields.resize_to_image;
  if (fields.resize_to_image) delete fields.size;
  if (mode === "extend") fields.video = { id: source.id };
  if (fields.video?.id) fields.video = { id: fields.video.id };
  if (mode !== "remix" && values.previews) fields.previews = { every_steps: previewSteps(values) };
  const path = { new: "v1/videos", film: "v1/videos", edit: "v1/videos/edits", extend: "v1/videos/extensions", remix: videoPath(source?.id, "/remix") }[mode];
  return { path, fields, ...(mode === "film" && { film: { shots: shotsOf(values), unit: values.unit, files } }) };
}

/** The shots, and a model that makes films. */
function filmFields(values, attached) {
  const model = modelOf(values.model, "film");
  return { ...(model && { model: model.id }), ...shotFields(values, attached, limitsOf(model), number) };
}

function setField(fields, name, values) {
  const value = values[name];
  if (name === "loras") {
    const loras = Object.entries(value).map(([lora, scale]) => ({ name: lora, scale: Number(scale) }));
    if (loras.length) fields.loras = loras;
  } else if (name === "length") {
    if (value.trim()) fields[values.unit] = values.unit === "num_frames" ? number(value) : value.trim();
  } else if (name === "n") {
    if (value > 1) fields.n = value;
  } else if (name === "draft") {
    if (values.is_draft) fields.draft = { steps: value.trim() ? number(value) : draftSteps(values) };
  } else if (typeof value === "boolean") {
    if (value) fields[name] = true;
  } else if (value.trim()) {
    fields[name] = NUMBERS.includes(name) ? number(value) : value.trim();
  }
}

/** A number where it is one exactly; else the text, which the service refuses or reads. */
const number = (text) => (String(Number(text)) === text.trim() ? Number(text) : text.trim());

/** The steps of the whole video. */
export const stepsOf = ({ num_inference_steps: typed, model }) => Number(typed) || limitsOf(modelOf(model))?.default_num_inference_steps || PREVIEWS;
const previewSteps = (values) => Math.max(1, Math.ceil(stepsOf(values) / PREVIEWS));
/** The steps of a draft, if none are typed. */
export const draftSteps = (values) => Math.max(1, Math.round(stepsOf(values) * DRAFT_SHARE));

const sent = new Map(); // id -> request of this tab
export const sentRequest = (id) => sent.get(id);
/** A finished draft has the request of the draft, without its end after some steps. */
export function keepPromoted(id, draft) {
  const { path, fields: { draft: _, n: __, ...fields } = {} } = sent.get(draft.id) ?? {};
  if (path) sent.set(id, { path, fields: { ...fields, seed: draft.seed } });
}
/** The shots and the files of a film that this tab has sent. */
export const sentFilm = (id) => sent.get(id)?.film;

/** Sends a request, by default that of the form. Returns the record, or null after an error, which the form shows. */
export async function submit(wish = request()) {
  if (form.get().isBusy) return null;
  allowLogin();
  form.set({ isBusy: true, errors: {}, trouble: "", note: "" });
  try {
    const record = await send(wish);
    for (const id of record.batch ?? [record.id]) sent.set(id, wish);
    return record;
  } catch (error) {
    showError(error);
    return null;
  } finally {
    form.set({ isBusy: false });
  }
}

/** Shows an error beside its field, or else above the button. */
export function showError(error) {
  const shot = form.get().mode === "film" && error instanceof Refused ? shotOf(error.param, form.get().values) : null;
  if (shot) return form.set({ errors: { [shot.field]: shotText(error, shot, limitsOf(modelOf(form.get().values.model, "film")), form.get().values) } });
  const { mode, values } = form.get(), field = error instanceof Refused ? fieldOf(error.param) : null;
  const isShown = (field === "prompt" && mode !== "film") || [...FIELDS[mode], ...FILES[mode]].includes(field);
  const text = fieldText(error, isShown ? field : null, limitsOf(modelOf(values.model, mode)), values);
  form.set(isShown ? { errors: { [field]: text } } : { trouble: text });
}
