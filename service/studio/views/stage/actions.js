// The buttons of one video.

import { isDraft, isImage, isOver } from "../../api/videos.js";
import { cancel, canRepeat, copyText, derive, download, downloadAs, downloadManifest, erase, fillScreen, isFilm, linkOf, promote, retry, reuse, vary } from "../../state/actions.js";
import { stage } from "../../state/stage.js";
import { t } from "../../text/text.js";
import { html, useEffect, useRef } from "../../vendor/preact.js";
import { Icon } from "../icons.js";
import { canWatch } from "./frame.js";

export function Actions({ record, isWatching }) {
  const { id, url, state } = record, isDone = isOver(record), isWhole = url && !isDraft(record);
  const get = (event) => {
    event.preventDefault();
    download(id);
  };
  return html`<div id="actions">
    ${canWatch(record) && html`<button type="button" aria-pressed=${isWatching} onClick=${() => stage.set({ isWatching: !isWatching })}><${Icon} name="play" />${t("watch")}</button>`}
    ${!isDone && html`<button type="button" aria-disabled=${record.cancel_requested} onClick=${() => cancel(record)}>${t("cancel")}</button>`}
    ${isDone && !["completed", "draft"].includes(state) && canRepeat(record) && html`<button type="button" class="main" onClick=${() => retry(record)}>${t("retry")}</button>`}
    ${url && !isWhole && html`<button type="button" class="main" onClick=${() => promote(record)}><${Icon} name="spark" />${t("finish_draft")}</button>`}
    ${url && html`<a class="button" href=${url} onClick=${get}><${Icon} name="download" />${t("download")}</a>`}
    ${isWhole && !isImage(record) && html`<button type="button" onClick=${() => derive("extend", record)}><${Icon} name="extend" />${t("extend")}</button>`}
    ${isWhole && html`<button type="button" onClick=${() => derive("remix", record)}><${Icon} name="remix" />${t("remix")}</button>`}
    ${isWhole && !isImage(record) && html`<button type="button" onClick=${() => derive("edit", record)}><${Icon} name="edit" />${t("edit")}</button>`}
    ${isDone && canRepeat(record) && !isFilm(record) && html`<button type="button" onClick=${() => vary(record)}><${Icon} name="spark" />${t("variations")}</button>`}
    <${More} record=${record} isDone=${isDone} />
  </div>`;
}

/** All other actions. Escape, a choice or a click elsewhere closes them. */
function More({ record, isDone }) {
  const details = useRef(null);
  const close = () => details.current?.removeAttribute("open");
  useEffect(() => {
    const leave = (event) => details.current?.contains(event.target) || close();
    addEventListener("pointerdown", leave);
    return () => removeEventListener("pointerdown", leave);
  }, []);
  const byKey = (event) => {
    if (event.key !== "Escape" || !details.current.open) return;
    close();
    details.current.querySelector("summary").focus();
  };
  const one = (name, onClick, className = "") => html`<button type="button" class=${className} onClick=${() => (close(), onClick())}>${t(name)}</button>`;
  return html`<details class="menu" ref=${details} onKeyDown=${byKey}>
    <summary class="button"><${Icon} name="more" />${t("more")}</summary>
    <div>
      ${one("use_settings", () => reuse(record, false))}
      ${one("same_seed", () => reuse(record, true))}
      ${one("copy_link", () => copyText(linkOf([record.id])))}
      ${one("copy_seed", () => copyText(String(record.seed)))}
      ${record.url && !isImage(record) && ["gif", "webm"].map((format) => one(`download_${format}`, () => downloadAs(record, format)))}
      ${record.url && one("manifest", () => downloadManifest(record.id))}
      ${record.url && document.fullscreenEnabled && one("fullscreen", () => fillScreen("#screen"))}
      ${isDone && one("delete", () => erase([record.id]), "danger")}
    </div>
  </details>`;
}
