// The studio: a client of the API in the browser.

import { NoAnswer } from "./api/client.js";
import { findRole, loadModels, models } from "./state/models.js";
import { form, showError } from "./state/form.js";
import { refreshGallery } from "./state/gallery.js";
import { settings } from "./state/settings.js";
import { openHash } from "./state/stage.js";
import { watchProgress } from "./state/attention.js";
import { setLanguage } from "./text/text.js";
import { html, render } from "./vendor/preact.js";
import { App } from "./views/app.js";

const AGAIN_MS = 4000;
let isTroubled = false;

/** Reads models and videos; again while the service does not answer, and while there is no model. */
async function readAll() {
  const isFirst = !models.get().isLoaded;
  try {
    await loadModels();
    if (isFirst) findRole();
    await refreshGallery();
    if (!models.get().list.length) setTimeout(readAll, AGAIN_MS);
    if (isTroubled) form.set({ trouble: "" });
    isTroubled = false;
  } catch (error) {
    showError(error);
    isTroubled = true;
    if (error instanceof NoAnswer) setTimeout(readAll, AGAIN_MS);
  }
}

async function load() {
  models.set({ isLoaded: false });
  isTroubled = true; // a message about the key before
  await readAll();
  openHash();
}

await setLanguage(settings.get().language);
const root = document.getElementById("app");
root.replaceChildren();
render(html`<${App} reload=${load} />`, root);
watchProgress();
addEventListener("hashchange", openHash);
load();
