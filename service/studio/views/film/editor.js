// The editor of a film: a timeline with the shots in proportion, and a card for each shot.

import { addShot, duplicateShot, moveShot, placeOf, removeShot } from "../../state/film/draft.js";
import { edit, form } from "../../state/form.js";
import { limitsOf, modelOf, secondsOf } from "../../state/models.js";
import { framesOfShot, inUnit, MAX_SHOTS, shotField, shotsOf } from "../../state/film/shots.js";
import { t } from "../../text/text.js";
import { html, useEffect, useState } from "../../vendor/preact.js";
import { Icon } from "../icons.js";
import { Shot } from "./shot.js";

export function FilmEditor() {
  const { values, errors } = form.get(), limits = limitsOf(modelOf(values.model, "film")), shots = shotsOf(values);
  const [focused, setFocused] = useState(null), [told, setTold] = useState(""), drag = useDrag(setTold);
  useEffect(() => void (focused && document.getElementById(focused.id)?.focus()), [focused]);
  if (!limits) return null;
  const frames = shots.map((shot) => framesOfShot(shot, values.unit, limits) ?? 0), total = frames.reduce((sum, one) => sum + one, 0);
  const focus = (key) => setFocused({ id: shotField(key, "prompt") });
  const doFor = (key, place) => ({
    up: () => move(key, place - 1, setTold), down: () => move(key, place + 1, setTold),
    copy: () => focus(duplicateShot(key)), remove: () => focus(removeShot(key)),
  });
  const firsts = frames.map((_, place) => frames.slice(0, place).reduce((sum, one) => sum + one, 0));
  return html`<section class="film" aria-label=${t("shots")}>
    <div class="bar"><span class="label">${t("shots")}</span><${Unit} values=${values} limits=${limits} /></div>
    <ol class="strip-of-shots" aria-label=${t("timeline")}>${shots.map((shot, place) => html`<${Segment} key=${shot.key} shot=${shot} n=${place + 1} frames=${frames[place]}
      isWrong=${hasError(errors, shot)} drag=${drag.on(shot.key)} />`)}</ol>
    <p class="hint ${total > limits.longest ? "warn" : ""}">${t("film_length", { n: shots.length, frames: total, seconds: secondsOf(total, limits), most: limits.longestSeconds })}</p>
    <ol class="shots">${shots.map((shot, place) => html`<${Shot} key=${shot.key} shot=${shot} place=${place} count=${shots.length} first=${firsts[place]} limits=${limits}
      does=${doFor(shot.key, place)} drag=${drag.on(shot.key)} />`)}</ol>
    <button type="button" id="add_shot" disabled=${shots.length >= MAX_SHOTS} onClick=${() => focus(addShot())}><${Icon} name="plus" />${t("add_shot")}</button>
    <p class="hidden" role="status">${told}</p>
  </section>`;
}

/** A shot in the timeline. A click goes to its card. */
function Segment({ shot, n, frames, isWrong, drag }) {
  return html`<li style=${{ flexGrow: frames || 1 }} ...${drag.target} ...${drag.handle}>
    <button type="button" class=${isWrong ? "wrong" : ""} aria-label=${t("shot", { n, prompt: shot.prompt })} title=${shot.prompt} onClick=${() => show(shot.key)}>${n}</button></li>`;
}

const hasError = (errors, { key }) => Object.keys(errors).some((name) => name.startsWith(shotField(key, "")));

function show(key) {
  const prompt = document.getElementById(shotField(key, "prompt"));
  prompt?.closest("li").scrollIntoView({ block: "nearest" });
  prompt?.focus();
}

/** Moves a shot and announces its new place. The focus stays in the shot. */
function move(key, place, tell) {
  const { activeElement: focused } = document;
  if (!moveShot(key, place)) return;
  tell(t("shot_moved", { n: place + 1, total: shotsOf(form.get().values).length }));
  setTimeout(() => focused.focus());
}

/** The pointer drags a shot onto another one, whose place it takes. */
function useDrag(tell) {
  const [dragged, setDragged] = useState(null);
  const on = (key) => ({
    handle: { draggable: true, onDragStart: (event) => (event.dataTransfer.setData("text/plain", String(key)), setDragged(key)), onDragEnd: () => setDragged(null) },
    target: {
      onDragOver: (event) => dragged !== null && event.preventDefault(),
      onDrop: (event) => {
        if (dragged === null) return;
        event.preventDefault();
        move(dragged, placeOf(key), tell);
        setDragged(null);
      },
    },
  });
  return { on };
}

function Unit({ values, limits }) {
  const turn = ({ target }) => edit({ shots: inUnit(values, target.value, limits), unit: target.value });
  return html`<label class="choice">${t("unit")} <select value=${values.unit} onChange=${turn}>
    <option value="seconds">${t("unit_s")}</option><option value="num_frames">${t("unit_frames")}</option></select></label>`;
}
