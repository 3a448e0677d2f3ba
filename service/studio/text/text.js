// The words of the page in the chosen language. Missing ones are English.

import en from "./en.js";
import { choose, SETTINGS, settings, storedSettings } from "../state/settings.js";

export const LANGUAGES = { en: "English", zh: "中文" };
const TAGS = { en: "en", zh: "zh-CN" };
const loaded = { en };

/** The text of a name, with `{values}` filled in; null without one. */
export function textOf(name, values = {}) {
  const text = loaded[settings.get().language]?.[name] ?? en[name];
  return text === undefined ? null : text.replace(/\{(\w+)\}/g, (whole, key) => values[key] ?? whole);
}

/** The text of a name; the name itself without one. */
export const t = (name, values) => textOf(name, values) ?? name;

/** Whether the page has words of this name. */
export const hasText = (name) => name in en;

/** Loads the words of a language and shows the page in it. One that the page does not have is English. */
export async function setLanguage(language) {
  await load(language in LANGUAGES ? language : "en");
  if (settings.get().language !== language) choose({ language });
}

async function load(language) {
  loaded[language] ??= (await import("./zh.js")).default;
  document.documentElement.lang = TAGS[language];
}

/** Another tab changed the settings: this one does not write its older ones over them. */
addEventListener("storage", async ({ key }) => {
  if (key !== SETTINGS) return;
  const { language = settings.get().language, ...others } = storedSettings();
  await load(language in LANGUAGES ? language : "en");
  settings.set({ language, ...others });
});

const MAX_IN_S = 120, MAX_IN_MIN = 7200;

/** Seconds in the unit that is easy to read. */
export function timeText(seconds) {
  if (seconds < MAX_IN_S) return t("in_s", { n: Math.max(1, Math.round(seconds)) });
  if (seconds < MAX_IN_MIN) return t("in_min", { n: Math.round(seconds / 60) });
  return t("in_h", { n: (seconds / 3600).toFixed(1) });
}
