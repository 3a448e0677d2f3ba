// The timeline: the videos that this one continues, each as a part, or the shots of a film.

import { isImage } from "../../api/videos.js";
import { derive } from "../../state/actions.js";
import { t } from "../../text/text.js";
import { html } from "../../vendor/preact.js";
import { Icon } from "../icons.js";
import { Thumbnail } from "../thumbnail.js";

export function Timeline({ record, before }) {
  const parts = record.shots?.length ? shotsOf(record) : partsOf([...before, record]);
  const canGrow = record.url && !isImage(record);
  if (parts.length < 2) return null;
  return html`<nav class="timeline" aria-label=${t("timeline")}><ol>
    ${parts.map(({ video, prompt, frames, status }, place) => html`<li key=${place} style=${{ flexGrow: Math.max(frames, 1) }}>
      <a href="#${video.id}" aria-current=${video.id === record.id && place === parts.length - 1 ? "true" : undefined} aria-label=${t("part", { n: place + 1, prompt })} title=${prompt}>
        <${Thumbnail} record=${video} /><span>${status ?? `${Number((frames / video.fps).toPrecision(3))} s`}</span></a>
    </li>`)}
    ${canGrow && html`<li class="grow"><button type="button" onClick=${() => derive("extend", record)} title=${t("continue_here")} aria-label=${t("continue_here")}><${Icon} name="plus" /></button></li>`}
  </ol></nav>`;
}

/** An extension has all frames of the video before it: a part is what it added. */
function partsOf(videos) {
  return videos.map((video, place) => {
    const frames = video.num_frames - (videos[place - 1]?.num_frames ?? 0);
    return { video, prompt: video.prompt, frames };
  });
}

function shotsOf(record) {
  return record.shots.map(({ index, num_frames: frames, prompt }) => ({ video: record, prompt: prompt ?? t("shot", { n: index + 1 }), frames }));
}
