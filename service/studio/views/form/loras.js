// The LoRA picker: each one of the model with its strength.

import { edit, form } from "../../state/form.js";
import { t } from "../../text/text.js";
import { html } from "../../vendor/preact.js";
import { FieldError } from "./field.js";

const USUAL_SCALE = 0.55, MAX_SCALE = 2;

export function Loras({ model }) {
  const { values: { loras }, errors } = form.get(), chosen = Object.keys(loras).length;
  if (!model.loras.length) return null;
  const set = (name, scale) => edit({ loras: { ...loras, [name]: scale } });
  const remove = (name) => edit({ loras: Object.fromEntries(Object.entries(loras).filter(([other]) => other !== name)) });
  return html`<fieldset class="field" data-field="loras" id="loras" tabIndex="-1" aria-describedby="loras-hint">
    <legend>${t("loras")}${chosen > 0 && ` (${chosen})`}</legend>
    <ul class="loras">${model.loras.map(({ name }) => html`<li key=${name}>
      <label class="tick"><input type="checkbox" checked=${name in loras} onChange=${(event) => (event.target.checked ? set(name, USUAL_SCALE) : remove(name))} /> ${name}</label>
      ${name in loras && html`<span class="row"><input type="range" aria-label=${t("lora_scale", { name })} min=${-MAX_SCALE} max=${MAX_SCALE} step="0.05" value=${loras[name]}
        onInput=${(event) => set(name, Number(event.target.value))} /><output>${loras[name]}</output></span>`}
    </li>`)}</ul>
    <p class="hint" id="loras-hint">${t("lora_hint")}</p>
    <${FieldError} name="loras" text=${errors.loras} />
  </fieldset>`;
}
