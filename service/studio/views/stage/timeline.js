// The timeline: the parts of a continued video, or the shots of a film. Parts can be continued, and the last one removed.

import { isImage, isOver } from "../../api/videos.js";
import { derive, removeLast } from "../../state/actions.js";
import { t } from "../../text/text.js";
import { html } from "../../vendor/preact.js";
import { Icon } from "../icons.js";
import { Thumbnail } from "../thumbnail.js";

export function Timeline({ record, chain }) {
  if (record.shots?.length > 1) return html`<${Shots} record=${record} />`;
  if (chain.length < 2) return null;
  const parts = chain.map((video) => (video.id === record.id ? record : video)), last = parts.at(-1), place = parts.indexOf(record);
  return html`<nav class="timeline" aria-label=${t("timeline")}>
    <ol>
      ${parts.map((video, n) => html`<${Part} key=${video.id} video=${video} n=${n} frames=${video.num_frames - (parts[n - 1]?.num_frames ?? 0)} isOpen=${video === record} />`)}
      ${canGrow(last) && html`<li class="grow"><button type="button" onClick=${() => derive("extend", last)} title=${t("continue_here")} aria-label=${t("continue_here")}><${Icon} name="plus" /></button></li>`}
    </ol>
    <div class="row wrap">
      <span class="hint">${t("part_of", { n: place + 1, total: parts.length })}</span>
      ${record !== last && canGrow(record) && html`<button type="button" class="small" onClick=${() => derive("extend", record)}><${Icon} name="extend" />${t("continue_from", { n: place + 1 })}</button>`}
      <button type="button" class="small danger" onClick=${() => removeLast(parts)}><${Icon} name="delete" />${t("remove_part", { n: parts.length })}</button>
    </div>
  </nav>`;
}

const canGrow = (video) => video.url && !isImage(video);

/** An extension has all frames of the video before it: a part is what it added, `frames`. */
function Part({ video, n, frames, isOpen }) {
  return html`<li style=${{ flexGrow: Math.max(frames, 1) }}>
    <a href="#${video.id}" aria-current=${isOpen ? "true" : undefined} aria-label=${t("part", { n: n + 1, prompt: video.prompt })} title=${video.prompt}>
      <${Thumbnail} record=${video} /><span>${seconds(frames, video)}</span></a></li>`;
}

const seconds = (frames, { fps }) => `${Number((frames / fps).toPrecision(3))} s`;

/** The shots of a film. A shot of a finished film is a button that plays from its first frame. */
function Shots({ record }) {
  const lines = record.prompt.split("\n"), prompts = lines.length === record.shots.length ? lines : [];
  return html`<nav class="timeline" aria-label=${t("timeline")}><ol>
    ${record.shots.map((shot) => html`<${Shot} key=${shot.index} record=${record} shot=${shot} prompt=${prompts[shot.index] ?? ""} />`)}
  </ol></nav>`;
}

/** A shot whose windows were taken from an earlier video has a mark. */
function Shot({ record, shot: { index, num_frames: frames, first_frame: first, status, windows, windows_reused: reused }, prompt }) {
  const origin = reused ? t(reused === windows ? "shot_reused" : "shot_partly_reused", { n: reused, total: windows }) : "";
  const name = t("shot", { n: index + 1, prompt }), isKnown = isOver(record) || status === "queued";
  return html`<li class=${reused ? "reused" : ""} style=${{ flexGrow: frames }}>
    <button type="button" disabled=${!record.url} title=${[prompt, origin].filter(Boolean).join("\n")} aria-label=${origin ? `${name}. ${origin}` : name} onClick=${() => playFrom(first / record.fps)}>
      <${Thumbnail} record=${record} />${origin && html`<${Icon} name="copy" />`}<span>${isKnown ? seconds(frames, record) : t(`shot_${status}`)}</span></button></li>`;
}

function playFrom(time) {
  const video = document.querySelector("#screen video");
  if (video) video.currentTime = time;
}
