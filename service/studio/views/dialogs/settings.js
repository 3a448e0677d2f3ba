// The settings of this device: language, theme, what happens at the end of a video, and the API key.

import { allowLogin, login, requestKey } from "../../api/client.js";
import { playSound } from "../../state/attention.js";
import { choose, isKeyRemembered, readKey, rememberKey, settings, THEMES } from "../../state/settings.js";
import { useStore } from "../../state/store.js";
import { LANGUAGES, setLanguage, t } from "../../text/text.js";
import { html, useState } from "../../vendor/preact.js";
import { Modal } from "./modal.js";

export function Settings({ reload, done }) {
  const { hasKey } = useStore(login);
  return html`<${Modal} title=${t("settings")} onClose=${() => done(null)}>
    <${Look} />
    <${AtTheEnd} />
    ${hasKey && html`<${Key} reload=${reload} done=${done} />`}
    <p class="hint">${t("settings_hint")}</p>
  <//>`;
}

function Look() {
  const { theme, language } = useStore(settings);
  return html`<div class="pair">
    <label>${t("language")}<select value=${language} onChange=${(event) => setLanguage(event.target.value)}>
      ${Object.entries(LANGUAGES).map(([tag, name]) => html`<option value=${tag} lang=${tag}>${name}</option>`)}</select></label>
    <label>${t("theme")}<select value=${theme} onChange=${(event) => choose({ theme: event.target.value })}>
      ${THEMES.map((name) => html`<option value=${name}>${t(`theme_${name}`)}</option>`)}</select></label>
  </div>`;
}

/** Only the browser can allow notifications: a refusal is said here. */
function AtTheEnd() {
  const { notify, sound } = useStore(settings), [isRefused, setRefused] = useState(false);
  const setNotify = async ({ target }) => {
    const isOn = target.checked && (await Notification.requestPermission()) === "granted";
    setRefused(target.checked && !isOn);
    choose({ notify: isOn });
  };
  const setSound = ({ target: { checked } }) => {
    choose({ sound: checked });
    if (checked) playSound();
  };
  return html`<fieldset><legend>${t("at_the_end")}</legend>
    ${"Notification" in window && html`<label class="tick"><input type="checkbox" checked=${notify} aria-describedby="notify-hint" onChange=${setNotify} /> ${t("notify")}</label>
      <p id="notify-hint" class="hint">${t("notify_hint")}</p>
      <p class="error" role="alert">${isRefused && t("notify_refused")}</p>`}
    <label class="tick"><input type="checkbox" checked=${sound} onChange=${setSound} /> ${t("sound")}</label>
  </fieldset>`;
}

function Key({ reload, done }) {
  const [isKept, setKept] = useState(isKeyRemembered());
  const change = async () => {
    done(null);
    allowLogin();
    if (await requestKey()) reload();
  };
  const keep = ({ target: { checked } }) => {
    rememberKey(checked);
    setKept(isKeyRemembered());
  };
  return html`<fieldset><legend>${t("key_label")}</legend>
    ${readKey() !== null && html`<label class="tick"><input type="checkbox" checked=${isKept} onChange=${keep} /> ${t("key_remember")}</label>`}
    <button type="button" class="small" onClick=${change}>${t(readKey() === null ? "key_enter" : "key_change")}</button>
  </fieldset>`;
}
