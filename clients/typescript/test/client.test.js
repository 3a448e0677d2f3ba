// The client against a running service. Arguments come as EASYANIMATE_URL, EASYANIMATE_API_KEY and HOOK_URL.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { EasyAnimate, ApiError, ConnectionFailed, DownloadFailed, UnexpectedAnswer } from "@easyanimate/client";
import { VideoDeletedError, VideoFailed, WaitTimedOut } from "@easyanimate/client";
import { faultyProxy } from "./faults.js";

const { EASYANIMATE_URL: url, LIMITED_KEY: limitedKey } = process.env;
const small = { size: "64x64", num_frames: 8, num_inference_steps: 1 };
const png = Buffer.from(process.env.PNG, "base64");
const VIDEO_BYTES = 300_000;

let proxy, client, video;

before(async () => {
  proxy = await faultyProxy(url);
  client = new EasyAnimate({ baseUrl: proxy.url });
  video = await client.videos.createAndWait({ prompt: "a ball", ...small });
});
beforeEach(() => {
  proxy.exchanges.length = proxy.faults.length = proxy.cuts.length = 0;
});
after(() => proxy.close());

const keys = () => new Set(proxy.exchanges.map(({ headers }) => headers["idempotency-key"]));
const refused = (code) => (error) => error instanceof ApiError && error.code === code && error.tries === 1;
const replaced = (status, headers = {}, body = "") => () => ({ status, headers, body });

const ids = (events) => events.map(({ id }) => id); // the link in the record changes

async function all(items) {
  const list = [];
  for await (const item of items) list.push(item);
  return list;
}

test("a video is created once after lost answers", async () => {
  proxy.faults.push("lost", "lost");
  const { id } = await client.videos.create({ prompt: "wait once", ...small });
  assert.deepEqual([proxy.exchanges.length, keys().size], [3, 1]);
  const listed = await all(client.videos.list({ limit: 2, status: "queued" }));
  assert.equal(listed.filter((one) => one.prompt === "wait once").length, 1);
  await client.videos.delete(id);
});

test("temporary refusals are repeated with the same key", async () => {
  for (const status of [408, 429, 500, 502, 503, 504]) proxy.faults.push(replaced(status, { "retry-after": "0" }));
  const patient = new EasyAnimate({ baseUrl: proxy.url, maxRetries: 6 });
  await patient.videos.create({ prompt: "wait", ...small });
  assert.deepEqual([proxy.exchanges.length, keys().size], [7, 1]);
});

test("a limit is an error with the advised time", async () => {
  const limited = new EasyAnimate({ baseUrl: proxy.url, apiKey: limitedKey, maxRetries: 0 });
  await limited.videos.create({ prompt: "wait", ...small });
  await assert.rejects(limited.videos.create({ prompt: "wait", ...small }), (error) => {
    assert.equal(error.code, "rate_limited");
    return Number(error.headers.get("retry-after")) <= 60;
  });
});

test("a refusal with the advice not to retry is final", async () => {
  proxy.faults.push(replaced(503, { "x-should-retry": "false" }));
  await assert.rejects(client.videos.retrieve(video.id), { status: 503, tries: 1 });
});

test("a key of the caller is used", async () => {
  const options = { idempotencyKey: "order-ts" };
  const first = await client.videos.create({ prompt: "wait", ...small }, options);
  assert.equal((await client.videos.create({ prompt: "wait", ...small }, options)).id, first.id);
  await assert.rejects(client.videos.create({ prompt: "wait on", ...small }, options), refused("idempotency_key_reused"));
});

test("cancel and delete succeed when their answers are lost", async () => {
  const { id } = await client.videos.create({ prompt: "wait", ...small });
  proxy.faults.push("lost");
  assert.equal((await client.videos.cancel(id)).state, "cancelled");
  await assert.rejects(client.videos.cancel(id), refused("not_cancellable"));
  proxy.faults.push("lost");
  assert.equal((await client.videos.delete(id)).deleted, true);
  await assert.rejects(client.videos.delete(id), refused("video_not_found"));
});

test("an upload whose answer is lost is not repeated, and a refused one is", async () => {
  proxy.faults.push("lost");
  await assert.rejects(client.files.create(png), ConnectionFailed);
  assert.equal(proxy.exchanges.length, 1);
  proxy.faults.push(replaced(503, { "retry-after": "0" }));
  const file = await client.files.create(new Blob([png]), { expiresAfterS: 3600 });
  assert.deepEqual(await client.files.retrieve(file.id), file);
  const bytes = await new Response(await client.files.content(file)).arrayBuffer();
  assert.deepEqual(Buffer.from(bytes), png);
  const made = await client.videos.create({ prompt: "wait", image: file.id, last_image: png, ...small });
  assert.equal(made.mode, "image_to_video");
  assert.equal((await all(client.files.list({ limit: 1 })))[0].id, file.id);
  assert.equal((await client.files.delete(file.id)).deleted, true);
});

