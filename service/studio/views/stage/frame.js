// The frame of a video: in its right shape from the first moment, with what there is to see.

import { fileUrl, finishedSeconds, isImage, isOver, playlistPath } from "../../api/videos.js";
import { stage } from "../../state/stage.js";
import { t } from "../../text/text.js";
import { html, useEffect, useRef, useState } from "../../vendor/preact.js";
import { urlOf } from "../form/files.js";
import { crisp } from "../thumbnail.js";

const DEFAULT = { width: 16, height: 9 };
const PLAYLIST = "application/vnd.apple.mpegurl", READ_MS = 2000, END_S = 0.1;
export const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;

/** Whether the finished part of a running video can be played: it has several windows, and the browser plays HLS. */
export const canWatch = (record) => !isOver(record) && record.playlist_url && document.createElement("video").canPlayType(PLAYLIST);

export function Frame({ record, pending, preview, isWatching }) {
  const shape = record ?? pending ?? DEFAULT, isRunning = !record || !isOver(record);
  return html`<div class="area"><div id="screen" class="frame ${isRunning ? "running" : ""} ${crisp(shape)}" style=${{ "--ratio": shape.width / shape.height }}>
    ${isRunning && isWatching && record ? html`<${FinishedPart} key=${record.id} record=${record} />` : isRunning ? html`<${Making} record=${record} image=${pending?.image} preview=${preview} />`
      : record.url ? html`<${Player} key=${record.id} record=${record} />`
      : html`<p>${t(record.state === "completed" ? "no_files" : "no_video")}</p>`}
  </div></div>`;
}

/** Plays the finished windows. Chromium reads a playlist once: at its end the page loads a longer one and continues there. */
function FinishedPart({ record }) {
  const [src] = useState(playlistPath(record)), video = useRef(null), latest = useRef(record), place = useRef(0), known = useRef(0);
  latest.current = record;
  const leave = () => stage.set({ isWatching: false, detail: t("cannot_watch") });
  const readOn = async () => {
    const { duration, currentTime, paused, ended } = video.current;
    if (duration - currentTime > END_S || (paused && !ended)) return;
    const seconds = await finishedSeconds(latest.current).catch(() => 0);
    if (!video.current || seconds - Math.max(duration, known.current) < END_S) return;
    known.current = seconds;
    place.current = duration;
    video.current.src = playlistPath(latest.current);
  };
  useEffect(() => {
    const timer = setInterval(readOn, READ_MS);
    return () => clearInterval(timer);
  }, []);
  const start = () => {
    if (!place.current) return;
    video.current.currentTime = place.current;
    video.current.play().catch(() => {});
  };
  return html`<video ref=${video} src=${src} controls muted playsinline autoplay=${!isCalm} aria-label=${record.prompt} onError=${leave} onLoadedMetadata=${start}></video>
    <progress max="100" value=${record.progress} aria-label=${t("progress")}></progress>`;
}

/** The latest preview or the start image, and the progress. */
function Making({ record, image, preview }) {
  const src = preview ?? (image && urlOf(image)), isStarted = record?.state === "running";
  return html`${src && html`<img src=${src} alt=${preview ? t("preview") : ""} class=${preview ? "" : "waiting"} />`}
    <progress id="bar" max="100" value=${isStarted ? record.progress : undefined} aria-label=${t("progress")}></progress>`;
}

/** The address of a video, and what to do if it cannot be reached: the API sends the bytes. */
export function useFile(record) {
  const [src, setSrc] = useState(record.url), [isFallback, setFallback] = useState(false);
  useEffect(() => () => void (src.startsWith("blob:") && URL.revokeObjectURL(src)), [src]);
  const useBytes = async () => {
    if (isFallback) return;
    setFallback(true);
    setSrc(await fileUrl(record.id, "video"));
  };
  return [src, useBytes];
}

export function Player({ record }) {
  const [src, useBytes] = useFile(record);
  if (isImage(record)) return html`<img src=${src} alt=${record.prompt} onError=${useBytes} />`;
  return html`<video src=${src} controls loop muted playsinline autoplay=${!isCalm} aria-label=${record.prompt} onError=${useBytes}></video>`;
}
