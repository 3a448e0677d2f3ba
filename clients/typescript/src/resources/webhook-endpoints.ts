/** The webhook endpoints of the caller. */
import { body, route } from "../inputs.js";
import type { Call, Http } from "../transport/http.js";
import { pages } from "../transport/pages.js";
import type * as types from "../types.js";
import type { CallOptions } from "../types.js";
import { deletion } from "./videos.js";

export class WebhookEndpoints {
  constructor(private readonly http: Http) {}

  /** Creates an endpoint. Its `signing_secret` is shown here only. */
  async create(fields: types.CreateWebhookEndpoint, options?: CallOptions): Promise<types.WebhookEndpointWithSecret> {
    return await this.http.record(post(route`/v1/webhook_endpoints`, fields, options));
  }

  /** An endpoint with the results of its last deliveries. */
  async retrieve(endpointId: string, options: CallOptions = {}): Promise<types.WebhookEndpoint> {
    return await this.http.record({ ...options, method: "GET", path: route`/v1/webhook_endpoints/${endpointId}` });
  }

  /** All endpoints, newest first; `limit` is the number per page. */
  list(
    query: types.ListWebhookEndpoints = {},
    options: CallOptions = {},
  ): AsyncGenerator<types.WebhookEndpoint, void> {
    return pages<types.WebhookEndpoint>(this.http, route`/v1/webhook_endpoints`, query, options);
  }

  /** Changes the fields that are sent. */
  async update(
    endpointId: string,
    fields: types.UpdateWebhookEndpoint,
    options?: CallOptions,
  ): Promise<types.WebhookEndpoint> {
    const call = post(route`/v1/webhook_endpoints/${endpointId}`, fields, options);
    return await this.http.record({ ...call, isRepeatable: true });
  }

  /** Deletes an endpoint and its pending deliveries. */
  async delete(endpointId: string, options: CallOptions = {}): Promise<types.WebhookEndpointDeleted> {
    const deleted = { id: endpointId, object: "webhook_endpoint.deleted", deleted: true } as const;
    const path = route`/v1/webhook_endpoints/${endpointId}`;
    return await deletion<types.WebhookEndpointDeleted>(this.http, path, deleted as types.WebhookEndpointDeleted, options);
  }

  /** Creates a new secret, which is shown here only. */
  async rotateSecret(
    endpointId: string,
    fields: types.RotateWebhookSecret = {},
    options?: CallOptions,
  ): Promise<types.WebhookEndpointWithSecret> {
    return await this.http.record(post(route`/v1/webhook_endpoints/${endpointId}/rotate_secret`, fields, options));
  }

  /** Sends a signed sample and returns the answer of the receiver. */
  async test(
    endpointId: string,
    fields: types.TestWebhookEndpoint = {},
    options?: CallOptions,
  ): Promise<types.WebhookEndpointTest> {
    return await this.http.record(post(route`/v1/webhook_endpoints/${endpointId}/test`, fields, options));
  }

  /** The types of events that an endpoint can subscribe to. */
  async eventTypes(options: CallOptions = {}): Promise<types.EventTypeList> {
    return await this.http.record({ ...options, method: "GET", path: route`/v1/webhook_event_types` });
  }
}

function post(path: string, fields: object, options: CallOptions = {}): Call {
  const content = body(fields);
  const headers = { ...content.headers, ...options.headers };
  return { ...options, method: "POST", path, body: content.body, headers, isRepeatable: false };
}
