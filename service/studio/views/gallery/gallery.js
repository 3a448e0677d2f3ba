// The gallery: all videos of the caller, with search and selection. Older ones are read when the end comes into view.

import { act, download, erase } from "../../state/actions.js";
import { found, gallery, readOlder, shown } from "../../state/gallery.js";
import { open } from "../../state/stage.js";
import { useStore } from "../../state/store.js";
import { t } from "../../text/text.js";
import { html, useEffect, useRef } from "../../vendor/preact.js";
import { Icon } from "../icons.js";
import { Tile } from "./tile.js";

const MAX_COMPARED = 8;

export function Gallery() {
  const state = useStore(gallery), { isLoaded, hasMore, isReading, search, isSelecting, favourites, onlyFavourites } = state, list = shown(state), videos = found(state);
  return html`<section id="gallery-section" aria-labelledby="mine">
    <div class="bar">
      <h2 id="mine" tabIndex="-1">${t("my_videos")}</h2>
      ${(favourites.length > 0 || onlyFavourites) && html`<${Favourites} isOn=${onlyFavourites} />`}
      ${list.length > 0 && html`<button type="button" class="quiet small" aria-pressed=${isSelecting} onClick=${() => gallery.set({ isSelecting: !isSelecting, selected: [] })}>${t("select")}</button>`}
    </div>
    ${list.length > 0 && html`<label class="search"><span class="hidden">${t("search")}</span><${Icon} name="search" />
      <input type="search" value=${search} placeholder=${t("search_placeholder")} onInput=${(event) => gallery.set({ search: event.target.value })} /></label>`}
    ${isSelecting && html`<${Selection} ids=${state.selected} />`}
    <ul id="gallery">${videos.map((record) => html`<${Tile} key=${record.id} record=${record} isSelecting=${isSelecting} isSelected=${state.selected.includes(record.id)} isFavourite=${favourites.includes(record.id)} />`)}</ul>
    ${isLoaded && !list.length && html`<p id="none" class="hint">${t("none")}</p>`}
    ${list.length > 0 && !videos.length && !hasMore && html`<p class="hint" role="status">${t(onlyFavourites && !search.trim() ? "no_favourites" : "nothing")}</p>`}
    ${hasMore && html`<${End} isReading=${isReading} count=${list.length} />`}
  </section>`;
}

const Favourites = ({ isOn }) => html`<button type="button" class="icon-button quiet" aria-pressed=${isOn} aria-label=${t("favourites")} title=${t("favourites")}
  onClick=${() => gallery.set({ onlyFavourites: !isOn })}><${Icon} name="star" /></button>`;

function Selection({ ids }) {
  const isNone = ids.length === 0;
  return html`<div class="selection" role="group" aria-label=${t("select")}>
    <span role="status">${t("selected", { n: ids.length })}</span>
    <button type="button" class="small" disabled=${ids.length < 2 || ids.length > MAX_COMPARED} onClick=${() => open(ids)}>${t("compare")}</button>
    <button type="button" class="small" disabled=${isNone} onClick=${() => ids.forEach(download)}>${t("download")}</button>
    <button type="button" class="small danger" disabled=${isNone} onClick=${() => erase(ids)}>${t("delete")}</button>
  </div>`;
}

/** The end of the list, which reads the next page when it is seen; also a button. */
function End({ isReading, count }) {
  const end = useRef(null), more = act(readOlder);
  useEffect(() => {
    const observer = new IntersectionObserver(([{ isIntersecting }]) => isIntersecting && more());
    observer.observe(end.current);
    return () => observer.disconnect();
  }, [count]);
  return html`<p class="end" ref=${end}><button type="button" aria-disabled=${isReading} onClick=${() => more()}>${t(isReading ? "loading" : "older")}</button></p>`;
}
