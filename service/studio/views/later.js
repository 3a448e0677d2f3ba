// Views that are loaded when they are shown for the first time.

import { t } from "../text/text.js";
import { html, useEffect, useState } from "../vendor/preact.js";

const IMPORTS = {
  code: async () => (await import("./dialogs/code.js")).Code,
  crop: async () => (await import("./dialogs/crop.js")).Crop,
  frame: async () => (await import("./dialogs/frame_picker.js")).FramePicker,
  video: async () => (await import("./dialogs/frame_picker.js")).FramePicker,
  mask: async () => (await import("./dialogs/mask_painter.js")).MaskPainter,
  settings: async () => (await import("./dialogs/settings.js")).Settings,
  operators: async () => (await import("./operators/panel.js")).Operators,
  wipe: async () => (await import("./stage/wipe.js")).Wipe,
  film: async () => (await import("./film/editor.js")).FilmEditor,
};
const loaded = {};

/** The view of a name. Without an answer of the service a message with "Retry" stands in its place. */
export function Later({ name, ...values }) {
  const [, redraw] = useState(0), [hasFailed, setFailed] = useState(false);
  const load = () => {
    setFailed(false);
    IMPORTS[name]().then((View) => (loaded[name] = View), () => setFailed(true)).then(() => redraw((count) => count + 1));
  };
  useEffect(() => void (loaded[name] || load()), [name]);
  if (loaded[name]) return html`<${loaded[name]} ...${values} />`;
  return hasFailed && html`<p class="later error" role="alert">${t("no_answer")} <button type="button" onClick=${load}>${t("retry")}</button></p>`;
}
