// Dialogs that return a value: the page waits for what was chosen.

import { createStore } from "./store.js";

/** The open dialog: `name`, its `values`, and `done(result)`; null without one. */
export const openDialog = createStore({ name: null, values: {}, done: null });

function show(name, values) {
  openDialog.get().done?.(null);
  return new Promise((resolve) => {
    const done = (result) => {
      openDialog.set({ name: null, values: {}, done: null });
      resolve(result ?? null);
    };
    openDialog.set({ name, values, done });
  });
}

export const dialogs = {
  /** A frame of a finished video as a File. */
  pickFrame: () => show("frame", {}),
  /** The record of a finished video. */
  pickVideo: () => show("video", {}),
  /** A part of an image as a File: `{ file, ratio }`, ratio is width / height. */
  crop: (values) => show("crop", values),
  /** A mask as a File: `{ video }`, a File or a record. */
  paintMask: (values) => show("mask", values),
  /** A request as code. */
  code: () => show("code", {}),
  /** Language, theme, sound, notifications and key. `reload()` reads the page again with another key. */
  settings: (values) => show("settings", values),
  /** What operators see and do. */
  operators: () => show("operators", {}),
};
