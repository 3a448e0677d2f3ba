// The header: language, theme, notifications and the key.

import { allowLogin, login, requestKey } from "../api/client.js";
import { dialogs } from "../state/dialogs.js";
import { focusPrompt } from "../state/actions.js";
import { models } from "../state/models.js";
import { playSound } from "../state/attention.js";
import { choose, settings, THEMES } from "../state/settings.js";
import { useStore } from "../state/store.js";
import { LANGUAGES, setLanguage, t } from "../text/text.js";
import { html } from "../vendor/preact.js";
import { Icon } from "./icons.js";

export function Header({ reload }) {
  const { theme, notify, sound, language } = useStore(settings), { hasKey } = useStore(login), { isOperator } = useStore(models);
  const changeKey = async () => {
    allowLogin();
    if (await requestKey()) reload();
  };
  return html`<header>
    <a class="skip" href="#" onClick=${skip}>${t("skip")}</a>
    <h1><img src="studio/icon.svg" alt="" width="28" height="28" /> EasyAnimate <span>Studio</span></h1>
    <nav aria-label=${t("settings")}>
      ${"Notification" in window && html`<button type="button" class="quiet" aria-pressed=${notify} title=${t("notify_hint")} onClick=${() => setNotify(!notify)}>
        <${Icon} name="bell" /><span>${t("notify")}</span></button>`}
      <button type="button" class="quiet" aria-pressed=${sound} title=${t("sound_hint")} onClick=${() => setSound(!sound)}><${Icon} name="sound" /><span>${t("sound")}</span></button>
      <label class="choice"><span class="hidden">${t("theme")}</span><${Icon} name="theme" />
        <select value=${theme} onChange=${(event) => choose({ theme: event.target.value })}>
          ${THEMES.map((name) => html`<option value=${name}>${t(`theme_${name}`)}</option>`)}</select></label>
      <label class="choice"><span class="hidden">${t("language")}</span>
        <select value=${language} onChange=${(event) => setLanguage(event.target.value)}>
          ${Object.entries(LANGUAGES).map(([tag, name]) => html`<option value=${tag} lang=${tag}>${name}</option>`)}</select></label>
      ${isOperator && html`<button type="button" class="quiet" onClick=${() => dialogs.operators()}><${Icon} name="operators" /><span>${t("operators")}</span></button>`}
      ${hasKey && html`<button type="button" class="quiet" onClick=${changeKey}><${Icon} name="key" /><span>${t("key")}</span></button>`}
      <a class="button quiet" href="docs">${t("api")}</a>
    </nav>
  </header>`;
}

function skip(event) {
  event.preventDefault();
  focusPrompt();
}

function setSound(isOn) {
  choose({ sound: isOn });
  if (isOn) playSound();
}

async function setNotify(isOn) {
  choose({ notify: isOn && (await Notification.requestPermission()) === "granted" });
}
