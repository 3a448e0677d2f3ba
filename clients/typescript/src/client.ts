/** The client with all its resources. */
import { Files } from "./resources/files.js";
import { Models } from "./resources/models.js";
import { Videos } from "./resources/videos.js";
import { WebhookEndpoints } from "./resources/webhook-endpoints.js";
import { Http } from "./transport/http.js";

const DEFAULT_URL = "http://127.0.0.1:8000";

export interface ClientOptions {
  /** The address of the service, with or without `/v1`; by default EASYANIMATE_URL or http://127.0.0.1:8000. */
  baseUrl?: string | undefined;
  /** By default EASYANIMATE_API_KEY. */
  apiKey?: string | undefined;
  /** The longest silence of one request. */
  timeoutMs?: number | undefined;
  /** How often a request is repeated at most. */
  maxRetries?: number | undefined;
  /** A function like `fetch`, for example with a proxy. */
  fetch?: typeof fetch | undefined;
}

/** A client of one service. */
export class EasyAnimate {
  readonly videos: Videos;
  readonly files: Files;
  readonly webhookEndpoints: WebhookEndpoints;
  readonly models: Models;

  constructor(options: ClientOptions = {}) {
    const url = (options.baseUrl ?? (environment("EASYANIMATE_URL") || DEFAULT_URL)).replace(/\/+$/, "").replace(/\/+v1$/, "");
    if (!/^https?:\/\//.test(url)) throw new TypeError(`baseUrl must begin with http:// or https://, got ${url}`);
    const http = new Http({
      url,
      apiKey: options.apiKey ?? (environment("EASYANIMATE_API_KEY") || null),
      timeoutMs: options.timeoutMs ?? 60_000,
      maxRetries: options.maxRetries ?? 4,
      fetch: options.fetch ?? ((input, init) => fetch(input, init)),
    });
    this.videos = new Videos(http);
    this.files = new Files(http);
    this.webhookEndpoints = new WebhookEndpoints(http);
    this.models = new Models(http);
  }
}

/** A variable of the environment of Node; nothing in browsers. */
function environment(name: string): string | undefined {
  const { process } = globalThis as { process?: { env?: Record<string, string | undefined> } };
  return process?.env?.[name];
}
