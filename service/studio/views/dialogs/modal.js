// A modal dialog. Escape closes it without a result.

import { t } from "../../text/text.js";
import { html, useEffect, useRef } from "../../vendor/preact.js";
import { Icon } from "../icons.js";

export function Modal({ title, onClose, wide, children }) {
  const dialog = useRef(null);
  useEffect(() => {
    const shown = dialog.current;
    if (!shown.open) shown.showModal();
    return () => shown.close(); // the focus goes back to where it was
  }, []);
  const cancel = (event) => {
    event.preventDefault();
    onClose();
  };
  return html`<dialog ref=${dialog} class=${wide ? "wide" : ""} aria-labelledby="dialog-title" onCancel=${cancel}>
    <div class="bar"><h2 id="dialog-title">${title}</h2>
      <button type="button" class="icon-button" aria-label=${t("close")} onClick=${onClose}><${Icon} name="close" /></button></div>
    ${children}
  </dialog>`;
}
