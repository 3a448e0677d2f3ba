// Cuts a part out of an image, in the shape of the video. Sliders do what the pointer does.

import { t } from "../../text/text.js";
import { html, useEffect, useRef, useState } from "../../vendor/preact.js";
import { urlOf } from "../form/files.js";
import { canvasFile } from "./frame_picker.js";
import { Modal } from "./modal.js";

const MAX_ZOOM = 4, VIEW_PX = 480;

/** The part of an image: zoom from 1, and its place from 0 to 1 in both directions. */
export function cutOf({ width, height }, ratio, { zoom, x, y }) {
  const fits = Math.min(width, height * ratio), w = fits / zoom, h = w / ratio;
  return { left: (width - w) * x, top: (height - h) * y, width: w, height: h };
}

export function Crop({ file, ratio, done }) {
  const canvas = useRef(null), [image, setImage] = useState(null), [isBroken, setBroken] = useState(false), [place, setPlace] = useState({ zoom: 1, x: 0.5, y: 0.5 });
  useEffect(() => {
    const loaded = new Image();
    loaded.onload = () => setImage(loaded);
    loaded.onerror = () => setBroken(true);
    loaded.src = urlOf(file);
  }, [file]);
  useEffect(() => void (image && draw(canvas.current, image, cutOf(sides(image), ratio, place))), [image, place]);
  const slider = (name, min, max) => html`<label>${t(name === "zoom" ? name : `move_${name}`)}<input type="range" min=${min} max=${max} step="0.01" value=${place[name]}
    onInput=${(event) => setPlace({ ...place, [name]: Number(event.target.value) })} /></label>`;
  const drag = (event) => event.buttons && setPlace(moved(place, event, canvas.current, ratio, image));
  const apply = async () => done(await cutFile(image, cutOf(sides(image), ratio, place), file.name));
  return html`<${Modal} title=${t("crop_title")} onClose=${() => done(null)}>
    ${isBroken && html`<p class="error" role="alert">${t("unreadable")}</p>`}
    <canvas ref=${canvas} width=${ratio >= 1 ? VIEW_PX : Math.round(VIEW_PX * ratio)} height=${ratio >= 1 ? Math.round(VIEW_PX / ratio) : VIEW_PX} class="view" onPointerMove=${drag} aria-hidden="true"></canvas>
    ${slider("zoom", 1, MAX_ZOOM)} ${slider("x", 0, 1)} ${slider("y", 0, 1)}
    <div class="row end"><button type="button" onClick=${() => done(null)}>${t("cancel")}</button>
      <button type="button" class="main" disabled=${!image} onClick=${apply}>${t("apply")}</button></div>
  <//>`;
}

const sides = (image) => ({ width: image.naturalWidth, height: image.naturalHeight });
const limited = (number) => Math.min(1, Math.max(0, number));

/** The place after a movement of the pointer: the image follows it. */
function moved(place, { movementX, movementY }, canvas, ratio, image) {
  const all = sides(image), cut = cutOf(all, ratio, place), scale = cut.width / canvas.clientWidth;
  const roomX = all.width - cut.width, roomY = all.height - cut.height;
  return { ...place, x: roomX && limited(place.x - (movementX * scale) / roomX), y: roomY && limited(place.y - (movementY * scale) / roomY) };
}

function draw(canvas, image, { left, top, width, height }) {
  const pen = canvas.getContext("2d");
  pen.clearRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(image, left, top, width, height, 0, 0, canvas.width, canvas.height);
}

function cutFile(image, cut, name) {
  const canvas = Object.assign(document.createElement("canvas"), { width: Math.max(1, Math.round(cut.width)), height: Math.max(1, Math.round(cut.height)) });
  draw(canvas, image, cut);
  return canvasFile(canvas, name.replace(/(\.\w+)?$/, ".png"));
}