test("a form with a file is sent again after a lost answer", async () => {
  proxy.faults.push("lost");
  const metadata = { order: "17" };
  const made = await client.videos.create({ prompt: "wait", image: png, metadata, smooth: false, ...small });
  assert.deepEqual([made.mode, made.metadata, made.smooth], ["image_to_video", metadata, false]);
  assert.ok(proxy.exchanges.every(({ body }) => body.includes(png.toString("latin1"))));
});

test("videos are listed page by page while they are deleted", async () => {
  const created = [];
  for (let n = 0; n < 3; n += 1) created.unshift((await client.videos.create({ prompt: "wait", ...small })).id);
  const listed = [];
  for await (const { id } of client.videos.list({ limit: 2, status: "queued" })) {
    listed.push(id);
    await client.videos.delete(id);
  }
  assert.deepEqual(listed.slice(0, 3), created);
  assert.deepEqual(await all(client.videos.list({ status: "queued" })), []);
});

test("a finished video is remixed, edited and extended", async () => {
  const remixed = await client.videos.remix(video.id, { prompt: "wait, a blue ball" });
  const edited = await client.videos.edit({ prompt: "wait", video, strength: 0.6, num_inference_steps: 2 });
  const extended = await client.videos.extend({ prompt: "wait", video: video.id, num_frames: 8 });
  assert.equal(remixed.remixed_from_video_id, video.id);
  assert.deepEqual([edited.source_video_id, edited.mode], [video.id, "video_to_video"]);
  assert.deepEqual([extended.source_video_id, extended.num_frames], [video.id, 16]);
});

test("a waiting video is estimated and updated, and usage is a record", async () => {
  const estimate = await client.videos.estimate({ prompt: "a ball", ...small });
  assert.deepEqual([estimate.num_frames, estimate.size], [8, "64x64"]);
  const { id } = await client.videos.create({ prompt: "wait", ...small });
  assert.equal((await client.videos.update(id, { priority: "high" })).priority, "high");
  await client.videos.delete(id);
  const usage = await client.videos.usage({ from: "2026-01-01", to: "2026-01-02", group_by: "model" });
  assert.deepEqual([usage.from, usage.total.videos], ["2026-01-01", 0]);
});

test("refusals are errors of their code", async () => {
  await assert.rejects(client.videos.create({ prompt: "a", size: "70x64" }), (error) => {
    return refused("invalid_size")(error) && error.param === "size" && error.requestId.startsWith("req_");
  });
  await assert.rejects(client.videos.create({ prompt: "a", num_frame: 8 }), refused("unknown_parameter"));
  await assert.rejects(client.videos.retrieve("video_none"), refused("video_not_found"));
  await assert.rejects(new EasyAnimate({ baseUrl: url, apiKey: "wrong" }).models.list(), refused("invalid_api_key"));
});

