// The page: header, form, stage and gallery, and the dialogs above them.

import { openDialog } from "../state/dialogs.js";
import { settings } from "../state/settings.js";
import { useStore } from "../state/store.js";
import { t } from "../text/text.js";
import { html, useEffect, useState } from "../vendor/preact.js";
import { Login } from "./dialogs/login.js";
import { receiveFiles } from "./form/files.js";
import { Form } from "./form/form.js";
import { Gallery } from "./gallery/gallery.js";
import { Header } from "./header.js";
import { Later } from "./later.js";
import { Stage } from "./stage/stage.js";
import { Toast } from "./toast.js";

export function App({ reload }) {
  useStore(settings); // the language
  const { name, values, done } = useStore(openDialog);
  return html`<${Header} reload=${reload} />
    <main>
      <${Form} />
      <${Stage} />
      <${Gallery} />
    </main>
    <${Toast} />
    <${Login} />
    ${name && html`<${Later} key=${name} name=${name} kind=${name} ...${values} done=${done} />`}
    <${DropArea} />`;
}

/** The whole page accepts files that are dropped or pasted. */
function DropArea() {
  const [isOver, setOver] = useState(false);
  useEffect(() => {
    const hasFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
    const on = {
      dragover: (event) => hasFiles(event) && (event.preventDefault(), setOver(true)),
      dragleave: (event) => event.relatedTarget === null && setOver(false),
      drop: (event) => {
        if (!hasFiles(event)) return;
        event.preventDefault();
        setOver(false);
        receiveFiles(event.dataTransfer.files, event.target.closest?.("[data-file]")?.dataset.file);
      },
      paste: (event) => event.clipboardData?.files.length && (event.preventDefault(), receiveFiles(event.clipboardData.files)),
    };
    for (const [type, listener] of Object.entries(on)) addEventListener(type, listener);
    return () => Object.entries(on).forEach(([type, listener]) => removeEventListener(type, listener));
  }, []);
  return isOver && html`<p class="drop-area" aria-hidden="true"><span>${t("drop_here")}</span></p>`;
}
