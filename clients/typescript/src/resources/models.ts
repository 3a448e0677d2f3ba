/** The models of the service and their queues. */
import { body, route } from "../inputs.js";
import type { Http } from "../transport/http.js";
import type { CallOptions, Model, ModelList, PromptTokens, Queues } from "../types.js";

export class Models {
  constructor(private readonly http: Http) {}

  /** The models with limits and defaults. */
  async list(options: CallOptions = {}): Promise<ModelList> {
    return await this.http.record({ ...options, method: "GET", path: route`/v1/models` });
  }

  /** One model. */
  async retrieve(model: string, options: CallOptions = {}): Promise<Model> {
    return await this.http.record({ ...options, method: "GET", path: route`/v1/models/${model}` });
  }

  /** How many tokens a prompt has, and how many the model reads. */
  async countTokens(model: string, prompt: string, options: CallOptions = {}): Promise<PromptTokens> {
    const content = body({ prompt });
    const headers = { ...content.headers, ...options.headers };
    const path = route`/v1/models/${model}/count_tokens`;
    return await this.http.record({ ...options, method: "POST", path, body: content.body, headers, isRepeatable: true });
  }

  /** For each model: how many videos wait and run, and whether it accepts more. */
  async queues(options: CallOptions = {}): Promise<Queues> {
    return await this.http.record({ ...options, method: "GET", path: route`/v1/queue` });
  }
}
