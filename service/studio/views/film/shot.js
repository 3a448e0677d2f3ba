// One shot of a film: its prompt, its length, how it begins, and its images.

import { editShot } from "../../state/film/draft.js";
import { form } from "../../state/form.js";
import { modelOf, secondsOf } from "../../state/models.js";
import { framesOfShot, MAX_SHOTS, shotField } from "../../state/film/shots.js";
import { t } from "../../text/text.js";
import { html } from "../../vendor/preact.js";
import { controlOf, Field } from "../form/field.js";
import { ImageField } from "../form/image_field.js";
import { Tokens } from "../form/prompt.js";
import { Icon } from "../icons.js";
import { Toolbar } from "../toolbar.js";

/** `first` is its first frame, `does` has what the buttons do, `drag` the listeners of the pointer. */
export function Shot({ shot, place, count, first, limits, does, drag }) {
  const n = place + 1, { unit } = form.get().values, frames = framesOfShot(shot, unit, limits) ?? 0;
  const [from, to] = [first, first + frames].map((frame) => secondsOf(frame, limits));
  return html`<li class="shot" data-shot=${shot.key} onKeyDown=${(event) => moveByKey(event, does)} ...${drag.target}>
    <fieldset aria-labelledby=${shotField(shot.key, "title")}>
      <div class="bar">
        <span class="grip" aria-hidden="true" title=${t("drag_shot")} ...${drag.handle}><${Icon} name="grip" /></span>
        <strong id=${shotField(shot.key, "title")}>${t("shot_n", { n })}</strong><small>${t("from_to", { from, to })}</small>
        <${Toolbar} look="tools" label=${t("tools_of", { prompt: t("shot_n", { n }) })} tools=${toolsOf(n, count, does)} />
      </div>
      <${Prompt} shot=${shot} />
      <div class="pair">
        <${ShotText} shot=${shot} name="length" label=${t(`length_${unit}`)} mode="decimal" placeholder=${defaultLength(unit, limits)} />
        ${place > 0 && html`<${Start} shot=${shot} />`}
      </div>
      <${More} shot=${shot} place=${place} />
    </fieldset>
  </li>`;
}

const defaultLength = (unit, limits) => {
  const frames = framesOfShot({ length: "" }, unit, limits);
  return String(unit === "seconds" ? secondsOf(frames, limits) : frames);
};

function toolsOf(n, count, does) {
  const tool = (name, icon, onClick, isOff) => ({ name, icon, label: t(name, { n }), title: t(name, { n }), onClick, isOff });
  return [
    tool("shot_up", "up", does.up, n === 1), tool("shot_down", "down", does.down, n === count),
    tool("shot_copy", "copy", does.copy, count >= MAX_SHOTS), tool("shot_remove", "close", does.remove, count === 1),
  ];
}

/** Alt and an arrow move the shot. */
function moveByKey(event, does) {
  if (!event.altKey || !["ArrowUp", "ArrowDown"].includes(event.key)) return;
  event.preventDefault();
  (event.key === "ArrowUp" ? does.up : does.down)();
}

function Prompt({ shot }) {
  const name = shotField(shot.key, "prompt");
  return html`<${Field} name=${name} label=${t("prompt")}>
    <textarea ...${controlOf(name)} rows="2" placeholder=${t("shot_placeholder")} value=${shot.prompt} onInput=${(event) => editShot(shot.key, { prompt: event.target.value })}></textarea>
    <${Tokens} prompt=${shot.prompt} model=${modelOf(form.get().values.model, "film")} />
  <//>`;
}

function ShotText({ shot, name, label = t(name), mode, placeholder }) {
  const id = shotField(shot.key, name);
  return html`<${Field} name=${id} label=${label}>
    <input ...${controlOf(id)} value=${shot[name]} placeholder=${placeholder} inputmode=${mode} onInput=${(event) => editShot(shot.key, { [name]: event.target.value })} />
  <//>`;
}

/** Whether the shot continues the one before. A shot with an image begins with a cut. */
function Start({ shot }) {
  const name = shotField(shot.key, "overlap"), hasImage = Boolean(form.get().files[shotField(shot.key, "image")]);
  return html`<${Field} name=${name} label=${t("begins")}>
    <select ...${controlOf(name)} disabled=${hasImage} value=${hasImage ? "0" : shot.overlap} onChange=${(event) => editShot(shot.key, { overlap: event.target.value })}>
      <option value="">${t("begins_smooth")}</option><option value="0">${t("begins_cut")}</option>
      ${[1, 2, 3, 4].map((n) => html`<option value=${n}>${t("begins_overlap", { n })}</option>`)}
    </select>
  <//>`;
}

function More({ shot }) {
  const { files } = form.get(), [image, end] = ["image", "last_image"].map((name) => shotField(shot.key, name));
  return html`<details class="advanced" open=${Boolean(files[image] || files[end])}><summary>${t("shot_more")}</summary>
    <div class="pair"><${ImageField} name=${image} kind="image" /><${ImageField} name=${end} kind="last_image" /></div>
    <p class="hint">${t("shot_image_hint")}</p>
    <${ShotText} shot=${shot} name="negative_prompt" />
    <${ShotText} shot=${shot} name="seed" mode="numeric" placeholder=${t("shot_seed")} />
  </details>`;
}
