// The studio: a client of the API in the browser.

import { findRole, loadModels } from "./state/models.js";
import { form, showError } from "./state/form.js";
import { refreshGallery } from "./state/gallery.js";
import { settings } from "./state/settings.js";
import { openHash } from "./state/stage.js";
import { watchProgress } from "./state/attention.js";
import { setLanguage } from "./text/text.js";
import { html, render } from "./vendor/preact.js";
import { App } from "./views/app.js";

async function load() {
  try {
    await loadModels();
    findRole();
    await refreshGallery();
    form.set({ trouble: "" });
  } catch (error) {
    showError(error);
  }
  openHash();
}

await setLanguage(settings.get().language);
const root = document.getElementById("app");
root.replaceChildren();
render(html`<${App} reload=${load} />`, root);
watchProgress();
addEventListener("hashchange", openHash);
load();
