// What the user chose for this device: theme, language, notifications, and the key if it is to be remembered.

import { createStore } from "./store.js";

const NAME = "studio", KEY = "key";
export const THEMES = ["auto", "light", "dark"];

function stored() {
  try {
    return JSON.parse(localStorage.getItem(NAME)) ?? {};
  } catch {
    return {}; // no storage, or a value of another release
  }
}

const preferred = navigator.languages?.find((tag) => /^(en|zh)/i.test(tag)) ?? "en";
export const settings = createStore({ theme: "auto", language: preferred.slice(0, 2).toLowerCase(), notify: false, sound: false, ...stored() });

/** Changes settings and stores them on this device. */
export function choose(patch) {
  settings.set(patch);
  write(localStorage, NAME, JSON.stringify(settings.get()));
}

/** The API key of this tab, or the one that is remembered on this device; null without one. */
export const readKey = () => sessionStorage.getItem(KEY) ?? localStorage.getItem(KEY);

/** Keeps the key in this tab and, if `remembers`, on this device. */
export function keepKey(key, remembers) {
  write(sessionStorage, KEY, key);
  if (remembers) write(localStorage, KEY, key);
  else localStorage.removeItem(KEY);
}

/** Keeps the key of this tab on this device too, or in this tab only. */
export const rememberKey = (remembers) => keepKey(readKey(), remembers);

export const isKeyRemembered = () => localStorage.getItem(KEY) !== null;

/** Writes a value; a full or forbidden storage is no error. */
export function write(storage, name, value) {
  try {
    storage.setItem(name, value);
  } catch { /* the value lasts as long as the page */ }
}

function showTheme({ theme }) {
  document.documentElement.dataset.theme = theme;
}

settings.subscribe(showTheme);
showTheme(settings.get());
