// The frame of a video: in its right shape from the first moment, with what there is to see.

import { fileUrl, isImage, isOver } from "../../api/videos.js";
import { t } from "../../text/text.js";
import { html, useEffect, useState } from "../../vendor/preact.js";
import { urlOf } from "../form/files.js";
import { crisp } from "../thumbnail.js";

const DEFAULT = { width: 16, height: 9 };
const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;

export function Frame({ record, pending, preview }) {
  const shape = record ?? pending ?? DEFAULT, isRunning = !record || !isOver(record);
  return html`<div class="area"><div id="screen" class="frame ${isRunning ? "running" : ""} ${crisp(shape)}" style=${{ "--ratio": shape.width / shape.height }}>
    ${isRunning ? html`<${Making} record=${record} image=${pending?.image} preview=${preview} />`
      : record.url ? html`<${Player} key=${record.id} record=${record} />`
      : html`<p>${t(record.state === "completed" ? "no_files" : "no_video")}</p>`}
  </div></div>`;
}

/** The latest preview or the start image, and the progress. */
function Making({ record, image, preview }) {
  const src = preview ?? (image && urlOf(image)), isStarted = record?.state === "running";
  return html`${src && html`<img src=${src} alt=${preview ? t("preview") : ""} class=${preview ? "" : "waiting"} />`}
    <progress id="bar" max="100" value=${isStarted ? record.progress : undefined} aria-label=${t("progress")}></progress>`;
}

/** The player. If the link cannot be reached, the API sends the bytes. */
export function Player({ record }) {
  const [src, setSrc] = useState(record.url), [isFallback, setFallback] = useState(false);
  useEffect(() => () => void (src.startsWith("blob:") && URL.revokeObjectURL(src)), [src]);
  const useBytes = async () => {
    if (isFallback) return;
    setFallback(true);
    setSrc(await fileUrl(record.id, "video"));
  };
  if (isImage(record)) return html`<img src=${src} alt=${record.prompt} onError=${useBytes} />`;
  return html`<video src=${src} controls loop muted playsinline autoplay=${!isCalm} aria-label=${record.prompt} onError=${useBytes}></video>`;
}
