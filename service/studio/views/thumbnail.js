// The thumbnail of a video, or nothing while there is none.

import { thumbnail } from "../api/videos.js";
import { html, useEffect, useState } from "../vendor/preact.js";

export function Thumbnail({ record, alt = "" }) {
  const [url, setUrl] = useState(null), isThere = Boolean(record.url);
  useEffect(() => {
    let isCurrent = true;
    if (isThere) thumbnail(record.id).then((read) => isCurrent && setUrl(read), () => {});
    return () => (isCurrent = false);
  }, [record.id, isThere]);
  return url ? html`<img class="thumbnail ${crisp(record)}" src=${url} alt=${alt} />` : html`<span class="thumbnail"></span>`;
}

const CRISP_PIXELS = 320;

/** Small videos are drawn with sharp pixels instead of a blur. */
export const crisp = ({ width, height }) => (Math.max(width, height) < CRISP_PIXELS ? "crisp" : "");
