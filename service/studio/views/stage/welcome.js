// The first view: what the model makes, and examples to start from.

import { replaceDraft } from "../../state/actions.js";
import { edit, form, setMode } from "../../state/form.js";
import { examplesOf, modelOf, models } from "../../state/models.js";
import { useStore } from "../../state/store.js";
import { modelText } from "../../text/service/text.js";
import { t } from "../../text/text.js";
import { html, useEffect, useState } from "../../vendor/preact.js";
import { Icon } from "../icons.js";

const MOST = 6;

export function Welcome() {
  useStore(models);
  const model = modelOf(useStore(form).values.model), shipped = useShipped();
  const examples = withStrips(examplesOf(model), shipped, model).slice(0, MOST);
  return html`<div class="welcome">
    <h2>${t("welcome")}</h2>
    ${model && html`<p>${modelText(model)}</p>`}
    ${examples.length > 0 && html`<ul class="examples" aria-label=${t("examples")}>${examples.map((example) => html`<li key=${example.prompt}>
      <button type="button" aria-label=${t("use_example", example)} onClick=${() => use(example)}>
        <${Strip} name=${example.strip} /><span>${example.prompt}</span></button></li>`)}</ul>`}
    <p class="hint">${t("welcome_hint")}</p>
  </div>`;
}

/** The frames of an example in one row; they move while the pointer is on it. */
function Strip({ name }) {
  if (!name) return html`<i class="strip none"><${Icon} name="play" /></i>`;
  return html`<i class="strip"><img src="studio/examples/${name}" alt="" /></i>`;
}

/** The examples that come with the page: { model, examples: { prompt: { seed, strip } } }. */
function useShipped() {
  const [shipped, setShipped] = useState({ examples: {} });
  useEffect(() => {
    fetch("studio/examples/index.json").then((response) => response.json()).then(setShipped, () => {});
  }, []);
  return shipped;
}

/** The examples of the model's card with the strips of the page; without a list in the card, those of the page. */
function withStrips(examples, shipped, model) {
  if (model?.id === shipped.model && !examples.length) return Object.entries(shipped.examples).map(([prompt, one]) => ({ prompt, ...one }));
  return examples.map((example) => ({ ...shipped.examples[example.prompt], ...example }));
}

function use({ prompt, seed, num_frames: frames }) {
  replaceDraft(() => {
    setMode("new");
    edit({ prompt, seed: seed === undefined ? "" : String(seed), ...(frames && { length: String(frames), unit: "num_frames" }) });
  });
}
