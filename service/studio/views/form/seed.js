// The seed, how many videos are made, and whether they are drafts.

import { draftSteps, edit, form, stepsOf } from "../../state/form.js";
import { t } from "../../text/text.js";
import { html } from "../../vendor/preact.js";
import { controlOf, FieldError, TextField } from "./field.js";

const COUNTS = [1, 2, 4, 8];

export function Seed({ hasCount }) {
  const { n } = form.get().values;
  return html`<div class="pair">
      <${TextField} name="seed" placeholder=${t("random")} mode="numeric" hint=${t("seed_hint")} />
      ${hasCount && html`<div class="field" data-field="n">
        <span class="label" id="n-label">${t("count")}</span>
        <div class="segments" role="group" aria-labelledby="n-label" aria-describedby="n-hint">
          ${COUNTS.map((count) => html`<button type="button" aria-pressed=${n === count} onClick=${() => edit({ n: count })}>${count}</button>`)}
        </div>
        <p class="hint" id="n-hint">${t("count_hint")}</p>
      </div>`}
    </div>
    ${hasCount && html`<${Draft} />`}`;
}

/** Drafts end after some of the steps. */
function Draft() {
  const { values, errors } = form.get(), { is_draft: isOn, draft } = values;
  return html`<div class="field" data-field="draft">
    <div class="row">
      <label class="tick"><input id="is_draft" type="checkbox" aria-describedby="draft-hint" checked=${isOn} onChange=${(event) => edit({ is_draft: event.target.checked, draft: "" })} /> ${t("draft")}</label>
      ${isOn && html`<label class="tick"><input ...${controlOf("draft")} class="few" inputmode="numeric" aria-label=${t("draft_steps")} value=${draft} placeholder=${draftSteps(values)}
        onInput=${(event) => edit({ draft: event.target.value })} /> ${t("draft_of", { steps: stepsOf(values) })}</label>`}
    </div>
    <p class="hint" id="draft-hint">${t("draft_hint")}</p>
    <${FieldError} name="draft" text=${errors.draft} />
  </div>`;
}
