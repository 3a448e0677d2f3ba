// The form of a request: its mode, the fields of the mode, and the button that stays in view.

import { dialogs } from "../../state/dialogs.js";
import { generate, replaceDraft } from "../../state/actions.js";
import { clearDraft, form, hasDraft, setMode } from "../../state/form.js";
import { limitsOf, modelOf, models, modelsOf } from "../../state/models.js";
import { shotField, shotsOf } from "../../state/film/shots.js";
import { stage } from "../../state/stage.js";
import { useStore } from "../../state/store.js";
import { t } from "../../text/text.js";
import { html, useEffect, useRef } from "../../vendor/preact.js";
import { Icon } from "../icons.js";
import { Later } from "../later.js";
import { Thumbnail } from "../thumbnail.js";
import { Advanced } from "./advanced.js";
import { ImageField } from "./image_field.js";
import { Length } from "./length.js";
import { Loras } from "./loras.js";
import { ModelChoice } from "./model_choice.js";
import { Prompt } from "./prompt.js";
import { Seed } from "./seed.js";
import { chosenSize, Size } from "./size.js";
import { SourceVideo } from "./source_video.js";

const WRITING = 229; // Safari's key code of the Enter that ends the composition of a word

export function Form() {
  const state = useStore(form), { list, isLoaded } = useStore(models);
  const { mode, values, errors, trouble, note, isBusy } = state;
  const fields = useRef(null);
  useEffect(() => void focusFirst(Object.keys(errors)[0]), [errors]);
  useEffect(() => void fields.current.scrollTo({ top: 0 }), [mode, state.source]);
  const model = modelOf(values.model, mode), limits = limitsOf(model);
  const send = (event) => {
    event?.preventDefault();
    if (!isBusy) generate(undefined, frameOf(state, limits));
  };
  return html`<form id="form" aria-label=${t("create")} noValidate autocomplete="off" onSubmit=${send} onKeyDown=${(event) => sendByKey(event, send)}>
    <div class="fields" ref=${fields}>
      <${Mode} mode=${mode} source=${state.source} />
      ${mode === "film" ? html`<${Later} name="film" />` : html`<${Prompt} model=${model} />`}
      ${isLoaded && !list.length && html`<p class="error">${t("no_model")}</p>`}
      ${mode === "edit" && html`<${SourceVideo} />`}
      ${mode === "new" && html`<div class="pair"><${ImageField} name="image" /><${ImageField} name="last_image" /></div>`}
      ${limits && (mode === "new" || mode === "film") && html`<${Size} limits=${limits} canResize=${mode === "new"} />`}
      ${limits && (mode === "new" || mode === "extend") && html`<${Length} limits=${limits} />`}
      ${limits && mode !== "remix" && html`<${Seed} hasCount=${mode === "new"} />`}
      ${limits && mode !== "remix" && html`<${Loras} model=${model} />`}
      ${limits && ["new", "film", "edit"].includes(mode) && modelsOf(mode).length > 1 && html`<${ModelChoice} />`}
      ${limits && mode !== "remix" && html`<${Advanced} limits=${limits} />`}
    </div>
    <div class="submit">
      ${trouble && html`<p id="trouble" class="error" role="alert">${trouble}</p>`}
      ${note && html`<p class="hint" role="status">${note}</p>`}
      <div class="row">
        <button id="submit" class="main" type="submit" aria-disabled=${isBusy}><${Icon} name="spark" />${submitText(mode, values)}</button>
        <button type="button" class="icon-button" aria-label=${t("copy_code")} title=${t("copy_code")} onClick=${() => dialogs.code()}><${Icon} name="code" /></button>
        <button type="button" class="icon-button" aria-label=${t("clear_form")} title=${t("clear_form")} aria-disabled=${!hasDraft()} onClick=${() => replaceDraft(clearDraft)}><${Icon} name="reset" /></button>
      </div>
      <${Glance} />
    </div>
  </form>`;
}

function submitText(mode, { n: count, is_draft: isDraft }) {
  if (mode === "film") return t("generate_film");
  if (mode === "new" && isDraft) return count > 1 ? t("generate_drafts", { n: count }) : t("generate_draft");
  if (mode === "new") return count > 1 ? t("generate_n", { n: count }) : t("generate");
  return t(`${mode}_video`);
}

/** Enter in the prompt, or Control and Enter anywhere, sends the form. */
function sendByKey(event, send) {
  const isPlain = event.target.id === "prompt" && !event.shiftKey, isWriting = event.isComposing || event.keyCode === WRITING;
  if (event.key === "Enter" && !isWriting && !event.repeat && (isPlain || event.ctrlKey || event.metaKey)) send(event);
}

function focusFirst(name) {
  if (!name) return;
  const control = document.getElementById(name);
  control?.closest("details")?.setAttribute("open", "");
  control?.focus({ preventScroll: true });
  control?.scrollIntoView({ block: "center" }); // its error is below it
}

/** The shape of the frame for what the form describes. */
function frameOf({ mode, source, values, files }, limits) {
  if (mode === "remix" || mode === "extend") return { width: source.width, height: source.height };
  const video = files.video?.id ? { width: files.video.width, height: files.video.height } : null;
  return { ...(video ?? chosenSize(values, files, limits)), image: mode === "new" ? files.image : firstImage(values, files) };
}

/** The start image of the first shot of a film. */
const firstImage = (values, files) => files[shotField(shotsOf(values)[0].key, "image")] ?? null;

function Mode({ mode, source }) {
  if (source) {
    return html`<div class="origin">
      <${Thumbnail} record=${source} />
      <p><strong>${t(mode)}</strong> ${t(`${mode}_of`)}</p>
      <button id="back" type="button" onClick=${() => setMode("new")}>${t("back")}</button>
    </div>`;
  }
  return html`<div class="segments" role="group" aria-label=${t("mode")}>
    ${["new", ...(modelsOf("film").length ? ["film"] : []), "edit"].map((name) => html`<button type="button" aria-pressed=${mode === name} onClick=${() => setMode(name)}>${t(`mode_${name}`)}</button>`)}
  </div>`;
}

/** On a phone: the progress of the video on the stage, beside the button. */
function Glance() {
  const { ids, records } = useStore(stage), record = ids.length === 1 ? records[ids[0]] : null;
  if (record?.state !== "running") return null;
  return html`<a class="glance" href="#stage" onClick=${showStage}><span style=${{ width: `${record.progress}%` }}></span>${record.progress} %</a>`;
}

function showStage(event) {
  event.preventDefault();
  document.getElementById("stage").scrollIntoView();
}
