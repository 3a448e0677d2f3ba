// The settings of the sampling, each with an explanation.

import { edit, form } from "../../state/form.js";
import { hasText, t } from "../../text/text.js";
import { html } from "../../vendor/preact.js";
import { controlOf, Field, TextField } from "./field.js";

export function Advanced({ limits }) {
  const { negative_prompt: negative, scheduler, quality, previews } = form.get().values;
  return html`<details class="advanced"><summary>${t("advanced")}</summary>
    <${Field} name="negative_prompt" hint=${t("negative_hint")}>
      <textarea ...${controlOf("negative_prompt", true)} rows="2" value=${negative} onInput=${(event) => edit({ negative_prompt: event.target.value })}></textarea>
    <//>
    <div class="pair">
      <${TextField} name="num_inference_steps" placeholder=${limits.default_num_inference_steps} mode="numeric" hint=${t("steps_hint")} />
      <${TextField} name="guidance_scale" placeholder=${limits.default_guidance_scale} hint=${t("guidance_hint")} />
    </div>
    <${Field} name="scheduler" hint=${t("scheduler_hint")}>
      <select ...${controlOf("scheduler", true)} value=${scheduler} onChange=${(event) => edit({ scheduler: event.target.value })}>
        <option value="">${t("scheduler_default", { name: limits.default_scheduler })}</option>
        ${limits.schedulers.map((name) => html`<option value=${name}>${name}${hasText(`scheduler_${name}`) && `: ${t(`scheduler_${name}`)}`}</option>`)}
      </select>
    <//>
    <${Field} name="quality" hint=${t("quality_hint")}>
      <select ...${controlOf("quality", true)} value=${quality} onChange=${(event) => edit({ quality: event.target.value })}>
        <option value="">${t("quality_exact")}</option>
        <option value="fast">${t("quality_fast")}</option>
      </select>
    <//>
    <label class="tick"><input type="checkbox" checked=${previews} onChange=${(event) => edit({ previews: event.target.checked })} /> ${t("previews")}</label>
  </details>`;
}
