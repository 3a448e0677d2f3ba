// A start or end image: chosen, dropped, pasted, or a frame of a finished video.

import { dialogs } from "../../state/dialogs.js";
import { attach, form } from "../../state/form.js";
import { limitsOf, modelOf } from "../../state/models.js";
import { t } from "../../text/text.js";
import { html, useState } from "../../vendor/preact.js";
import { Icon } from "../icons.js";
import { controlOf, FieldError } from "./field.js";
import { keepSize, urlOf } from "./files.js";
import { chosenSize } from "./size.js";

/** `kind` is the field of the request, for its words. */
export function ImageField({ name, kind = name }) {
  const { files, errors } = form.get(), file = files[name];
  const remove = () => {
    attach(name, null);
    document.getElementById(name).focus();
  };
  return html`<div class="field picture" data-field=${name} data-file=${name}>
    <label for=${name} class=${file ? "" : "empty"}>
      <span class="name">${t(kind)}</span>
      ${file ? html`<${Picture} key=${urlOf(file)} file=${file} />` : html`<${Icon} name="image" /><small>${t("choose_image")}</small>`}
    </label>
    <input ...${controlOf(name)} aria-label=${t(kind)} type="file" accept="image/*" onChange=${(event) => choose(name, event.target)} />
    <div class="tools">
      <button type="button" class=${file ? "icon-button" : "small"} aria-label="${t("pick_frame")}: ${t(kind)}" title=${t("pick_frame")} onClick=${() => pick(name)}>
        <${Icon} name="frame" />${!file && t("pick_frame")}</button>
      ${file && html`<button type="button" class="icon-button" aria-label="${t("crop")}: ${t(kind)}" title=${t("crop")} onClick=${() => crop(name)}><${Icon} name="crop" /></button>
        <button type="button" class="icon-button" aria-label=${t(`remove_${kind}`)} title=${t("remove")} onClick=${remove}><${Icon} name="close" /></button>`}
    </div>
    <${FieldError} name=${name} text=${errors[name]} />
  </div>`;
}

function choose(name, input) {
  if (input.files[0]) attach(name, input.files[0]);
  input.value = ""; // the same file can be chosen again
}

/** The image and its size, or a word where it cannot be shown. */
function Picture({ file }) {
  const [isBroken, setBroken] = useState(false);
  const measure = ({ target }) => {
    keepSize(file, target.naturalWidth, target.naturalHeight);
    form.set({}); // the size of the video may follow from it
  };
  if (isBroken) return html`<span class="broken">${t("unreadable")}</span>`;
  return html`<img src=${urlOf(file)} alt=${file.name} onLoad=${measure} onError=${() => setBroken(true)} />`;
}

async function pick(name) {
  const file = await dialogs.pickFrame();
  if (file) attach(name, file);
}

async function crop(name) {
  const { mode, values, files } = form.get(), { width, height } = chosenSize({ ...values, resize_to_image: false }, files, limitsOf(modelOf(values.model, mode)));
  const file = await dialogs.crop({ file: files[name], ratio: width / height });
  if (file) attach(name, file);
}