test("pages of a proxy are errors without a code", async () => {
  const hasty = new EasyAnimate({ baseUrl: proxy.url, maxRetries: 0 });
  proxy.faults.push(replaced(502, {}, "<html>Bad gateway</html>"));
  await assert.rejects(hasty.videos.retrieve(video.id), { status: 502, code: null, message: /Bad gateway/ });
  proxy.faults.push(replaced(200, {}, "<html>Welcome</html>"));
  await assert.rejects(hasty.videos.retrieve(video.id), UnexpectedAnswer);
  proxy.faults.push(replaced(301, { location: "https://videos.example/" }));
  await assert.rejects(hasty.videos.retrieve(video.id), { message: /https:\/\/videos.example\// });
});

test("ids are quoted, and those that lead to another route are refused", async () => {
  for (const id of ["", ".", ".."]) await assert.rejects(client.videos.delete(id), TypeError);
  await assert.rejects(client.videos.retrieve("a/../../files?x#y"), ApiError);
  assert.ok(proxy.exchanges[0].path.endsWith("/v1/videos/a%2F..%2F..%2Ffiles%3Fx%23y"));
});

test("a service that is not there is an error after the retries", async () => {
  const absent = new EasyAnimate({ baseUrl: "http://127.0.0.1:9", maxRetries: 1 });
  await assert.rejects(absent.models.list(), (error) => error instanceof ConnectionFailed && error.tries === 2);
});

test("the signal of the caller ends a request and a wait", async () => {
  const { id } = await client.videos.create({ prompt: "wait", ...small });
  const controller = new AbortController();
  const waiting = client.videos.wait(id, { signal: controller.signal, onEvent: () => controller.abort(new Error("enough")) });
  await assert.rejects(waiting, /enough/);
  await assert.rejects(client.videos.retrieve(id, { signal: AbortSignal.abort(new Error("early")) }), /early/);
  await client.videos.delete(id);
});

test("a silent answer ends after the timeout", async () => {
  const { id } = await client.videos.create({ prompt: "wait", ...small });
  const hasty = new EasyAnimate({ baseUrl: proxy.url, maxRetries: 0, timeoutMs: 300 });
  const call = hasty.videos.retrieve(id, { headers: { prefer: "wait=5" } });
  await assert.rejects(call, { name: "RequestTimedOut" });
  await client.videos.delete(id);
});

test("events lead to the final record", async () => {
  const events = [];
  const made = await client.videos.createAndWait({ prompt: "a\u2028ball", ...small }, { onEvent: (one) => events.push(one) });
  assert.deepEqual([made.status, made.prompt], ["completed", "a\u2028ball"]);
  assert.deepEqual([events[0].type, events.at(-1).type], ["state", "done"]);
});

test("an interrupted event stream continues after the last event", async () => {
  const whole = await all(client.videos.events(video.id));
  for (const cut of [1, 150, 400]) {
    proxy.exchanges.length = 0;
    proxy.cuts.push(cut, cut + 100);
    assert.deepEqual(ids(await all(client.videos.events(video.id))), ids(whole));
    assert.equal(proxy.exchanges.length, 3);
  }
  const rest = await all(client.videos.events(video.id, { lastEventId: whole[2].id }));
  assert.deepEqual(ids(rest), ids(whole.slice(3)));
  assert.deepEqual(await all(client.videos.events(video.id, { lastEventId: whole.at(-1).id })), []);
});

test("without an event stream the record is polled", async () => {
  for (const answer of [replaced(404), replaced(200, { "content-type": "text/html" }), replaced(302)]) {
    proxy.faults.push(answer);
    assert.equal((await client.videos.wait(video.id)).id, video.id);
  }
  const paths = proxy.exchanges.map(({ path }) => path.split("/").at(-1));
  assert.deepEqual(paths, ["events", video.id, "events", video.id, "events", video.id]);
});

test("a failed, a deleted and a late video are errors", async () => {
  await assert.rejects(client.videos.createAndWait({ prompt: "fail", ...small }), (error) => {
    return error instanceof VideoFailed && error.code === "gpu_out_of_memory" && error.isRetryable;
  });
  const { id } = await client.videos.create({ prompt: "wait", ...small });
  await assert.rejects(client.videos.wait(id, { timeoutMs: 300 }), WaitTimedOut);
  const waiting = client.videos.wait(id, { onEvent: ({ type }) => type === "state" && void client.videos.delete(id) });
  await assert.rejects(waiting, VideoDeletedError);
});

test("an interrupted download continues where it ended", async () => {
  for (const cuts of [[], [0], [50_000], [1000, 100_000, 150_000]]) {
    proxy.exchanges.length = 0;
    proxy.cuts.push(...cuts);
    const bytes = await client.videos.download(video);
    assert.equal(bytes.length, VIDEO_BYTES);
    const ranges = proxy.exchanges.map(({ headers }) => headers.range).filter(Boolean);
    assert.equal(ranges.length, cuts.filter(Boolean).length);
  }
});

test("a file with another digest is refused, and a download that breaks too often ends", async () => {
  const other = { ...video, content_sha256: "0".repeat(64) };
  await assert.rejects(client.videos.download(other), DownloadFailed);
  proxy.cuts.push(0, 0);
  await assert.rejects(new EasyAnimate({ baseUrl: proxy.url, maxRetries: 1 }).videos.download(video), ConnectionFailed);
});

test("a cancelled stream closes its connection", async () => {
  const reader = (await client.videos.content(video)).getReader();
  await reader.read();
  await reader.cancel();
  assert.equal(proxy.exchanges.length, 1);
});

test("the other files and lists of a video are read", async () => {
  assert.equal(Buffer.from(await client.videos.preview(video.id)).toString("latin1", 8, 12), "WEBP");
  assert.deepEqual(await client.videos.manifest(video.id), { seed: 7 });
  assert.equal((await client.videos.attempts(video.id)).data[0].outcome, "completed");
  assert.deepEqual((await client.videos.deliveries(video.id)).data, []);
  const { ticket } = await client.videos.createTicket(video.id);
  assert.equal((await fetch(`${url}/v1/videos/${video.id}/events?ticket=${ticket}`)).status, 200);
  await assert.rejects(client.videos.playlist(video.id), refused("playlist_not_found"));
  const [model] = (await client.models.list()).data;
  assert.deepEqual(await client.models.retrieve(model.id), model);
  assert.equal((await client.models.countTokens(model.id, "a ball")).model, model.id);
  assert.equal((await client.models.queues()).data[0].model, model.id);
});
