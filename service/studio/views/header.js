// The header: settings, the view of operators, and the reference of the API.

import { dialogs } from "../state/dialogs.js";
import { focusPrompt } from "../state/actions.js";
import { models } from "../state/models.js";
import { useStore } from "../state/store.js";
import { t } from "../text/text.js";
import { html } from "../vendor/preact.js";
import { Icon } from "./icons.js";

export function Header({ reload }) {
  const { isOperator } = useStore(models);
  return html`<header>
    <a class="skip" href="#" onClick=${skip}>${t("skip")}</a>
    <h1><img src="studio/icon.svg" alt="" width="28" height="28" /> EasyAnimate <span>Studio</span></h1>
    <nav aria-label=${t("menu")}>
      ${isOperator && html`<button type="button" class="quiet" onClick=${() => dialogs.operators()}><${Icon} name="operators" /><span>${t("operators")}</span></button>`}
      <button type="button" class="quiet" onClick=${() => dialogs.settings({ reload })}><${Icon} name="settings" /><span>${t("settings")}</span></button>
      <a class="button quiet" href="docs">${t("api")}</a>
    </nav>
  </header>`;
}

function skip(event) {
  event.preventDefault();
  focusPrompt();
}
