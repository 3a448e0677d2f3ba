// What the service says, by its codes: in the words of the page where it has some, else in those of the service.

import { hasText, t, textOf } from "../text.js";

const LABEL_OF = { input_reference: "image", width: "size", height: "size", seconds: "length", num_frames: "length", lora: "loras", n: "count" };
const LABELS = ["num_inference_steps", "guidance_scale", "negative_prompt", "resize_to_image", "num_frames", "last_image", "input_reference"];
const HAS_OPERATORS_WORDS = ["moderation_refused"];

/** The field of the page for a parameter of the API, such as `loras` for `loras[0].scale`. */
export function fieldOf(param) {
  const name = param?.split(/[.[]/)[0];
  return name ? LABEL_OF[name] ?? name : null;
}

/** The label of a parameter of the API, such as "End image" for `shots[0].last_image`. */
function labelOf(param) {
  const name = fieldOf(param?.replace(/^shots\[\d+\]\.?/, ""));
  return name && hasText(name) ? t(name) : param ?? t("request");
}

/** A refusal by its reason, then by its code; else the sentence of the service with the labels of the page. */
export function refusalText({ code, reason, values, param, message }) {
  const { side, field, nearest } = values ?? {};
  const words = { ...values, param: labelOf(param), side: side && t(side), field: field && labelOf(field) };
  const text = (reason && textOf(`reason_${reason}`, words)) ?? codeText("problem", code, message) ?? labelled(message);
  return nearest === undefined ? text : `${text} ${t("nearest", { value: nearest })}`;
}

/** Why a video has failed. */
export const failureText = ({ code, message }) => codeText("failure", code, message) ?? message;

/** A warning of a record: `text` of the service, and what it says. */
export function warningText(text, { code, shot, values }) {
  const idle = values.reason && textOf(`idle_${values.reason}`);
  const words = textOf(`warning_${code}`, { ...values, param: labelOf(values.param), reason: idle ?? values.reason });
  if (words === null) return text;
  return shot === null ? words : t("shot", { n: shot + 1, prompt: words });
}

/** What a model makes: in the words of the page for the models of this project, else in those of its card. */
export const modelText = ({ id, card }) => textOf(`model_${id.replace(/\W/g, "_")}`) ?? card.description;

function codeText(kind, code, message) {
  const text = textOf(`${kind}_${code}`);
  return text !== null && HAS_OPERATORS_WORDS.includes(code) ? `${text} (${message})` : text;
}

function labelled(message) {
  const text = LABELS.reduce((words, name) => (hasText(name) ? words.replaceAll(name, t(name)) : words), message);
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
}
