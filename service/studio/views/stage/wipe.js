// Two videos in one frame: a line divides it, and both play at the same time.

import { isImage } from "../../api/videos.js";
import { t } from "../../text/text.js";
import { html, useEffect, useRef, useState } from "../../vendor/preact.js";
import { Icon } from "../icons.js";
import { crisp } from "../thumbnail.js";
import { isCalm, useFile } from "./frame.js";

const MIDDLE = 50, CHECK_MS = 100, MOST_APART_S = 0.1;

export function Wipe({ records }) {
  const [share, setShare] = useState(MIDDLE), frame = useRef(null), [first, second] = records, { width, height } = first;
  const move = (event) => setShare(Number(event.target.value));
  return html`<div class="wiping">
    <div class="area"><div id="screen" ref=${frame} class="frame wipe ${crisp(first)}" style=${{ "--ratio": width / height, "--share": `${share}%` }}>
      ${records.map((record, place) => html`<${Media} key=${record.id} record=${record} loops=${place === longerOf(records) || first.num_frames === second.num_frames} />`)}
      <i class="line"></i>
      <input type="range" min="0" max="100" value=${share} aria-label=${t("wipe_line")} onInput=${move} />
    </div></div>
    ${!records.some(isImage) && html`<${Playback} records=${records} frame=${frame} />`}
    <p class="bar wipe-names">${records.map(({ id, seed, prompt }, place) => html`<a href="#${id}" title=${prompt}>${t(place ? "wipe_right" : "wipe_left", { seed })}</a>`)}</p>
  </div>`;
}

const longerOf = ([first, second]) => (second.num_frames > first.num_frames ? 1 : 0);

function Media({ record, loops }) {
  const [src, useBytes] = useFile(record);
  if (isImage(record)) return html`<img src=${src} alt=${record.prompt} onError=${useBytes} />`;
  return html`<video src=${src} loop=${loops} muted playsinline preload="auto" autoplay=${!isCalm} aria-label=${record.prompt} onError=${useBytes}></video>`;
}

/** Play, pause and the frames. The shorter video follows the longer one. */
function Playback({ records, frame }) {
  const [isPlaying, setPlaying] = useState(!isCalm), [index, setIndex] = useState(0), { fps, num_frames: total } = records[longerOf(records)];
  const videos = () => [...frame.current.querySelectorAll("video")];
  useEffect(() => {
    const timer = setInterval(() => {
      const all = videos(), leader = all[longerOf(records)], other = all.find((one) => one !== leader);
      if (!leader.duration || !other.duration) return;
      keepTogether(leader, other);
      setPlaying(!leader.paused);
      setIndex(Math.min(total - 1, Math.floor(leader.currentTime * fps)));
    }, CHECK_MS);
    return () => clearInterval(timer);
  }, []);
  const toggle = () => videos().forEach((video) => (isPlaying ? video.pause() : video.play().catch(() => {})));
  const seek = (event) => videos().forEach((video) => {
    video.pause();
    video.currentTime = Math.min((Number(event.target.value) + 0.5) / fps, video.duration);
  });
  return html`<div class="row playback">
    <button type="button" class="icon-button" aria-label=${t(isPlaying ? "pause" : "play")} title=${t(isPlaying ? "pause" : "play")} onClick=${toggle}><${Icon} name=${isPlaying ? "pause" : "play"} /></button>
    <input type="range" min="0" max=${total - 1} value=${index} aria-label=${t("frame_n", { n: index + 1, total })} onInput=${seek} />
  </div>`;
}

function keepTogether(leader, other) {
  if (leader.currentTime > other.duration) return;
  const apart = Math.abs(leader.currentTime - other.currentTime), wraps = leader.duration - apart;
  if (Math.min(apart, other.loop ? wraps : apart) > MOST_APART_S) other.currentTime = leader.currentTime;
  if (!leader.paused && other.paused) other.play().catch(() => {});
}
