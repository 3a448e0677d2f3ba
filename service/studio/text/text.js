// The words of the page in the chosen language. Missing ones are English.

import en from "./en.js";
import { choose, settings } from "../state/settings.js";

export const LANGUAGES = { en: "English", zh: "中文" };
const TAGS = { en: "en", zh: "zh-CN" };
const loaded = { en };

/** The text of a name, with `{values}` filled in. */
export function t(name, values = {}) {
  const text = loaded[settings.get().language]?.[name] ?? en[name] ?? name;
  return text.replace(/\{(\w+)\}/g, (whole, key) => values[key] ?? whole);
}

/** Whether the page has words of this name. */
export const hasText = (name) => name in en;

/** Loads the words of a language and shows the page in it. */
export async function setLanguage(language) {
  loaded[language] ??= (await import("./zh.js")).default;
  document.documentElement.lang = TAGS[language];
  if (settings.get().language !== language) choose({ language });
}
