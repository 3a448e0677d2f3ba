// The length: a slider with a mark at the end of each window, and a number in seconds or frames.

import { edit, form } from "../../state/form.js";
import { framesOf, secondsOf, windowMarks, windowsOf } from "../../state/models.js";
import { t } from "../../text/text.js";
import { html } from "../../vendor/preact.js";
import { controlOf, Field } from "./field.js";

const SLICE = 8;

export function Length({ limits }) {
  const { mode, values: { length, unit } } = form.get(), { default_num_frames: standard, fps, sliderFrames } = limits;
  const frames = framesOf(length, unit, limits) ?? standard, fewest = mode === "extend" ? SLICE : 0;
  const show = (count) => String(unit === "seconds" ? secondsOf(count, limits) : count);
  const slide = ({ target }) => edit({ length: show(Math.max(1, Number(target.value))) });
  const turn = ({ target }) => edit({ unit: target.value, length: length.trim() ? String(target.value === "seconds" ? secondsOf(frames, limits) : frames) : "" });
  return html`<${Field} name="length" hint=${hintOf(frames, limits)}>
    <div class="row length">
      <div class="slider">
        <input type="range" aria-label=${t("length_slider")} aria-valuetext=${hintOf(frames, limits)} min=${fewest} max=${sliderFrames} step=${SLICE}
          value=${Math.min(frames === 1 ? 0 : frames, sliderFrames)} onInput=${slide} />
        <div class="marks" aria-hidden="true">${windowMarks(limits).map((end) => html`<i style=${{ left: `${((end - fewest) / (sliderFrames - fewest)) * 100}%` }}></i>`)}</div>
      </div>
      <span class="joined">
        <input ...${controlOf("length", true)} inputmode="decimal" value=${length} placeholder=${show(standard)} onInput=${(event) => edit({ length: event.target.value })} />
        <select aria-label=${t("unit")} value=${unit} onChange=${turn}>
          <option value="seconds">${t("unit_s")}</option><option value="num_frames">${t("unit_frames")}</option></select>
      </span>
    </div>
  <//>`;
}

function hintOf(frames, limits) {
  const count = windowsOf(frames, limits), windows = count === 1 ? t("one_window") : t("windows", { n: count });
  const length = frames === 1 ? t("an_image") : t("length_is", { frames, seconds: secondsOf(frames, limits), windows });
  return t("length_hint", { length, seconds: limits.longestSeconds, fps: limits.fps });
}
