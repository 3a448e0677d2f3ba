// Progress outside the page: its title, its icon, a notification and a sound.

import { isOver } from "../api/videos.js";
import { t } from "../text/text.js";
import { settings } from "./settings.js";
import { stage } from "./stage.js";

const TITLE = "EasyAnimate Studio", SIDE = 32;
const TONES_HZ = [660, 880], TONE_S = 0.18, VOLUME = 0.15, SILENCE = 0.001;
const icon = document.querySelector("link[rel=icon]"), plainIcon = icon.href;
let shown = null, iconUrl = null;
const running = new Set();

/** Follows the stage. */
export function watchProgress() {
  stage.subscribe(({ ids, records }) => {
    const all = ids.map((id) => records[id]).filter(Boolean);
    showInTitle(all);
    for (const record of all) notifyAtEnd(record);
  });
}

function showInTitle(records) {
  const open = records.filter((record) => !isOver(record));
  const percent = open.length ? Math.round(records.reduce((sum, record) => sum + (isOver(record) ? 100 : record.progress), 0) / records.length) : null;
  const prompt = records[0]?.prompt.slice(0, 40);
  document.title = percent !== null ? `${percent} % ${prompt}` : prompt ? `${t(`state_${records[0].state}`)}: ${prompt}` : TITLE;
  if (percent === shown) return;
  shown = percent;
  if (percent === null) return void (icon.href = plainIcon);
  drawIcon(percent / 100);
}

/** A ring that closes. */
function drawIcon(share) {
  const canvas = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE }), pen = canvas.getContext("2d");
  const ring = (colour, end) => {
    pen.beginPath();
    pen.strokeStyle = colour;
    pen.arc(SIDE / 2, SIDE / 2, 12, -Math.PI / 2, end * 2 * Math.PI - Math.PI / 2);
    pen.stroke();
  };
  pen.lineWidth = 7;
  ring("#c9c4f5", 1);
  ring("#5b4be0", share);
  canvas.toBlob((blob) => {
    if (shown === null || !blob) return;
    if (iconUrl) URL.revokeObjectURL(iconUrl);
    icon.href = iconUrl = URL.createObjectURL(blob);
  });
}

function notifyAtEnd(record) {
  if (!isOver(record)) return void running.add(record.id);
  if (!running.delete(record.id)) return;
  const { notify, sound } = settings.get();
  try {
    if (sound) playSound();
    if (notify && document.hidden && globalThis.Notification?.permission === "granted") showNote(record);
  } catch { /* a browser without sound, or with notifications of service workers only, as on Android */ }
}

function showNote(record) {
  const note = new Notification(t(`state_${record.state}`), { body: record.prompt.slice(0, 120), icon: plainIcon, tag: record.id });
  note.onclick = () => focus();
}

/** Two short tones. The browser plays them after the first click on the page. */
export function playSound() {
  const context = new AudioContext();
  TONES_HZ.forEach((frequency, place) => {
    const tone = context.createOscillator(), volume = context.createGain(), start = context.currentTime + place * TONE_S;
    tone.frequency.value = frequency;
    volume.gain.setValueAtTime(VOLUME, start);
    volume.gain.exponentialRampToValueAtTime(SILENCE, start + 2 * TONE_S);
    tone.connect(volume).connect(context.destination);
    tone.start(start);
    tone.stop(start + 2 * TONE_S);
    tone.onended = () => place === TONES_HZ.length - 1 && context.close();
  });
}
