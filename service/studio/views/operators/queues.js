// The queues of the models: what waits and runs, and whether an operator has paused it.

import { hasText, t, timeText } from "../../text/text.js";
import { html, useState } from "../../vendor/preact.js";

export function Queues({ queues, pause, resume }) {
  return html`<section aria-labelledby="queues-title"><h3 id="queues-title">${t("queues")}</h3>
    <ul class="entries">${queues.map((queue) => html`<${Queue} key=${queue.model} queue=${queue} pause=${pause} resume=${resume} />`)}</ul></section>`;
}

function Queue({ queue, pause, resume }) {
  const { model, waiting, running, live_workers: workers, wait_s: wait, reason, paused } = queue, [why, setWhy] = useState("");
  const state = reason ? (hasText(`idle_${reason}`) ? t(`idle_${reason}`) : reason) : t("queue_open");
  return html`<li>
    <p class="bar"><strong>${model}</strong> <span class=${reason ? "mark warn" : "mark"}>${state}</span></p>
    <p class="hint">${t("queue_facts", { waiting, running, workers })}${wait ? ` · ${t("queue_wait", { time: timeText(wait) })}` : ""}</p>
    ${paused?.reason && html`<p class="hint">${t("paused_because", { reason: paused.reason })}</p>`}
    ${paused
      ? html`<button type="button" class="small" aria-label=${t("resume_queue", { model })} onClick=${() => resume(model)}>${t("resume")}</button>`
      : html`<form class="row" onSubmit=${(event) => (event.preventDefault(), pause(model, why), setWhy(""))}>
          <input aria-label=${t("pause_reason", { model })} placeholder=${t("pause_why")} value=${why} maxlength="200" onInput=${(event) => setWhy(event.target.value)} />
          <button type="submit" class="small" aria-label=${t("pause_queue", { model })}>${t("pause")}</button></form>`}
  </li>`;
}
