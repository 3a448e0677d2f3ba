// Webhook endpoints of a running service, and the verification of signatures.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { EasyAnimate, verifyWebhook, WebhookVerificationFailed } from "@easyanimate/client";

const client = new EasyAnimate();
const deliveries = [];
let server, hook;

before(async () => {
  server = createServer(async (incoming, outgoing) => {
    const chunks = [];
    for await (const chunk of incoming) chunks.push(chunk);
    deliveries.push({ headers: incoming.headers, body: Buffer.concat(chunks) });
    outgoing.writeHead(204).end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  hook = `http://127.0.0.1:${server.address().port}/hook`;
});
after(() => {
  server.closeAllConnections();
  server.close();
});

test("a delivery is verified with its secret, the old and the new one while it is rotated", async () => {
  const endpoint = await client.webhookEndpoints.create({ url: hook, event_types: ["video.completed"] });
  const rotated = await client.webhookEndpoints.rotateSecret(endpoint.id, { keep_old_secret_active_for_24_hours: true });
  const answer = await client.webhookEndpoints.test(endpoint.id, { event_type: "video.completed" });
  assert.equal(answer.status_code, 204);
  const { headers, body } = deliveries.at(-1);
  for (const secrets of [endpoint.signing_secret, rotated.signing_secret, [newSecret(), rotated.signing_secret]]) {
    assert.equal((await verifyWebhook(body, headers, secrets)).type, "video.completed");
  }
  assert.equal((await verifyWebhook(body.toString(), new Headers(headers), rotated.signing_secret)).object, "event");
  const refused = [
    [body.toString() + " ", headers, rotated.signing_secret, {}],
    [body, headers, newSecret(), {}],
    [body, headers, [], {}],
    [body, { ...headers, "webhook-id": "evt_other" }, rotated.signing_secret, {}],
    [body, { ...headers, "webhook-timestamp": "1" }, rotated.signing_secret, {}],
    [body, { ...headers, "webhook-timestamp": "now" }, rotated.signing_secret, {}],
    [body, { ...headers, "webhook-signature": "v1,nonsense v2,bm8=" }, rotated.signing_secret, {}],
    [body, { ...headers, "webhook-signature": undefined }, rotated.signing_secret, {}],
    [body, headers, rotated.signing_secret, { now: Number(headers["webhook-timestamp"]) + 301 }],
    [body, headers, rotated.signing_secret, { now: Number(headers["webhook-timestamp"]) - 301 }],
  ];
  for (const call of refused) await assert.rejects(verifyWebhook(...call), WebhookVerificationFailed);
  for (const secret of ["", "whsec_", "whsec_?", "whsec_c2hvcnQ="]) {
    await assert.rejects(verifyWebhook(body, headers, secret), TypeError);
  }
});

test("endpoints are listed, changed and deleted", async () => {
  const { id } = await client.webhookEndpoints.create({ url: hook });
  assert.equal((await client.webhookEndpoints.update(id, { name: "mine" })).name, "mine");
  assert.equal((await client.webhookEndpoints.retrieve(id)).name, "mine");
  const listed = [];
  for await (const endpoint of client.webhookEndpoints.list({ limit: 1 })) {
    listed.push(endpoint.id);
    await client.webhookEndpoints.delete(endpoint.id);
  }
  assert.ok(listed.includes(id));
  assert.ok((await client.webhookEndpoints.eventTypes()).data.includes("video.completed"));
});

function newSecret() {
  return `whsec_${randomBytes(24).toString("base64")}`;
}
