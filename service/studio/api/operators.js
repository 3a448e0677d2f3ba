// The requests of operators. Other keys get 403 for them.

import { read } from "./client.js";

const json = (fields) => ({ method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(fields) });

export const readQueues = async () => (await read("v1/queue")).data;
export const readWorkers = async () => (await read("v1/admin/workers")).data;
export const readUsage = () => read("v1/usage?group_by=model");
export const pauseQueue = (model, reason) => read(`v1/admin/queues/${encodeURIComponent(model)}/pause`, json({ reason }));
export const resumeQueue = (model) => read(`v1/admin/queues/${encodeURIComponent(model)}/resume`, { method: "POST" });
export const drainWorker = (name) => read(`v1/admin/workers/${encodeURIComponent(name)}/drain`, { method: "POST" });
/** The waiting videos of the key. */
export const readWaiting = async () => (await read("v1/videos?status=queued&limit=100")).data;
export const setPriority = (id, priority) => read(`v1/videos/${encodeURIComponent(id)}`, json({ priority }));
