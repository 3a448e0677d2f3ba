// The prompt, with what the model does not know of it.

import { edit, form } from "../../state/form.js";
import { isForeign, unknownWords, wordsOf } from "../../state/models.js";
import { hasText, t } from "../../text/text.js";
import { html, useEffect, useRef } from "../../vendor/preact.js";
import { controlOf, Field } from "./field.js";

const MAX_LINES_PX = 240;
const OF_SENTENCES = ["wordings", "others"]; // not for a choice of single words

export function Prompt({ model }) {
  const { prompt } = form.get().values, area = useRef(null);
  useEffect(() => grow(area.current), [prompt]);
  return html`<${Field} name="prompt" hint=${t("prompt_hint")}>
    <textarea ...${controlOf("prompt", true)} ref=${area} rows="3" placeholder=${t("prompt_placeholder")} value=${prompt}
      onInput=${(event) => edit({ prompt: event.target.value })}></textarea>
    <${Advice} prompt=${prompt} model=${model} />
    <${Words} model=${model} />
  <//>`;
}

/** The area is as high as its text. */
function grow(area) {
  area.style.height = "auto";
  area.style.height = `${Math.min(area.scrollHeight + 2, MAX_LINES_PX)}px`;
}

function Advice({ prompt, model }) {
  const unknown = unknownWords(prompt, model);
  return html`<div class="advice" role="status">
    ${isForeign(prompt) ? html`<p>${t("english_only")}</p>` : unknown.length > 0 && html`<p>${t("warning_unknown_words", { model: model.id, words: unknown.join(", ") })}</p>`}
  </div>`;
}

/** The known words; each one is a button that adds it to the prompt. */
function Words({ model }) {
  const kinds = wordsOf(model).filter(([kind]) => !OF_SENTENCES.includes(kind));
  if (!kinds.length) return null;
  const add = (word) => edit({ prompt: `${form.get().values.prompt.trimEnd()} ${word}`.trimStart() });
  return html`<details class="words"><summary>${t("known_words")}</summary>
    ${kinds.map(([kind, words]) => html`<p>${kind && html`<span class="kind">${hasText(`kind_${kind}`) ? t(`kind_${kind}`) : kind}</span>`}
      ${words.map((word) => html`<button type="button" class="chip" onClick=${() => add(word)}>${word}</button>`)}</p>`)}
  </details>`;
}
