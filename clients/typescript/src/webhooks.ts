/** Verification of webhooks (https://www.standardwebhooks.com) by WebCrypto. */
import { WebhookVerificationFailed } from "./errors.js";
import type { WebhookEvent } from "./types.js";

const TOLERANCE_S = 300;
const MIN_KEY_BYTES = 24;

export interface VerifyOptions {
  /** How far the timestamp may be from the clock. */
  toleranceS?: number;
  /** The clock in unix seconds. */
  now?: number;
}

/**
 * The event of a webhook of the service. `body` is the body as received, `secrets` one secret, or several while one is
 * rotated. Throws WebhookVerificationFailed.
 */
export async function verifyWebhook(
  body: string | Uint8Array,
  headers: Headers | Record<string, string | string[] | undefined>,
  secrets: string | readonly string[],
  options: VerifyOptions = {},
): Promise<WebhookEvent> {
  const { toleranceS = TOLERANCE_S, now = Date.now() / 1000 } = options;
  const keys = (typeof secrets === "string" ? [secrets] : secrets).map(keyOf);
  const [id, stamp, signatures] = ["webhook-id", "webhook-timestamp", "webhook-signature"].map((name) =>
    header(headers, name),
  ) as [string, string, string];
  if (!/^\d+$/.test(stamp)) throw new WebhookVerificationFailed("the timestamp of the webhook is no number");
  if (Math.abs(now - Number(stamp)) > toleranceS) {
    throw new WebhookVerificationFailed("the timestamp of the webhook is too old or too new");
  }
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
  const signed = joined(new TextEncoder().encode(`${id}.${stamp}.`), bytes);
  const received = signatures.split(" ").map(signatureOf);
  const subtle = await webCrypto();
  for (const key of keys) {
    const imported = await subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
    for (const signature of received) {
      if (await subtle.verify("HMAC", imported, signature, signed)) {
        return JSON.parse(new TextDecoder().decode(bytes)) as WebhookEvent;
      }
    }
  }
  throw new WebhookVerificationFailed("no signature of the webhook is valid");
}

/** WebCrypto; in Node 18 it is not global. */
async function webCrypto(): Promise<SubtleCrypto> {
  if (globalThis.crypto) return globalThis.crypto.subtle;
  const name = "node:crypto"; // a variable, so that bundlers for browsers leave it alone
  return ((await import(name)) as { webcrypto: Crypto }).webcrypto.subtle;
}

function header(headers: Headers | Record<string, string | string[] | undefined>, name: string): string {
  const entries = headers instanceof Headers ? [...headers.entries()] : Object.entries(headers);
  const value = entries.find(([other]) => other.toLowerCase() === name)?.[1];
  if (typeof value !== "string" || value === "") throw new WebhookVerificationFailed(`the webhook has no header ${name}`);
  return value;
}

/** The key of a secret. An empty one is refused, since anybody could sign with it. */
function keyOf(secret: string): Uint8Array<ArrayBuffer> {
  const key = base64(secret.replace(/^whsec_/, ""));
  if (key === null) throw new TypeError("a secret is whsec_ and base64");
  if (key.length < MIN_KEY_BYTES) throw new TypeError(`a secret has at least ${MIN_KEY_BYTES} bytes, not ${key.length}`);
  return key;
}

/** The bytes of one `v1,…`; empty for other versions and for text that is no base64. */
function signatureOf(part: string): Uint8Array<ArrayBuffer> {
  return (part.startsWith("v1,") && base64(part.slice(3))) || new Uint8Array(0);
}

function base64(text: string): Uint8Array<ArrayBuffer> | null {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return null;
  }
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
