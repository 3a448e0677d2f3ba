// The view of operators: queues, workers, the waiting videos of the key, and its usage. It is read again while it is open.

import { drainWorker, pauseQueue, readQueues, readUsage, readWaiting, readWorkers, resumeQueue, setPriority } from "../../api/operators.js";
import { messageOf } from "../../state/errors.js";
import { t } from "../../text/text.js";
import { html, useEffect, useState } from "../../vendor/preact.js";
import { Modal } from "../dialogs/modal.js";
import { Queues } from "./queues.js";
import { Usage, Waiting } from "./videos.js";
import { Workers } from "./workers.js";

const READ_MS = 2000;
const PARTS = { queues: readQueues, workers: readWorkers, waiting: readWaiting, usage: readUsage };

export function Operators({ done }) {
  const [parts, setParts] = useState({}), [error, setError] = useState("");
  const refresh = async () => {
    const results = await Promise.allSettled(Object.values(PARTS).map((load) => load()));
    const failed = results.find(({ status }) => status === "rejected");
    setError(failed ? messageOf(failed.reason) : "");
    setParts((before) => Object.fromEntries(Object.keys(PARTS).map((name, n) => [name, results[n].value ?? before[name]])));
  };
  useEffect(() => {
    refresh();
    const timer = setInterval(refresh, READ_MS);
    return () => clearInterval(timer);
  }, []);
  const then = (action) => async (...values) => {
    try {
      await action(...values);
      await refresh();
    } catch (reason) {
      setError(messageOf(reason));
    }
  };
  const { queues, workers, waiting, usage } = parts;
  return html`<${Modal} wide title=${t("operators")} onClose=${() => done(null)}>
    <div class="operators">
      <p class="error" role="alert">${error}</p>
      ${queues && html`<${Queues} queues=${queues} pause=${then(pauseQueue)} resume=${then(resumeQueue)} />`}
      ${workers && html`<${Workers} workers=${workers} drain=${then(drainWorker)} />`}
      ${waiting && html`<${Waiting} videos=${waiting} change=${then(setPriority)} />`}
      ${usage && html`<${Usage} usage=${usage} />`}
    </div>
  <//>`;
}
