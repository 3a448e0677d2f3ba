// Several videos side by side.

import { isOver } from "../../api/videos.js";
import { t } from "../../text/text.js";
import { html } from "../../vendor/preact.js";
import { crisp } from "../thumbnail.js";
import { Player } from "./frame.js";
import { standing } from "./status.js";

export function Board({ ids, records }) {
  return html`<ul class="board" data-count=${ids.length}>
    ${ids.map((id) => html`<li key=${id}><${Place} record=${records[id]} id=${id} /></li>`)}
  </ul>`;
}

function Place({ record, id }) {
  if (!record) return html`<div class="frame running"><progress aria-label=${t("progress")}></progress></div>`;
  const { width, height, seed, progress, state } = record;
  return html`<div class="frame ${isOver(record) ? "" : "running"} ${crisp(record)}" style=${{ "--ratio": width / height }}>
      ${record.url ? html`<${Player} record=${record} />` : !isOver(record) && html`<progress max="100" value=${state === "running" ? progress : undefined} aria-label=${t("progress")}></progress>`}
    </div>
    <a href="#${id}">${t("seed")} ${seed}<small>${standing(record)}</small></a>`;
}
