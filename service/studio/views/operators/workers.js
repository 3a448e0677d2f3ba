// The workers: what each one does, and its drain.

import { hasText, t } from "../../text/text.js";
import { html, useState } from "../../vendor/preact.js";

export function Workers({ workers, drain }) {
  return html`<section aria-labelledby="workers-title"><h3 id="workers-title">${t("workers")}</h3>
    ${workers.length ? html`<ul class="entries">${workers.map((worker) => html`<${Worker} key=${worker.name} worker=${worker} drain=${drain} />`)}</ul>` : html`<p class="hint">${t("no_workers")}</p>`}</section>`;
}

/** A drain ends the worker, so that it takes a second click. */
function Worker({ worker, drain }) {
  const { name, state, models, host, version, video_id: video, drain: asked } = worker, [isSure, setSure] = useState(false);
  const start = () => (isSure ? (setSure(false), drain(name)) : setSure(true));
  const facts = [models.join(", "), host, version, video].filter(Boolean).join(" · ");
  return html`<li>
    <p class="bar"><strong>${name}</strong> <span class=${["idle", "busy"].includes(state) ? "mark" : "mark warn"}>${hasText(`worker_${state}`) ? t(`worker_${state}`) : state}</span></p>
    <p class="hint">${facts}</p>
    ${asked ? html`<${Drain} state=${asked.state} />` : !["lost", "unknown"].includes(state) && html`<button type="button" class="small ${isSure ? "danger" : ""}"
      aria-label=${t(isSure ? "drain_sure" : "drain_worker", { name })} onBlur=${() => setSure(false)} onClick=${start}>${t(isSure ? "drain_now" : "drain")}</button>`}
  </li>`;
}

const Drain = ({ state }) => html`<p class="hint" role="status">${hasText(`drain_${state}`) ? t(`drain_${state}`) : state}</p>`;
