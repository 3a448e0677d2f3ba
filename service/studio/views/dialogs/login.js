// The dialog for the API key.

import { enterKey, login } from "../../api/client.js";
import { isKeyRemembered } from "../../state/settings.js";
import { useStore } from "../../state/store.js";
import { t } from "../../text/text.js";
import { html } from "../../vendor/preact.js";
import { Modal } from "./modal.js";

export function Login() {
  const { isOpen, isWrong } = useStore(login);
  if (!isOpen) return null;
  const enter = (event) => {
    event.preventDefault();
    const { key, remember } = event.target.elements;
    if (key.value.trim()) enterKey(key.value.trim(), remember.checked);
  };
  return html`<${Modal} title=${t("key_title")} onClose=${() => enterKey("")}>
    <form onSubmit=${enter}>
      ${isWrong && html`<p class="error" role="alert">${t("key_wrong")}</p>`}
      <label for="key">${t("key_label")}</label>
      <input id="key" name="key" type="password" autocomplete="off" />
      <p class="hint">${t("key_hint")}</p>
      <label class="tick"><input name="remember" type="checkbox" checked=${isKeyRemembered()} /> ${t("key_remember")}</label>
      <div class="row end">
        <button type="button" onClick=${() => enterKey("")}>${t("not_now")}</button>
        <button type="submit" class="main">${t("key_continue")}</button>
      </div>
    </form>
  <//>`;
}
