// What a video was made with, and its warnings.

import { warningText } from "../../text/service/text.js";
import { t, timeText } from "../../text/text.js";
import { html, useState } from "../../vendor/preact.js";
import { lengthOf } from "./status.js";

const LONG_CHARS = 180;

export function Details({ record }) {
  const { prompt, warnings, size, seed, model, inference_time_s: took } = record;
  const facts = [
    [t("fact_length"), lengthOf(record)], [t("size"), size], [t("seed"), seed], [t("num_inference_steps"), record.num_inference_steps],
    ...(record.draft ? [[t("fact_draft"), t("fact_draft_is", { n: record.draft.steps, total: record.num_inference_steps })]] : []),
    [t("guidance_scale"), record.guidance_scale], [t("scheduler"), record.scheduler], [t("model"), model],
    ...(record.quality === "fast" ? [[t("quality"), t("quality_fast")]] : []),
    ...(record.loras.length ? [[t("loras"), record.loras.map(({ name, scale }) => `${name} ${scale}`).join(", ")]] : []),
    ...(record.negative_prompt ? [[t("negative_prompt"), record.negative_prompt]] : []),
    ...(record.windows_reused ? [[t("fact_windows"), t("fact_windows_are", { made: record.windows_made, reused: record.windows_reused })]] : []),
    ...(took ? [[t("fact_took"), took < 120 ? `${took.toFixed(1)} s` : timeText(took)]] : []),
  ];
  return html`<div class="details">
    ${warnings.length > 0 && html`<ul id="warnings" class="warnings" aria-label=${t("warnings")}>${warnings.map((text, n) => html`<li><${Clamped} text=${warningText(text, record.warning_codes[n])} /></li>`)}</ul>`}
    <p class="quote"><${Clamped} text=${prompt} /></p>
    <dl id="facts">${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
  </div>`;
}

/** A text of three lines, and a button for the rest. */
function Clamped({ text }) {
  const [isOpen, setOpen] = useState(false);
  if (text.length <= LONG_CHARS) return text;
  return html`<span class=${isOpen ? "" : "clamped"}>${text}</span> <button type="button" class="link" aria-expanded=${isOpen} onClick=${() => setOpen(!isOpen)}>${t(isOpen ? "show_less" : "show_all")}</button>`;
}
