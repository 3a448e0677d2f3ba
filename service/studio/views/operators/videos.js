// The waiting videos of the key with their priority, and the usage of the key in this month.

import { t } from "../../text/text.js";
import { html } from "../../vendor/preact.js";

const PRIORITIES = ["high", "normal", "low"];

export function Waiting({ videos, change }) {
  return html`<section aria-labelledby="waiting-title"><h3 id="waiting-title">${t("waiting")}</h3>
    ${videos.length ? html`<ul class="entries">${videos.map(({ id, prompt, priority, queue }) => html`<li key=${id}>
      <p class="clamped">${prompt}</p>
      <label class="row"><span class="hint">${queue ? t("place_n", { n: queue.position }) : ""}</span><span class="hidden">${t("priority_of", { prompt })}</span>
        <select value=${priority} onChange=${(event) => change(id, event.target.value)}>${PRIORITIES.map((one) => html`<option value=${one}>${t(`priority_${one}`)}</option>`)}</select></label>
    </li>`)}</ul>` : html`<p class="hint">${t("none_waiting")}</p>`}</section>`;
}

export function Usage({ usage: { data, total, from, to } }) {
  const rows = [...data.map((row) => [row.model, row]), [t("total"), total]];
  return html`<section aria-labelledby="usage-title"><h3 id="usage-title">${t("usage")}</h3>
    <p class="hint">${t("usage_of", { from, to })}</p>
    <div class="scrolls" tabIndex="0" role="group" aria-labelledby="usage-title"><table><thead><tr>${["model", "videos", "usage_steps", "usage_seconds"].map((name) => html`<th scope="col">${t(name)}</th>`)}</tr></thead>
      <tbody>${rows.map(([name, row]) => html`<tr><th scope="row">${name}</th><td>${row.videos}</td><td>${row.steps}</td><td>${Math.round(row.compute_seconds)}</td></tr>`)}</tbody></table></div></section>`;
}
