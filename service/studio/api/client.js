// Requests to the API. Addresses are relative to the page: a proxy may serve all of it below a path.

import { isKeyRemembered, keepKey, readKey } from "../state/settings.js";
import { createStore } from "../state/store.js";

const RETRY_MS = 1000, TRIES = 4, GATEWAY_ERRORS = [502, 503, 504];
export const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** An error response: message, code and field; where it has one, the reason with its values. */
export class Refused extends Error {
  constructor(status, { error: { message, code, param } = {}, reason, values } = {}) {
    super(message ?? `HTTP ${status}`);
    Object.assign(this, { status, code, param, reason, values });
  }
}

/** No answer, or one of a proxy in place of the service. */
export class NoAnswer extends Error {}

/** The key dialog: whether it is open, whether the last key was wrong, and whether the service has asked for one. */
export const login = createStore({ isOpen: false, isWrong: false, hasKey: readKey() !== null });

let key = readKey(), pending = null, isDismissed = false;

/** Opens the dialog and returns whether a key was entered. After a dismissal it opens at the next action only. */
export function requestKey(isWrong = false) {
  if (isDismissed) return Promise.resolve(false);
  pending ??= new Promise((done) => login.set({ isOpen: true, isWrong, done }));
  return pending;
}

/** The dialog can open again. */
export const allowLogin = () => (isDismissed = false);

/** Ends the dialog; an empty key is a dismissal. */
export function enterKey(entered, remembers = isKeyRemembered()) {
  const { done } = login.get();
  if (entered) keepKey((key = entered), remembers);
  [pending, isDismissed] = [null, !entered];
  login.set({ isOpen: false, hasKey: true, done: null });
  done?.(Boolean(entered));
}

/** The response to a request. Raises Refused for an error response, and NoAnswer. */
export async function call(path, options = {}) {
  const used = key, headers = { ...options.headers, ...(key && { Authorization: `Bearer ${key}` }) };
  const response = await answerOf(path, { ...options, headers });
  if (response.ok) return response;
  if (response.status === 401 && (key !== used || (await requestKey(Boolean(used))))) return call(path, options);
  const body = (await response.json().catch(() => null)) ?? {};
  if (GATEWAY_ERRORS.includes(response.status) && !body.error?.code) throw new NoAnswer();
  throw new Refused(response.status, body);
}

async function answerOf(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    throw error.name === "AbortError" ? error : new NoAnswer();
  }
}

/** A value of JSON. A whole number that JavaScript would round, such as a large seed, is its text. */
export const parse = (text) =>
  JSON.parse(text, (_, value, context) => (typeof value === "number" && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source) ? context.source : value));

export const read = async (path, options) => parse(await (await call(path, options)).text());

/** POST with an Idempotency-Key: a retry after a lost response creates no second video. */
export async function send({ path, fields }) {
  const isForm = Object.values(fields).some((value) => value instanceof Blob);
  const headers = { "Idempotency-Key": crypto.getRandomValues(new Uint32Array(4)).join("-") };
  if (!isForm) headers["Content-Type"] = "application/json";
  const body = isForm ? formData(fields) : JSON.stringify(fields);
  for (let tried = 1; ; tried++) {
    try {
      return await read(path, { method: "POST", headers, body });
    } catch (error) {
      const isUnknown = !(error instanceof Refused) || error.code === "idempotency_in_flight";
      if (tried === TRIES || !isUnknown) throw error;
      await pause(RETRY_MS * tried);
    }
  }
}

function formData(fields) {
  const data = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    if (value instanceof Blob) data.append(name, value, value.name ?? `${name}.png`);
    else data.append(name, typeof value === "object" ? JSON.stringify(value) : value);
  }
  return data;
}
