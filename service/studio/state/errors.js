// Errors in the words of the page: what the field accepts, and the nearest value that works.

import { Refused } from "../api/client.js";
import { refusalText } from "../text/service/text.js";
import { hasText, t } from "../text/text.js";

export { fieldOf } from "../text/service/text.js";

const FEWEST_STEPS = { pndm: 4 }, MOST_STEPS = { lcm: 50 };
const OWN_RULES = ["prompt", "size", "length", "seed", "num_inference_steps", "guidance_scale", "strength", "image", "draft"];
const PLAIN_CODES = ["invalid_request", "invalid_size", "invalid_seconds", "invalid_shots", "unsupported_image"];
// Reasons that say more than the rule of their field
const OWN_REASONS = ["prompt:too_many_characters", "strength:strength_too_low", "strength:strength_keeps_nothing", "seed:seed_without_room", "length:image_for_one_frame"];

/** The text of an error. A field of the page has a sentence of its own. */
export function fieldText(error, field, limits, values) {
  if (!(error instanceof Refused)) return t("no_answer");
  if (error.status === 401) return t("error_key");
  if (!error.code) return t(error.status === 413 ? "too_large" : "http_status", { n: error.status });
  if (!hasOwnRule(error, field) || !limits) return refusalText(error);
  const sentence = t(`error_${field}`, bounds(limits, values)), { nearest } = error.values ?? {};
  return nearest === undefined ? sentence : `${sentence} ${t("nearest", { value: nearest })}`;
}

function hasOwnRule({ code, reason, param }, field) {
  if (!OWN_RULES.includes(field) || !PLAIN_CODES.includes(code) || !hasText(`error_${field}`)) return false;
  return !OWN_REASONS.includes(`${field}:${reason}`) && (field !== "draft" || param === "draft.steps");
}

function bounds({ min_side: min, max_side: max, max_pixels: pixels, longest, longestSeconds, ...limits }, { scheduler, num_inference_steps: steps }) {
  const name = scheduler || limits.default_scheduler;
  const most = Math.min(limits.max_inference_steps, MOST_STEPS[name] ?? Infinity);
  return { min, max, pixels: pixels.toLocaleString("en"), frames: longest, seconds: longestSeconds, least: FEWEST_STEPS[name] ?? 1, most, last: (Number(steps) || limits.default_num_inference_steps) - 1 };
}

/** The text of an error of a shot: `shot` as `shotOf` has it. */
export function shotText(error, { n, name }, limits, values) {
  if (name === "length" && error.reason !== "film_too_long" && error instanceof Refused) {
    const text = t("error_shot_length", { n, seconds: limits?.longestSeconds, frames: limits?.longest });
    const { nearest } = error.values ?? {};
    return nearest === undefined ? text : `${text} ${t("nearest", { value: nearest })}`;
  }
  return fieldText(error, ["prompt", "seed"].includes(name) ? name : null, limits, values);
}

/** A message for errors without a field. */
export const messageOf = (error) => fieldText(error, null, null, {});
