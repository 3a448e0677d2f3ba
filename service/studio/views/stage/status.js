// The state of a video in words.

import { isImage, isOver } from "../../api/videos.js";
import { hasText, t, timeText } from "../../text/text.js";

/** Its state, such as "Queued, 2 before this one". */
export function standing({ state, phase, queue, cancel_requested: isLeaving }) {
  if (hasText(`state_${state}`) && state !== "queued") return t(`state_${state}`);
  if (isLeaving) return t("state_cancelling");
  if (state === "running") return hasText(`phase_${phase}`) ? t(`phase_${phase}`) : t("state_loading");
  if (queue?.reason) return t(queue.reason === "paused" ? "state_paused" : "state_unserved");
  if (!queue?.position) return t(queue ? "state_next" : "state_queued");
  return t("state_place", { n: queue.position });
}

/** Its step and the time that is left. */
export function detailOf(record) {
  const { state, step, total_steps: steps, eta_s: eta } = record;
  if (state === "draft") return t("draft_detail");
  if (isOver(record)) return "";
  const parts = state === "running" && steps ? [t("step_of", { step, steps })] : [];
  if (eta !== null) parts.push(t("left", { time: timeText(eta) }));
  return parts.join(", ");
}

/** Its length in words. */
export const lengthOf = (record) => (isImage(record) ? t("fact_image") : t("fact_length_is", { s: record.seconds, n: record.num_frames }));
