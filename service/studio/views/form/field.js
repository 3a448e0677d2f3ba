// A field: label, control, hint and error, connected for screen readers.

import { edit, form } from "../../state/form.js";
import { t } from "../../text/text.js";
import { html } from "../../vendor/preact.js";

/** Attributes of the control of a field. */
export function controlOf(name, hasHint) {
  const isWrong = name in form.get().errors;
  return {
    id: name, name,
    "aria-describedby": hasHint ? `${name}-hint` : undefined,
    "aria-invalid": isWrong ? "true" : undefined,
    "aria-errormessage": isWrong ? `${name}-error` : undefined,
  };
}

/** The frame of a field. `hint` is a text or null. */
export function Field({ name, label, hint, children, className = "" }) {
  const error = form.get().errors[name];
  return html`<div class="field ${className}" data-field=${name}>
    <label for=${name}>${label ?? t(name)}</label>
    ${children}
    ${hint && html`<p class="hint" id="${name}-hint">${hint}</p>`}
    <${FieldError} name=${name} text=${error} />
  </div>`;
}

export const FieldError = ({ name, text }) => text && html`<p class="error" id="${name}-error" role="alert">${text}</p>`;

/** A field with a line of text. */
export function TextField({ name, hint, placeholder, mode = "decimal", label }) {
  return html`<${Field} name=${name} hint=${hint} label=${label}>
    <input ...${controlOf(name, hint)} value=${form.get().values[name]} placeholder=${placeholder} inputmode=${mode}
      onInput=${(event) => edit({ [name]: event.target.value })} />
  <//>`;
}
