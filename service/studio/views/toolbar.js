// A row of buttons that is one stop of the Tab key. Arrow keys, Home and End move inside (WAI-ARIA: toolbar).

import { html, useState } from "../vendor/preact.js";
import { Icon } from "./icons.js";

const STEPS = { ArrowLeft: -1, ArrowRight: 1 }, ENDS = { Home: 0, End: -1 };

/**
 * `tools`: { name, icon, label, title, onClick, isPressed, isOff }; `isPressed` is set for switches only.
 * A tool that is off keeps the focus: it says that it is off, and does nothing.
 */
export function Toolbar({ label, look = "toolbar", tools }) {
  const [last, setLast] = useState(null), names = tools.map(({ name }) => name), current = names.includes(last) ? last : names[0];
  const move = (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    const place = [...event.currentTarget.children].indexOf(event.target);
    const next = event.key in STEPS ? (place + STEPS[event.key] + tools.length) % tools.length : ENDS[event.key];
    if (next === undefined) return;
    event.preventDefault();
    [...event.currentTarget.children].at(next).focus();
  };
  return html`<div class=${look} role="toolbar" aria-label=${label} onKeyDown=${move}>
    ${tools.map(({ name, icon, label: text, title, onClick, isPressed, isOff }) => html`<button key=${name} type="button" class="icon-button ${name}" tabIndex=${name === current ? 0 : -1}
      aria-label=${text} title=${title} aria-pressed=${isPressed} aria-disabled=${isOff || undefined}
      onFocus=${() => setLast(name)} onClick=${isOff ? undefined : onClick}><${Icon} name=${icon} /></button>`)}
  </div>`;
}
