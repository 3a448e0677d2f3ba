// What the user chose for this device: theme, language, notifications, and the key if it is to be remembered.

import { createStore } from "./store.js";

export const SETTINGS = "studio";
const KEY = "key";
const FORBIDDEN = { getItem: () => null, setItem() {}, removeItem() {} };

/** A storage of the browser; where the browser forbids it, one that is always empty. */
function storageOf(name) {
  try {
    return globalThis[name] ?? FORBIDDEN;
  } catch {
    return FORBIDDEN;
  }
}

export const ofTab = storageOf("sessionStorage"), ofDevice = storageOf("localStorage");
export const THEMES = ["auto", "light", "dark"];

export function storedSettings() {
  try {
    return JSON.parse(ofDevice.getItem(SETTINGS)) ?? {};
  } catch {
    return {}; // no storage, or a value of another release
  }
}

const preferred = navigator.languages?.find((tag) => /^(en|zh)/i.test(tag)) ?? "en";
export const settings = createStore({ theme: "auto", language: preferred.slice(0, 2).toLowerCase(), notify: false, sound: false, ...storedSettings() });

/** Changes settings and stores them on this device. */
export function choose(patch) {
  settings.set(patch);
  write(ofDevice, SETTINGS, JSON.stringify(settings.get()));
}

/** The API key of this tab, or the one that is remembered on this device; null without one. */
export const readKey = () => ofTab.getItem(KEY) ?? ofDevice.getItem(KEY);

/** Keeps the key in this tab and, if `remembers`, on this device. */
export function keepKey(key, remembers) {
  write(ofTab, KEY, key);
  if (remembers) write(ofDevice, KEY, key);
  else ofDevice.removeItem(KEY);
}

/** Keeps the key of this tab on this device too, or in this tab only. */
export const rememberKey = (remembers) => keepKey(readKey(), remembers);

export const isKeyRemembered = () => ofDevice.getItem(KEY) !== null;

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
