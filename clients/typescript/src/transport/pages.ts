/** Lists that continue page by page. */
import { withQuery } from "../inputs.js";
import type { CallOptions } from "../types.js";
import type { Http } from "./http.js";

interface Page<Item> {
  data: Item[];
  has_more: boolean;
  last_id: string | null;
}

/** Each record of all pages. */
export async function* pages<Item>(
  http: Http,
  path: string,
  query: { after?: string | null },
  options: CallOptions,
): AsyncGenerator<Item, void> {
  let after = query.after ?? null;
  for (;;) {
    const call = { ...options, method: "GET" as const, path: withQuery(path, { ...query, after }) };
    const page: Page<Item> = await http.record<Page<Item>>(call);
    yield* page.data;
    if (!page.has_more || page.last_id === null || page.last_id === after) return;
    after = page.last_id;
  }
}
