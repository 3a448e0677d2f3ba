// Paints a mask over the first frame of a video: white is generated anew, black is kept.

import { fileUrl } from "../../api/videos.js";
import { t } from "../../text/text.js";
import { html, useEffect, useRef, useState } from "../../vendor/preact.js";
import { urlOf } from "../form/files.js";
import { canvasFile } from "./frame_picker.js";
import { Modal } from "./modal.js";

const MAX_UNDO = 20, BRUSHES = [4, 40], COLOUR = "#7c4dff";
// Regions as shares of the width and height: left, top, width, height.
const REGIONS = { all: [0, 0, 1, 1], left_half: [0, 0, 0.5, 1], right_half: [0.5, 0, 0.5, 1], top_half: [0, 0, 1, 0.5], bottom_half: [0, 0.5, 1, 0.5], centre: [0.25, 0.25, 0.5, 0.5] };

export function MaskPainter({ video, mask, done }) {
  const canvas = useRef(null), undo = useRef([]), last = useRef(null), [size, setSize] = useState(null), [brush, setBrush] = useState(16), [isErasing, setErasing] = useState(false);
  const [isBroken, setBroken] = useState(false), src = useSource(video, () => setBroken(true)), pen = () => canvas.current.getContext("2d", { willReadFrequently: true });
  useEffect(() => void (size && start(pen(), size, mask)), [size]);
  const change = (paint) => {
    undo.current = [...undo.current.slice(-MAX_UNDO + 1), pen().getImageData(0, 0, size.width, size.height)];
    paint(pen());
  };
  const stroke = (event) => {
    if (!event.buttons || !size) return;
    const to = pointOf(event, canvas.current), from = last.current ?? to;
    if (!last.current) change(() => {});
    last.current = to;
    line(pen(), from, to, (brush / 100) * size.width, isErasing);
  };
  const back = () => undo.current.length && pen().putImageData(undo.current.pop(), 0, 0);
  const button = (name, onClick, attributes) => html`<button type="button" class="small" ...${attributes} disabled=${!size} onClick=${onClick}>${t(name)}</button>`;
  return html`<${Modal} wide title=${t("mask_title")} onClose=${() => done(null)}>
    ${isBroken && html`<p class="error" role="alert">${t("cannot_show")}</p>`}
    <div class="painter" style=${size && { aspectRatio: `${size.width} / ${size.height}`, width: `min(100%, ${(46 * size.width) / size.height}vh)` }}>
      ${src && html`<video src=${src} muted playsinline preload="auto" aria-hidden="true" tabIndex="-1" onLoadedMetadata=${({ target }) => setSize({ width: target.videoWidth, height: target.videoHeight })} onError=${() => setBroken(true)}></video>`}
      <canvas ref=${canvas} width=${size?.width ?? 1} height=${size?.height ?? 1} role="img" aria-label=${t("mask_canvas")}
        onPointerDown=${(event) => (event.target.setPointerCapture(event.pointerId), stroke(event))} onPointerMove=${stroke} onPointerUp=${() => (last.current = null)}></canvas>
    </div>
    <div class="row wrap">
      ${button("paint", () => setErasing(false), { "aria-pressed": !isErasing })} ${button("erase", () => setErasing(true), { "aria-pressed": isErasing })}
      <label class="row">${t("brush")}<input type="range" min=${BRUSHES[0]} max=${BRUSHES[1]} value=${brush} onInput=${(event) => setBrush(Number(event.target.value))} /></label>
      ${button("undo", back)} ${button("clear", () => change((to) => to.clearRect(0, 0, size.width, size.height)))} ${button("invert", () => change((to) => invert(to, size)))}
    </div>
    <div class="row wrap">${Object.entries(REGIONS).map(([name, part]) => button(name, () => change((to) => fill(to, size, part))))}</div>
    <div class="row end"><button type="button" onClick=${() => done(null)}>${t("cancel")}</button>
      <button type="button" class="main" disabled=${!size} onClick=${async () => done(await maskFile(canvas.current))}>${t("apply")}</button></div>
  <//>`;
}

/** The URL of a video file, or of a video of the service; `fail()` is called if that cannot be read. */
function useSource(video, fail) {
  const [src, setSrc] = useState(video.id ? null : urlOf(video));
  useEffect(() => {
    if (!video.id) return undefined;
    const url = fileUrl(video.id, "video");
    url.then(setSrc, fail);
    return () => url.then(URL.revokeObjectURL, () => {});
  }, [video]);
  return src;
}

// The canvas has one colour where it is painted, and is clear elsewhere.

/** Begins with the mask of before, if there is one. */
async function start(pen, { width, height }, mask) {
  if (!mask) return;
  const image = await createImageBitmap(mask);
  pen.drawImage(image, 0, 0, width, height);
  const pixels = pen.getImageData(0, 0, width, height);
  for (let i = 0; i < pixels.data.length; i += 4) pixels.data[i + 3] = pixels.data[i] > 127 ? 255 : 0;
  pen.putImageData(pixels, 0, 0);
  recolour(pen, COLOUR, { width, height });
}

function line(pen, [x, y], to, width, isErasing) {
  Object.assign(pen, { lineWidth: width, lineCap: "round", strokeStyle: COLOUR, globalCompositeOperation: isErasing ? "destination-out" : "source-over" });
  pen.beginPath();
  pen.moveTo(x, y);
  pen.lineTo(...to);
  pen.stroke();
  pen.globalCompositeOperation = "source-over";
}

function fill(pen, { width, height }, [left, top, w, h]) {
  pen.fillStyle = COLOUR;
  pen.fillRect(left * width, top * height, w * width, h * height);
}

function invert(pen, { width, height }) {
  pen.globalCompositeOperation = "xor";
  fill(pen, { width, height }, REGIONS.all);
  pen.globalCompositeOperation = "source-over";
}

function pointOf({ clientX, clientY }, canvas) {
  const { left, top, width, height } = canvas.getBoundingClientRect();
  return [((clientX - left) / width) * canvas.width, ((clientY - top) / height) * canvas.height];
}

/** Gives all that is painted another colour. */
function recolour(pen, colour, { width, height }) {
  Object.assign(pen, { globalCompositeOperation: "source-in", fillStyle: colour });
  pen.fillRect(0, 0, width, height);
  pen.globalCompositeOperation = "source-over";
}

/** White on black: the mask of the API. */
function maskFile(painted) {
  const { width, height } = painted, canvas = Object.assign(document.createElement("canvas"), { width, height }), pen = canvas.getContext("2d");
  pen.drawImage(painted, 0, 0);
  recolour(pen, "#fff", painted);
  Object.assign(pen, { globalCompositeOperation: "destination-over", fillStyle: "#000" });
  pen.fillRect(0, 0, width, height);
  return canvasFile(canvas, "mask.png");
}
