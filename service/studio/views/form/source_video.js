// Video to video: the video to change, how much changes, and where.

import { dialogs } from "../../state/dialogs.js";
import { attach, form } from "../../state/form.js";
import { t } from "../../text/text.js";
import { html } from "../../vendor/preact.js";
import { Icon } from "../icons.js";
import { isCalm } from "../stage/frame.js";
import { Thumbnail } from "../thumbnail.js";
import { controlOf, FieldError, TextField } from "./field.js";
import { urlOf } from "./files.js";

export function SourceVideo() {
  const { files: { video, mask }, errors } = form.get();
  return html`<div class="field picture wide" data-field="video" data-file="video">
      <label for="video" class=${video ? "" : "empty"}>
        <span class="name">${t("source_video")}</span>
        ${!video ? html`<${Icon} name="play" /><small>${t("choose_video")}</small>`
          : video.id ? html`<${Thumbnail} record=${video} alt=${video.prompt} />` : html`<video src=${urlOf(video)} muted loop autoplay=${!isCalm} playsinline></video>`}
      </label>
      <input ...${controlOf("video")} aria-label=${t("source_video")} type="file" accept="video/*" onChange=${(event) => event.target.files[0] && attach("video", event.target.files[0])} />
      <div class="tools">
        <button type="button" class="small" onClick=${pick}><${Icon} name="frame" />${t("pick_video")}</button>
        ${video && html`<button type="button" class="icon-button" aria-label=${t("remove_video")} title=${t("remove")} onClick=${() => attach("video", null)}><${Icon} name="close" /></button>`}
      </div>
      <${FieldError} name="video" text=${errors.video} />
    </div>
    ${video && html`<div class="field" data-field="mask">
      <span class="label">${t("mask")}</span>
      <div class="row">
        ${mask && html`<img class="mask" src=${urlOf(mask)} alt=${t("mask")} />`}
        <button type="button" id="mask" onClick=${() => paint(video, mask)}><${Icon} name="brush" />${t(mask ? "change_mask" : "paint_mask")}</button>
        ${mask && html`<button type="button" onClick=${() => attach("mask", null)}>${t("remove_mask")}</button>`}
      </div>
      <p class="hint">${t("mask_hint")}</p>
      <${FieldError} name="mask" text=${errors.mask} />
    </div>`}
    <${TextField} name="strength" hint=${t("strength_hint")} placeholder=${mask ? 1 : 0.7} />`;
}

async function pick() {
  const record = await dialogs.pickVideo();
  if (record) attach("video", record);
}

async function paint(video, mask) {
  const file = await dialogs.paintMask({ video, mask });
  if (file) attach("mask", file);
}
