// A tile of the gallery: live while its video is made, and playing under the pointer.

import { isDraft, isImage, isOver } from "../../api/videos.js";
import { derive, erase, promote } from "../../state/actions.js";
import { toggle, toggleFavourite } from "../../state/gallery.js";
import { stage } from "../../state/stage.js";
import { useStore } from "../../state/store.js";
import { t } from "../../text/text.js";
import { html, useState } from "../../vendor/preact.js";
import { isCalm } from "../stage/frame.js";
import { standing } from "../stage/status.js";
import { crisp, Thumbnail } from "../thumbnail.js";
import { Toolbar } from "../toolbar.js";

export function Tile({ record, isSelecting, isSelected, isFavourite }) {
  const { id, prompt, url, seconds } = record, [isPlaying, setPlaying] = useState(false), isOpen = useStore(stage).ids.includes(id);
  const canPlay = url && !isImage(record), play = canPlay && !isCalm ? () => setPlaying(true) : undefined, stop = () => setPlaying(false);
  return html`<li class=${isOpen ? "open" : ""} onPointerEnter=${play} onPointerLeave=${stop}>
    <a href="#${id}" onFocus=${play} onBlur=${stop} aria-current=${isOpen ? "true" : undefined}>
      <span class="thumb">
        ${url ? html`<${Thumbnail} record=${record} />` : html`<${Standing} record=${record} />`}
        ${isPlaying && html`<video class=${crisp(record)} src=${url} muted loop autoplay playsinline tabIndex="-1" aria-hidden="true" onError=${stop}></video>`}
        ${url && (canPlay || isDraft(record)) && html`<small class="length">${isDraft(record) && `${t("draft_badge")} `}${canPlay && `${seconds} s`}</small>`}
      </span>
      <span class="words">${prompt}</span>
    </a>
    ${isSelecting
      ? html`<input type="checkbox" class="pick" aria-label=${t("select_one", { prompt })} checked=${isSelected} onChange=${() => toggle(id)} />`
      : html`<${Toolbar} label=${t("tools_of", { prompt })} tools=${toolsOf(record, isFavourite)} />`}
  </li>`;
}

function toolsOf(record, isFavourite) {
  const { prompt, url, id } = record, isWhole = url && !isDraft(record);
  const tool = (name, icon, onClick, more) => ({ name, icon, label: t(`${name}_one`, { prompt }), title: t(name), onClick, ...more });
  return [
    tool("favourite", "star", () => toggleFavourite(id), { isPressed: isFavourite }),
    url && isDraft(record) && tool("finish", "spark", () => promote(record)),
    isWhole && tool("remix", "remix", () => derive("remix", record)),
    isWhole && !isImage(record) && tool("extend", "extend", () => derive("extend", record)),
    tool("delete", "delete", () => erase([id])),
  ].filter(Boolean);
}

/** The state in words, with a ring that closes. */
function Standing({ record }) {
  const { state, progress } = record, isRunning = state === "running";
  return html`<span class="standing ${isOver(record) ? "" : "live"}">
    ${!isOver(record) && html`<svg class="ring" viewBox="0 0 36 36" aria-hidden="true"><circle cx="18" cy="18" r="15" />
      <circle class="done" cx="18" cy="18" r="15" pathLength="100" stroke-dasharray="${isRunning ? progress : 0} 100" /></svg>`}
    <span>${standing(record)}${isRunning && ` ${progress} %`}</span></span>`;
}
