// The seed, and how many videos are made.

import { edit, form } from "../../state/form.js";
import { t } from "../../text/text.js";
import { html } from "../../vendor/preact.js";
import { TextField } from "./field.js";

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
  </div>`;
}
