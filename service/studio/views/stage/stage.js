// The stage: examples at first, then one video, or several side by side.

import { isOver } from "../../api/videos.js";
import { stage } from "../../state/stage.js";
import { useStore } from "../../state/store.js";
import { failureText } from "../../text/service/text.js";
import { t } from "../../text/text.js";
import { html } from "../../vendor/preact.js";
import { Later } from "../later.js";
import { Actions } from "./actions.js";
import { Board, BoardTools } from "./board.js";
import { Details } from "./details.js";
import { Frame } from "./frame.js";
import { detailOf, standing } from "./status.js";
import { Timeline } from "./timeline.js";
import { Welcome } from "./welcome.js";

export function Stage() {
  const state = useStore(stage), { ids, records, pending, detail, timeline, isWatching, isWiping } = state;
  const record = ids.length === 1 ? records[ids[0]] : null, pair = pairOf(ids, records);
  return html`<section id="stage" aria-label=${t("stage")} tabIndex="-1">
    <${Content} state=${state} pair=${pair} />
    <div class="below">
      <div class="standing">
        <p id="status" role="status">${statusOf(state, record, pair)}</p>
        <p id="detail" class="hint">${detail || (record && detailOf(record))}</p>
      </div>
      ${!pending && record && html`<${Failure} record=${record} /><${Actions} record=${record} isWatching=${isWatching} />
        <${Timeline} record=${record} chain=${timeline} /><${Details} key=${record.id} record=${record} />`}
      ${!pending && ids.length > 1 && html`<${BoardTools} canWipe=${Boolean(pair)} isWiping=${isWiping} />`}
      <${Milestone} record=${record} />
    </div>
  </section>`;
}

/** Examples, one frame, several side by side, or two in one frame. */
function Content({ state: { ids, records, pending, preview, isWatching, isWiping }, pair }) {
  if (!ids.length && !pending) return html`<${Welcome} />`;
  if (pending || ids.length === 1) return html`<${Frame} record=${pending ? null : records[ids[0]]} pending=${pending} preview=${preview} isWatching=${isWatching} />`;
  if (pair && isWiping) return html`<${Later} key=${ids.join()} name="wipe" records=${pair} />`;
  return html`<${Board} ids=${ids} records=${records} />`;
}

/** The state in words; while the service does not respond, as the last known one. */
function statusOf({ ids, pending, message, detail, isWiping }, record, pair) {
  if (pending) return t("state_sending");
  if (ids.length > 1) return pair && isWiping ? t("wiped") : t("compared", { n: ids.length });
  if (!record) return message;
  return detail && !isOver(record) ? t("last_known", { text: standing(record) }) : standing(record);
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
