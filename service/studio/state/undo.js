// What can be undone for some seconds: a message with "Undo", and what is done when it ends.

import { createStore } from "./store.js";

const DURATION_MS = 10_000;
const NOTHING = { text: null, restore: null, finish: null };

/** The open message. `restore()` undoes; `finish(isLeaving)` makes it final. */
export const undoable = createStore(NOTHING);

let timer = null;

/** Shows a message with "Undo". The message before it ends at once. */
export function offerUndo(text, restore, finish = () => {}) {
  end();
  undoable.set({ text, restore, finish });
  resume();
}

export function undo() {
  const { restore } = close();
  restore?.();
}

/** Ends the message: what it says is final. `isLeaving`: the page is being left. */
export function end(isLeaving = false) {
  const { finish } = close();
  finish?.(isLeaving);
}

function close() {
  clearTimeout(timer);
  const open = undoable.get();
  undoable.set(NOTHING);
  return open;
}

/** The message stays while the pointer or the focus is on it. */
export const hold = () => clearTimeout(timer);

export function resume() {
  clearTimeout(timer);
  if (undoable.get().text) timer = setTimeout(end, DURATION_MS);
}

addEventListener("pagehide", () => end(true));
