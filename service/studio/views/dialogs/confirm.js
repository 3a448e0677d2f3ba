// A question before something that cannot be undone.

import { t } from "../../text/text.js";
import { html } from "../../vendor/preact.js";
import { Modal } from "./modal.js";

export function Confirm({ title, text, action, done }) {
  return html`<${Modal} title=${title} onClose=${() => done(false)}>
    <p>${text}</p>
    <div class="row end">
      <button type="button" onClick=${() => done(false)}>${t("cancel")}</button>
      <button type="button" class="main danger" onClick=${() => done(true)}>${action}</button>
    </div>
  <//>`;
}
