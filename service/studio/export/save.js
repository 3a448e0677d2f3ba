// Saves a video in another format. The browser makes the file.

import { NoAnswer, Refused } from "../api/client.js";
import { messageOf } from "../state/errors.js";
import { stage } from "../state/stage.js";
import { t } from "../text/text.js";
import { makeGif } from "./gif.js";
import { canMakeWebm, makeWebm } from "./webm.js";

const MAKERS = { gif: makeGif, webm: makeWebm };
const running = new Set();

/** Makes and downloads the file of a record; `format` is `gif` or `webm`. The stage shows the progress while the video is on it. */
export async function saveAs(record, format) {
  const { id } = record, name = `${id}.${format}`;
  if (running.has(name)) return;
  running.add(name);
  const say = (detail) => stage.get().ids.includes(id) && stage.set({ detail });
  try {
    if (format === "webm" && !canMakeWebm()) return say(t("no_webm"));
    save(await MAKERS[format](record, (share) => say(t("making_file", { name, percent: Math.round(share * 100) }))), name);
    say("");
  } catch (error) {
    say(error instanceof Refused || error instanceof NoAnswer ? messageOf(error) : t("no_file", { name }));
  } finally {
    running.delete(name);
  }
}

function save(blob, name) {
  const url = URL.createObjectURL(blob);
  Object.assign(document.createElement("a"), { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
