// Calls each function of OpenAI's Node client; prints the parsed responses as JSON.
// Arguments: address, key, a PNG, the address and the secret of a webhook.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import OpenAI from "openai";

const [url, key, image, hook, secret] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key });
const small = { model: "easyanimate-v3-tiny", size: "64x64", num_frames: 8, num_inference_steps: 2, seed: 7 };

async function ended(id) {
  for (;;) {
    const { data, response } = await client.videos.retrieve(id).withResponse();
    if (data.status === "completed" || data.status === "failed") return data;
    await new Promise((resolve) => setTimeout(resolve, Number(response.headers.get("openai-poll-after-ms") ?? 1000)));
  }
}

async function refused(call) {
  try {
    await call();
  } catch (error) {
    const { code, param, type, status, requestID } = error;
    return { class: error.constructor.name, code, param, type, status, request_id: requestID };
  }
  return "accepted";
}

const result = {};
const webhook = { url: hook, events: ["video.completed"], secret };
const first = await client.videos.create({ ...small, prompt: "a red ball rolls", metadata: { order: "17" }, webhook });
result.created = first;
result.ended = await ended(first.id);
result.files = {};
for (const variant of ["video", "thumbnail", "spritesheet"]) {
  const content = await client.videos.downloadContent(first.id, { variant });
  const bytes = Buffer.from(await content.arrayBuffer());
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  result.files[variant] = { type: content.headers.get("content-type"), begin: bytes.toString("hex", 0, 12), sha256 };
}

const start = createReadStream(image);
result.from_image = await ended((await client.videos.create({ ...small, prompt: "it moves", input_reference: start })).id);
const derived = [
  await client.videos.remix(first.id, { prompt: "a blue ball rolls" }),
  await client.videos.edit({ prompt: "a green ball", video: { id: first.id }, strength: 0.6 }),
  await client.videos.extend({ prompt: "on", video: { id: first.id }, seconds: "1" }),
];
result.derived = await Promise.all(derived.map((video) => ended(video.id)));
result.listed = [];
for await (const video of client.videos.list({ limit: 2 })) result.listed.push(video.id);

result.refused = {
  size: await refused(() => client.videos.create({ ...small, size: "60x64", prompt: "a" })),
  unknown: await refused(() => client.videos.retrieve("video_nope")),
  key: await refused(() => client.withOptions({ apiKey: "wrong" }).models.list()),
};
result.deleted = await client.videos.delete(first.id);
console.log(JSON.stringify(result));
