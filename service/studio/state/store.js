// A value that views follow.

import { useEffect, useState } from "../vendor/preact.js";

/** A store of an object. `set` merges a patch, or the result of a function of the value. */
export function createStore(value) {
  const listeners = new Set();
  return {
    get: () => value,
    set(patch) {
      value = { ...value, ...(typeof patch === "function" ? patch(value) : patch) };
      for (const listener of [...listeners]) listener(value);
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** The value of a store. The view is drawn again after each change. */
export function useStore(store) {
  const [, redraw] = useState(0);
  useEffect(() => {
    redraw((count) => count + 1); // a change between drawing and this line
    return store.subscribe(() => redraw((count) => count + 1));
  }, [store]);
  return store.get();
}
