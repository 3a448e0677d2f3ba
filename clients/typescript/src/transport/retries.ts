/** Which requests are sent again, and when. */
import { ApiError, ConnectionFailed } from "../errors.js";

const FIRST_DELAY_MS = 500;
const MAX_DELAY_MS = 8_000;
const MAX_ADVISED_MS = 120_000; // the service advises at most 60 s; a longer wait is left to the caller
const DEFAULT_POLL_MS = 1_000;
const MIN_POLL_MS = 50;
const RETRIED_STATUSES = new Set([408, 425, 429, 500, 502, 503, 504]);
const NOT_EXECUTED_STATUSES = new Set([425, 429, 503]); // of these the service has done nothing

/**
 * Milliseconds until the next try, or null if there is none. `tries` counts those before. `isRepeatable` means that a
 * second execution changes nothing; other requests are repeated only if the first was certainly not executed.
 */
export function retryDelayMs(error: unknown, tries: number, maxRetries: number, isRepeatable: boolean): number | null {
  if (tries > maxRetries || !mayRetry(error, isRepeatable)) return null;
  const advised = error instanceof ApiError ? advisedMs(error.headers) : null;
  if (advised === null) return (0.5 + Math.random() / 2) * Math.min(FIRST_DELAY_MS * 2 ** (tries - 1), MAX_DELAY_MS);
  return advised <= MAX_ADVISED_MS ? advised + Math.random() * 100 : null;
}

/** The milliseconds of `Retry-After`, which may be a number or a date; null without a valid one. */
export function advisedMs(headers: Headers): number | null {
  const value = headers.get("retry-after")?.trim() ?? "";
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  const time = value.endsWith("GMT") ? Date.parse(value) : NaN; // Date.parse reads "-1" as a year
  return Number.isNaN(time) ? null : Math.max(0, time - Date.now());
}

/** The milliseconds until the next poll, as the service advises. */
export function pollDelayMs(headers: Headers): number {
  const value = headers.get("openai-poll-after-ms") ?? "";
  const advised = /^\d+$/.test(value) ? Number(value) : (advisedMs(headers) ?? DEFAULT_POLL_MS);
  return Math.min(Math.max(advised, MIN_POLL_MS), MAX_ADVISED_MS);
}

/** Waits; ends early with the reason of the signal. */
export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

function mayRetry(error: unknown, isRepeatable: boolean): boolean {
  if (error instanceof ConnectionFailed) return isRepeatable || !error.isSent;
  if (!(error instanceof ApiError) || error.headers.get("x-should-retry") === "false") return false;
  if (error.code === "idempotency_in_flight") return true;
  return (isRepeatable ? RETRIED_STATUSES : NOT_EXECUTED_STATUSES).has(error.status);
}
