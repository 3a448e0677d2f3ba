// Icons as paths of 24 by 24 units.

import { html } from "../vendor/preact.js";

const PATHS = {
  play: "M8 5v14l11-7z",
  pause: "M9 5v14M15 5v14",
  wipe: "M3 5h18v14H3zM12 3v18M15 9h3M15 12h3M15 15h3",
  download: "M12 3v12m0 0 5-5m-5 5-5-5M4 20h16",
  remix: "M4 7h11l-3-3m3 3-3 3M20 17H9l3 3m-3-3 3-3",
  extend: "M4 12h13m0 0-5-5m5 5-5 5M21 5v14",
  edit: "M4 20l1-5L16 4l4 4L9 19zM14 6l4 4",
  more: "M4.5 12h1M11.5 12h1M18.5 12h1",
  delete: "M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13",
  close: "M6 6l12 12M18 6L6 18",
  image: "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15 9h.01",
  frame: "M4 4h16v16H4zM8 4v16M16 4v16M4 9h4M4 15h4M16 9h4M16 15h4",
  crop: "M7 2v15h15M2 7h15v15",
  brush: "M4 20c3 0 4-1 4-4l3 3c0 1-1 2-2 2zM9 15L19 4l1 1L11 17",
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM16 16l5 5",
  plus: "M12 5v14M5 12h14",
  code: "M8 7l-5 5 5 5M16 7l5 5-5 5",
  star: "M12 3l2.7 5.8 6.3.8-4.6 4.3 1.2 6.2L12 17l-5.6 3.1 1.2-6.2L3 9.6l6.3-.8z",
  reset: "M5 12a7 7 0 1 0 2-5L4 10M4 5v5h5",
  up: "M6 15l6-6 6 6",
  down: "M6 9l6 6 6-6",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  grip: "M9 6h.01M15 6h.01M9 12h.01M15 12h.01M9 18h.01M15 18h.01",
  settings: "M12 5.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM12 9.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5zM12 2.5v3M12 18.5v3M2.5 12h3M18.5 12h3M5.3 5.3l2.1 2.1M16.6 16.6l2.1 2.1M5.3 18.7l2.1-2.1M16.6 7.4l2.1-2.1",
  operators: "M4 6h16M4 12h16M4 18h16M8 4v4M15 10v4M10 16v4",
  spark: "M12 3l2 6 6 2-6 2-2 6-2-6-6-2 6-2z",
};

/** An icon beside a text, or in a button with a label. */
export const Icon = ({ name }) => html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><path d=${PATHS[name]} /></svg>`;
