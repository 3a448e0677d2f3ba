// Picks a finished video, or one of its frames as a PNG.

import { fileUrl, isDraft, isImage } from "../../api/videos.js";
import { gallery, shown } from "../../state/gallery.js";
import { useStore } from "../../state/store.js";
import { t } from "../../text/text.js";
import { html, useEffect, useRef, useState } from "../../vendor/preact.js";
import { crisp, Thumbnail } from "../thumbnail.js";
import { Modal } from "./modal.js";

export function FramePicker({ kind, done }) {
  const [record, setRecord] = useState(null), isFrame = kind === "frame";
  const videos = shown(useStore(gallery)).filter((one) => one.url && (isFrame || (!isImage(one) && !isDraft(one))));
  const choose = (one) => (isFrame ? setRecord(one) : done(one));
  return html`<${Modal} wide title=${t(isFrame ? "pick_title" : "pick_video_title")} onClose=${() => done(null)}>
    ${!videos.length && html`<p class="hint">${t("pick_none")}</p>`}
    <ul class="choices">${videos.map((one) => html`<li key=${one.id}>
      <button type="button" aria-pressed=${record?.id === one.id} aria-label=${one.prompt} title=${one.prompt} onClick=${() => choose(one)}><${Thumbnail} record=${one} /></button></li>`)}</ul>
    ${record && html`<${Frames} key=${record.id} record=${record} done=${done} />`}
  <//>`;
}

/** A slider over the frames, and the frame itself. */
function Frames({ record, done }) {
  const { id, num_frames: total, fps } = record, [frame, setFrame] = useState(total - 1), [src, setSrc] = useState(null), [isBroken, setBroken] = useState(false), media = useRef(null);
  useEffect(() => {
    const url = fileUrl(id, "video"); // of the API: the link may lead to another origin, whose pixels cannot be read
    url.then(setSrc, () => setBroken(true));
    return () => url.then(URL.revokeObjectURL, () => {});
  }, [id]);
  const seek = (index) => {
    setFrame(index);
    if (media.current && total > 1) media.current.currentTime = (index + 0.5) / fps;
  };
  const use = async () => done(await fileOf(media.current, `${id}-${frame + 1}.png`));
  const picture = isImage(record) ? html`<img ref=${media} class=${crisp(record)} src=${src} alt=${record.prompt} />`
    : html`<video ref=${media} class=${crisp(record)} src=${src} muted playsinline preload="auto" aria-label=${record.prompt} onLoadedMetadata=${() => seek(frame)} onError=${() => setBroken(true)}></video>`;
  return html`<div class="frames">
    ${isBroken ? html`<p class="error" role="alert">${t("cannot_show")}</p>` : src && picture}
    ${total > 1 && html`<label>${t("frame_n", { n: frame + 1, total })}<input type="range" min="0" max=${total - 1} value=${frame} onInput=${(event) => seek(Number(event.target.value))} /></label>`}
    <button type="button" class="main" disabled=${!src || isBroken} onClick=${use}>${t("use_frame")}</button>
  </div>`;
}

/** The pixels of an image or of the current frame of a video as a PNG file. */
export async function fileOf(media, name) {
  if (media.seeking) await new Promise((seeked) => media.addEventListener("seeked", seeked, { once: true }));
  const width = media.videoWidth || media.naturalWidth, height = media.videoHeight || media.naturalHeight;
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  canvas.getContext("2d").drawImage(media, 0, 0);
  return canvasFile(canvas, name);
}

export const canvasFile = (canvas, name) =>
  new Promise((done) => canvas.toBlob((blob) => done(new File([blob], name, { type: "image/png" })), "image/png"));
