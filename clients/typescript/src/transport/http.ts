/** Requests with retries and timeouts, and answers as records or errors. */
import { ApiError, ConnectionFailed, RequestTimedOut, toError, UnexpectedAnswer } from "../errors.js";
import type { CallOptions } from "../types.js";
import { retryDelayMs, sleep } from "./retries.js";

const NOT_SENT = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "UND_ERR_CONNECT_TIMEOUT"]);

/** One request. `isRepeatable`: a second execution changes nothing. */
export interface Call extends CallOptions {
  method: "GET" | "POST" | "DELETE";
  path: string;
  body?: BodyInit;
  isRepeatable?: boolean;
  /** The longest silence, in milliseconds. */
  timeoutMs?: number;
}

export interface HttpOptions {
  url: string;
  apiKey: string | null;
  timeoutMs: number;
  maxRetries: number;
  fetch: typeof fetch;
}

export class Http {
  constructor(readonly options: HttpOptions) {}

  /** The successful answer as a record, after retries. */
  async record<Record>(call: Call): Promise<Record> {
    const { value } = await this.recordWithHeaders<Record>(call);
    return value;
  }

  /** The successful answer as a record, with its headers. */
  async recordWithHeaders<Record>(call: Call): Promise<{ value: Record; headers: Headers }> {
    const { text, response } = await this.text(call);
    try {
      const value: unknown = JSON.parse(text);
      if (typeof value === "object" && value !== null) return { value: value as Record, headers: response.headers };
    } catch {
      // not an answer of the service
    }
    throw new UnexpectedAnswer(response.status, "the answer is no JSON", null, null, response.headers);
  }

  /** The text of the successful answer, after retries. */
  async text(call: Call): Promise<{ text: string; response: Response }> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.textOnce(call);
      } catch (error) {
        await this.waitAfter(error, call, tries);
      }
    }
  }

  private async textOnce(call: Call): Promise<{ text: string; response: Response }> {
    const decoder = new TextDecoder();
    let answer = new Response();
    let text = "";
    for await (const chunk of this.chunks(call, (response) => (answer = response))) {
      text += decoder.decode(chunk, { stream: true });
    }
    return { text: text + decoder.decode(), response: answer };
  }

  /** Waits before the next try. Throws `error` if there is none. */
  async waitAfter(error: unknown, call: Call, tries: number): Promise<void> {
    if (error instanceof ApiError || error instanceof ConnectionFailed) error.tries = tries;
    const delayMs = retryDelayMs(error, tries, this.options.maxRetries, call.isRepeatable ?? true);
    if (delayMs === null) throw error;
    await sleep(delayMs, call.signal);
  }

  /** One try: the chunks of the successful answer. `begin` gets the answer before the first one. */
  async *chunks(call: Call, begin: (response: Response) => void): AsyncGenerator<Uint8Array, void> {
    const silence = new Silence(call.timeoutMs ?? this.options.timeoutMs, call.signal);
    try {
      const response = await this.send(call, silence.signal);
      if (!response.ok) throw await toError(response);
      begin(response);
      yield* silence.watch(response);
    } catch (error) {
      throw silence.explain(error);
    } finally {
      silence.end();
    }
  }

  private async send(call: Call, signal: AbortSignal): Promise<Response> {
    const { url, apiKey, fetch } = this.options;
    const headers = { ...(apiKey ? { authorization: `Bearer ${apiKey}` } : {}), ...call.headers };
    const init: RequestInit = { method: call.method, headers, signal, redirect: "manual" };
    if (call.body !== undefined) init.body = call.body;
    try {
      return await fetch(url + call.path, init);
    } catch (error) {
      throw signal.aborted ? error : connectionFailed(error);
    }
  }
}

/** Ends a request after a silence of `timeoutMs`, or with the signal of the caller. */
class Silence {
  private readonly controller = new AbortController();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private hasTimedOut = false;
  private readonly onAbort = () => this.controller.abort(this.caller?.reason);

  constructor(
    private readonly timeoutMs: number,
    private readonly caller: AbortSignal | undefined,
  ) {
    if (caller?.aborted) this.onAbort();
    caller?.addEventListener("abort", this.onAbort, { once: true });
    this.restart();
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  private restart(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.hasTimedOut = true;
      this.controller.abort();
    }, this.timeoutMs);
  }

  /** The chunks of the body, each within the timeout. */
  async *watch(response: Response): AsyncGenerator<Uint8Array, void> {
    if (response.body === null) return;
    const reader = response.body.getReader();
    try {
      for (;;) {
        const { done, value } = await reader.read().catch((error: unknown) => {
          throw this.signal.aborted ? error : connectionFailed(error);
        });
        if (done) return;
        clearTimeout(this.timer); // the time of the reader does not count
        yield value;
        this.restart();
      }
    } finally {
      reader.cancel().catch(() => undefined);
    }
  }

  /** The error of the caller's signal, a timeout, or the error itself. */
  explain(error: unknown): unknown {
    if (this.caller?.aborted) return this.caller.reason;
    return this.hasTimedOut ? new RequestTimedOut(`no bytes for ${this.timeoutMs} ms`, true, { cause: error }) : error;
  }

  end(): void {
    clearTimeout(this.timer);
    this.caller?.removeEventListener("abort", this.onAbort);
  }
}

function connectionFailed(error: unknown): ConnectionFailed {
  const cause = error instanceof Error ? (error.cause as { code?: string; message?: string } | undefined) : undefined;
  const reason = cause?.message || (error instanceof Error ? error.message : String(error));
  return new ConnectionFailed(reason, !NOT_SENT.has(cause?.code ?? ""), { cause: error });
}
