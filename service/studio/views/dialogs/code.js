// The request of the form as code.

import { copyToClipboard } from "../../api/clipboard.js";
import { request } from "../../state/form.js";
import { snippets } from "../../state/snippets.js";
import { t } from "../../text/text.js";
import { html, useState } from "../../vendor/preact.js";
import { Modal } from "./modal.js";

export function Code({ done }) {
  const [name, setName] = useState("curl"), [told, setTold] = useState(""), all = snippets(request());
  const copy = async () => setTold(t((await copyToClipboard(all[name])) ? "copied" : "copy_refused"));
  return html`<${Modal} wide title=${t("code_title")} onClose=${() => done(null)}>
    <div class="segments" role="group" aria-label=${t("code_title")}>
      ${Object.keys(all).map((one) => html`<button type="button" aria-pressed=${one === name} onClick=${() => (setName(one), setTold(""))}>${one}</button>`)}
    </div>
    <pre tabIndex="0"><code>${all[name]}</code></pre>
    <div class="row end"><span role="status">${told}</span><button type="button" class="main" onClick=${copy}>${t("copy")}</button></div>
  <//>`;
}
