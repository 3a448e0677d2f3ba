// The model, where the service has several.

import { edit, form } from "../../state/form.js";
import { modelOf, modelsOf } from "../../state/models.js";
import { modelText } from "../../text/service/text.js";
import { t } from "../../text/text.js";
import { html } from "../../vendor/preact.js";
import { controlOf, Field } from "./field.js";

export function ModelChoice() {
  const { mode, values } = form.get(), model = modelOf(values.model, mode);
  return html`<${Field} name="model" hint=${modelText(model)}>
    <select ...${controlOf("model", true)} value=${model.id} onChange=${(event) => edit({ model: event.target.value, size: "", scheduler: "", loras: {} })}>
      ${modelsOf(mode).map(({ id, live_workers: count }) => html`<option value=${id}>${count ? id : t("no_worker", { model: id })}</option>`)}
    </select>
  <//>`;
}
