// The prompt, with its tokens and with what the model does not know of it.

import { countTokens } from "../../api/videos.js";
import { edit, form } from "../../state/form.js";
import { isForeign, unknownWords, wordsOf } from "../../state/models.js";
import { hasText, t } from "../../text/text.js";
import { html, useEffect, useRef, useState } from "../../vendor/preact.js";
import { controlOf, Field } from "./field.js";

const MAX_LINES_PX = 240, TYPING_MS = 400;
const OF_SENTENCES = ["wordings", "others"]; // not for a choice of single words

export function Prompt({ model }) {
  const { prompt } = form.get().values, area = useRef(null);
  useEffect(() => grow(area.current), [prompt]);
  return html`<${Field} name="prompt" hint=${t("prompt_hint")}>
    <textarea ...${controlOf("prompt", true)} ref=${area} rows="3" placeholder=${t("prompt_placeholder")} value=${prompt}
      onInput=${(event) => edit({ prompt: event.target.value })}></textarea>
    <${Tokens} prompt=${prompt} model=${model} />
    <${Advice} prompt=${prompt} model=${model} />
    <${Words} model=${model} />
  <//>`;
}

/** The area is as high as its text. */
function grow(area) {
  area.style.height = "auto";
  area.style.height = `${Math.min(area.scrollHeight + 2, MAX_LINES_PX)}px`;
}

/** The tokens of a prompt, counted by the service when the typing pauses; nothing where they are not known. */
export function Tokens({ prompt, model }) {
  const [{ tokens, limit }, setCount] = useState({}), id = model?.id, isBlank = !prompt.trim();
  useEffect(() => {
    if (isBlank || !id) return undefined;
    let isCurrent = true;
    const show = (count) => isCurrent && setCount(count);
    const timer = setTimeout(() => countTokens(id, prompt).then(show, () => show({})), TYPING_MS);
    return () => {
      isCurrent = false;
      clearTimeout(timer);
    };
  }, [prompt, id]);
  if (isBlank || !tokens || !limit) return null;
  const isOver = tokens > limit, text = t(isOver ? "tokens_over" : "tokens", { n: tokens, limit });
  return html`<p class="hint tokens ${isOver ? "warn" : ""}">${text}</p><p class="hidden" role="status">${isOver && text}</p>`;
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
