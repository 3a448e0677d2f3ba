// Copies texts, also where the browser has no clipboard for the page: without HTTPS, or after a refusal.

/** Copies a text, and returns whether that worked. */
export async function copyToClipboard(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

function copyBySelection(text) {
  const area = Object.assign(document.createElement("textarea"), { value: text, readOnly: true, className: "hidden" }), { activeElement: focused } = document;
  (document.querySelector("dialog[open]") ?? document.body).append(area); // outside of a dialog nothing can be selected
  area.select();
  const isCopied = document.execCommand("copy");
  area.remove();
  focused?.focus({ preventScroll: true });
  return isCopied;
}
