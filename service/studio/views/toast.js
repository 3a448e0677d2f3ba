// The message with "Undo", which Control and Z do too.

import { end, hold, resume, undo, undoable } from "../state/undo.js";
import { useStore } from "../state/store.js";
import { t } from "../text/text.js";
import { html, useEffect } from "../vendor/preact.js";
import { Icon } from "./icons.js";

export function Toast() {
  const { text } = useStore(undoable);
  useEffect(() => {
    addEventListener("keydown", undoByKey);
    return () => removeEventListener("keydown", undoByKey);
  }, []);
  return html`<div class="toast ${text ? "open" : ""}" role="status" onPointerEnter=${hold} onPointerLeave=${resume} onFocusCapture=${hold} onBlurCapture=${resume}>
    ${text && html`<span>${text}</span>
      <button id="undo" type="button" class="small" title=${t("undo_keys")} aria-keyshortcuts="Control+Z" onClick=${undo}>${t("undo")}</button>
      <button type="button" class="icon-button" aria-label=${t("close")} title=${t("close")} onClick=${() => end()}><${Icon} name="close" /></button>`}
  </div>`;
}

/** A field with text has an undo of its own, and so has the mask painter. */
function undoByKey(event) {
  const isUndo = (event.ctrlKey || event.metaKey) && !event.shiftKey && event.key.toLowerCase() === "z";
  const hasOwn = event.target.matches("textarea, input:not([type=checkbox], [type=range], [type=file])") && event.target.value;
  if (!isUndo || hasOwn || !undoable.get().text || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  undo();
}
