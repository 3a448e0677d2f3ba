// The size: chips of common shapes, a line for any other, and the shape of the start image.

import { edit, form } from "../../state/form.js";
import { resizedTo, sizesOf } from "../../state/models.js";
import { t } from "../../text/text.js";
import { html } from "../../vendor/preact.js";
import { controlOf, Field } from "./field.js";
import { sizeOf } from "./files.js";

/** The width and height that the form describes. */
export function chosenSize({ size, resize_to_image: isResized }, { image }, limits) {
  const fallback = { width: limits?.default_width ?? 16, height: limits?.default_height ?? 9 };
  const text = isResized && image ? resultOf(image, limits) : size;
  const [, width, height] = text?.match(/^\s*(\d+)\s*[x×]\s*(\d+)\s*$/i) ?? [];
  return Number(width) && Number(height) ? { width: Number(width), height: Number(height) } : fallback;
}

/** The size that the start image gives; null until its own size is read. */
function resultOf(image, { base }) {
  const size = image && sizeOf(image);
  return size ? resizedTo(...size, base) : null;
}

export function Size({ limits, canResize }) {
  const { values, files } = form.get(), { size, resize_to_image: isResized } = values, standard = `${limits.default_width}x${limits.default_height}`;
  const result = resultOf(files.image, limits), shown = isResized ? result : size || standard;
  const hint = isResized && result ? t("resize_result", { size: result }) : t("size_hint", { min: limits.min_side, max: limits.max_side, pixels: limits.max_pixels.toLocaleString("en") });
  return html`<${Field} name="size" hint=${hint} className="size">
    <div class="chips" role="group" aria-label=${t("shapes")}>
      ${sizesOf(limits).map((one) => html`<button type="button" class="chip shape" disabled=${isResized} aria-pressed=${shown === one.size} title=${one.size}
        onClick=${() => edit({ size: one.size })}><i style=${iconOf(one)}></i>${one.shape}</button>`)}
      <input ...${controlOf("size", true)} class="short" disabled=${isResized} value=${isResized ? result ?? "" : size} placeholder=${standard}
        onInput=${(event) => edit({ size: event.target.value })} />
    </div>
    ${canResize && html`<label class="tick"><input id="resize_to_image" type="checkbox" disabled=${!files.image} checked=${isResized}
      onChange=${(event) => edit({ resize_to_image: event.target.checked })} /> ${t("resize")}
      ${!files.image ? html`<small>${t("resize_needs")}</small>` : result && !isResized && html`<small>${result}</small>`}</label>`}
  <//>`;
}

const ICON_REM = 0.9;

function iconOf({ width, height }) {
  const scale = ICON_REM / Math.max(width, height);
  return { width: `${width * scale}rem`, height: `${height * scale}rem` };
}
