// Several videos side by side.

import { isDraft, isOver } from "../../api/videos.js";
import { fillScreen, promote } from "../../state/actions.js";
import { gallery, promotionOf } from "../../state/gallery.js";
import { stage } from "../../state/stage.js";
import { useStore } from "../../state/store.js";
import { t } from "../../text/text.js";
import { html } from "../../vendor/preact.js";
import { Icon } from "../icons.js";
import { crisp } from "../thumbnail.js";
import { Player } from "./frame.js";
import { standing } from "./status.js";

export function Board({ ids, records }) {
  return html`<ul class="board" data-count=${ids.length}>
    ${ids.map((id) => html`<li key=${id}><${Place} record=${records[id]} id=${id} /></li>`)}
  </ul>`;
}

/** Two finished videos can share one frame, and all together can fill the screen. */
export function BoardTools({ canWipe, isWiping }) {
  const fill = () => fillScreen("#screen, .board");
  return html`<div class="row">
    ${canWipe && html`<button type="button" class="small" aria-pressed=${isWiping} title=${t("wipe_hint")} onClick=${() => stage.set({ isWiping: !isWiping })}><${Icon} name="wipe" />${t("wipe")}</button>`}
    ${document.fullscreenEnabled && html`<button type="button" class="small" onClick=${fill}>${t("fullscreen")}</button>`}
  </div>`;
}

function Place({ record, id }) {
  if (!record) return html`<div class="frame running"><progress aria-label=${t("progress")}></progress></div>`;
  const { width, height, seed, progress, state } = record;
  return html`<div class="frame ${isOver(record) ? "" : "running"} ${crisp(record)}" style=${{ "--ratio": width / height }}>
      ${record.url ? html`<${Player} record=${record} />` : !isOver(record) && html`<progress max="100" value=${state === "running" ? progress : undefined} aria-label=${t("progress")}></progress>`}
    </div>
    <a href="#${id}">${t("seed")} ${seed}${state !== "draft" && html`<small>${standing(record)}</small>`}</a>
    ${isDraft(record) && record.url && html`<${Finish} record=${record} />`}`;
}

/** The button that finishes a draft, or the link to the video that did. */
function Finish({ record }) {
  useStore(gallery);
  const { seed } = record, finished = promotionOf(record);
  if (finished) return html`<a class="button small" href="#${finished.id}" aria-label=${t("open_finished_seed", { seed })}>${t("open_finished")}</a>`;
  return html`<button type="button" class="small" aria-label=${t("finish_seed", { seed })} onClick=${() => promote(record)}>${t("finish")}</button>`;
}
