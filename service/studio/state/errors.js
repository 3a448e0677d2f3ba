// Errors in the words of the page: what the field accepts, and the nearest value that works.

import { Refused } from "../api/client.js";
import { hasText, t } from "../text/text.js";

const FIELD_OF = { input_reference: "image", width: "size", height: "size", seconds: "length", num_frames: "length", lora: "loras" };
const FEWEST_STEPS = { pndm: 4 }, MOST_STEPS = { lcm: 50 };
const LABELS = ["num_inference_steps", "guidance_scale", "negative_prompt", "resize_to_image", "num_frames", "last_image", "input_reference"];

/** The field of the page for a parameter of the API, such as `loras` for `loras[0].scale`. */
export function fieldOf(param) {
  const name = param?.split(/[.[]/)[0];
  return name ? FIELD_OF[name] ?? name : null;
}

/** The text of an error. A field of the page has a sentence of its own. */
export function fieldText(error, field, limits, values) {
  if (!(error instanceof Refused)) return t("no_answer");
  if (error.status === 401) return t("error_key");
  if (error.code === "prompt_not_understood") return t("english_only");
  const ownRules = ["prompt", "size", "length", "seed", "num_inference_steps", "guidance_scale", "strength", "image", "draft"];
  const isPlain = ["invalid_request", "invalid_size", "invalid_seconds", "unsupported_image"].includes(error.code);
  if (!ownRules.includes(field) || !isPlain || !limits || !hasText(`error_${field}`)) return plain(error.message);
  if (field === "draft" && error.param !== "draft.steps") return plain(error.message);
  if (field === "prompt" && values.prompt.trim()) return plain(error.message);
  if (field === "strength" && Number(values.strength) > 0 && Number(values.strength) <= 1) return plain(error.message);
  const [, nearest] = error.message.match(/the nearest is ([\w.]+)/) ?? [];
  const sentence = t(`error_${field}`, bounds(limits, values));
  return nearest ? `${sentence} ${t("nearest", { value: nearest })}` : sentence;
}

function bounds({ min_side: min, max_side: max, max_pixels: pixels, longest, longestSeconds, ...limits }, { scheduler, num_inference_steps: steps }) {
  const name = scheduler || limits.default_scheduler;
  const most = Math.min(limits.max_inference_steps, MOST_STEPS[name] ?? Infinity);
  return { min, max, pixels: pixels >> 10, frames: longest, seconds: longestSeconds, least: FEWEST_STEPS[name] ?? 1, most, last: (Number(steps) || limits.default_num_inference_steps) - 1 };
}

/** A message of the service with the labels of the page in place of its parameters. */
function plain(message) {
  const labelled = LABELS.reduce((text, name) => (hasText(name) ? text.replaceAll(name, t(name)) : text), message);
  return labelled.charAt(0).toUpperCase() + labelled.slice(1) + (/[.!?]$/.test(labelled) ? "" : ".");
}

/** The text of an error of a shot: `shot` as `shotOf` has it. */
export function shotText(error, { shot, n, name }, limits, values) {
  const message = error.message.replace(/^shots\[\d+\](\.\w+)?:?\s*/, "");
  if (name === "length") {
    const [, nearest] = message.match(/the nearest is ([\w.]+)/) ?? [];
    const text = t("error_shot_length", { n, seconds: limits?.longestSeconds, frames: limits?.longest });
    return nearest ? `${text} ${t("nearest", { value: nearest })}` : text;
  }
  const cause = Object.assign(new Refused(error.status, { message, code: error.code === "invalid_shots" ? "invalid_request" : error.code }));
  return fieldText(cause, ["prompt", "seed"].includes(name) ? name : null, limits, { ...values, prompt: shot.prompt });
}

/** A message for errors without a field. */
export const messageOf = (error) => fieldText(error, null, null, {});
