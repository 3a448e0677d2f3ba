// The stage: examples at first, then one video, or several side by side.

import { isOver } from "../../api/videos.js";
import { stage } from "../../state/stage.js";
import { useStore } from "../../state/store.js";
import { failureText } from "../../text/service/text.js";
import { t } from "../../text/text.js";
import { html } from "../../vendor/preact.js";
import { Icon } from "../icons.js";
import { Later } from "../later.js";
import { Actions } from "./actions.js";
import { Board } from "./board.js";
import { Details } from "./details.js";
import { Frame } from "./frame.js";
import { detailOf, standing } from "./status.js";
import { Timeline } from "./timeline.js";
import { Welcome } from "./welcome.js";

export function Stage() {
  const { ids, records, preview, message, detail, pending, timeline, isWatching, isWiping } = useStore(stage);
  const record = ids.length === 1 ? records[ids[0]] : null, isEmpty = !ids.length && !pending;
  const known = record && standing(record), isOld = detail && record && !isOver(record), pair = pairOf(ids, records);
  const status = pending ? t("state_sending") : record ? (isOld ? t("last_known", { text: known }) : known) : pair && isWiping ? t("wiped") : ids.length > 1 ? t("compared", { n: ids.length }) : message;
  return html`<section id="stage" aria-label=${t("stage")} tabIndex="-1">
    ${isEmpty ? html`<${Welcome} />` : pair && isWiping && !pending ? html`<${Later} key=${ids.join()} name="wipe" records=${pair} />` : ids.length > 1 && !pending ? html`<${Board} ids=${ids} records=${records} />`
      : html`<${Frame} record=${pending ? null : record} pending=${pending} preview=${preview} isWatching=${isWatching} />`}
    <div class="below">
      <div class="standing">
        <p id="status" role="status">${status}</p>
        <p id="detail" class="hint">${detail || (record && detailOf(record))}</p>
      </div>
      ${!pending && record && html`<${Failure} record=${record} /><${Actions} record=${record} isWatching=${isWatching} />
        <${Timeline} record=${record} chain=${timeline} /><${Details} key=${record.id} record=${record} />`}
      ${!pending && pair && html`<div class="row"><button type="button" class="small" aria-pressed=${isWiping} title=${t("wipe_hint")} onClick=${() => stage.set({ isWiping: !isWiping })}><${Icon} name="wipe" />${t("wipe")}</button></div>`}
      <${Milestone} record=${record} />
    </div>
  </section>`;
}

/** Two finished videos, which can share one frame; null for others. */
function pairOf(ids, records) {
  const pair = ids.map((id) => records[id]);
  return pair.length === 2 && pair.every((record) => record?.url) ? pair : null;
}

function Failure({ record: { error, state } }) {
  if (!error || state === "cancelled") return null;
  return html`<p id="failure" class="error">${failureText(error)} ${t(error.retryable ? "retry_helps" : "retry_useless")}</p>`;
}

const QUARTER = 25;

/** Screen readers hear each quarter of the progress. */
function Milestone({ record }) {
  const quarter = record && !isOver(record) ? Math.floor(record.progress / QUARTER) * QUARTER : 0;
  return html`<p class="hidden" role="status">${quarter > 0 && t("percent", { n: quarter })}</p>`;
}
