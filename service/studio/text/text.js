// The words of the page in the chosen language. Missing ones are English.

import en from "./en.js";
import { choose, settings } from "../state/settings.js";

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

/** Loads the words of a language and shows the page in it. */
export async function setLanguage(language) {
  loaded[language] ??= (await import("./zh.js")).default;
  document.documentElement.lang = TAGS[language];
  if (settings.get().language !== language) choose({ language });
}
