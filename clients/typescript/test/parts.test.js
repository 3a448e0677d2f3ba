// Parts of the client without a service: the digest, the parser of events, the pauses before retries.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { test } from "node:test";
import { EasyAnimate } from "../dist/client.js";
import { ApiError, ConnectionFailed } from "../dist/errors.js";
import { Transfer } from "../dist/transport/content.js";
import { EventParser } from "../dist/transport/events.js";
import { advisedMs, pollDelayMs, retryDelayMs } from "../dist/transport/retries.js";
import { Sha256 } from "../dist/transport/sha256.js";

test("the digest equals that of Node for each length and any parts", () => {
  for (const length of [0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 1000, 70_000]) {
    const bytes = randomBytes(length);
    for (const part of [1, 7, 64, 100, 4096]) {
      if (length / part > 5000) continue;
      const hash = new Sha256();
      for (let start = 0; start < length; start += part) hash.update(bytes.subarray(start, start + part));
      assert.equal(hash.hex(), createHash("sha256").update(bytes).digest("hex"), `${length} in ${part}`);
    }
  }
});

test("an address may have the path of the API", async () => {
  for (const end of ["", "/", "/v1", "/v1/"]) {
    const asked = [];
    const answer = async (input) => {
      asked.push(String(input.url ?? input));
      return Response.json({ object: "list", data: [] });
    };
    await new EasyAnimate({ baseUrl: `http://videos.example${end}`, fetch: answer }).models.list();
    assert.deepEqual(asked, ["http://videos.example/v1/models"]);
  }
});

test("events are the same however the stream is split", () => {
  const text =
    '\ufeff: a comment\n\nid: 1\nevent: state\ndata: {"a":\ndata: "x\u2028y\u0085"}\n\nid:2\r\ndata:{"b":1}\r\n\r\nevent: log\r\r' +
    'retry: 5\nevent: done\ndata: {"c":"狐"}\n\ndata: {"cut":1}\n';
  const bytes = new TextEncoder().encode(text);
  const expected = [
    { type: "state", data: { a: "x\u2028y\u0085" }, id: "1" },
    { type: "message", data: { b: 1 }, id: "2" },
    { type: "done", data: { c: "狐" }, id: null },
  ];
  for (let size = 1; size <= bytes.length; size += 1) {
    const parser = new EventParser();
    const events = [];
    for (let start = 0; start < bytes.length; start += size) events.push(...parser.feed(bytes.subarray(start, start + size)));
    assert.deepEqual(events, expected, `parts of ${size}`);
  }
});

const refusal = (status, headers = {}, code = null) => new ApiError(status, "", code, null, new Headers(headers));

test("pauses obey Retry-After as seconds and as a date", () => {
  assert.equal(advisedMs(new Headers({ "retry-after": "7" })), 7000);
  const late = advisedMs(new Headers({ "retry-after": new Date(Date.now() + 3_600_000).toUTCString() }));
  assert.ok(late > 3_300_000 && late <= 3_600_000);
  for (const value of ["", "-1", "soon", "7.5.1"]) assert.equal(advisedMs(new Headers({ "retry-after": value })), null);
  const pause = retryDelayMs(refusal(429, { "retry-after": "7" }), 1, 4, true);
  assert.ok(pause >= 7000 && pause <= 7100);
  assert.equal(retryDelayMs(refusal(429, { "retry-after": "3600" }), 1, 4, true), null);
});

test("pauses without advice grow to eight seconds", () => {
  for (const [tries, most] of [[1, 500], [2, 1000], [4, 4000], [9, 8000]]) {
    const pause = retryDelayMs(new ConnectionFailed("gone"), tries, 10, true);
    assert.ok(pause >= most / 2 && pause <= most);
  }
  assert.equal(retryDelayMs(new ConnectionFailed("gone"), 11, 10, true), null);
});

test("only requests that may be executed twice are repeated in doubt", () => {
  const repeated = (error, isRepeatable) => retryDelayMs(error, 1, 4, isRepeatable) !== null;
  assert.deepEqual([true, false].map((is) => repeated(new ConnectionFailed("gone"), is)), [true, false]);
  assert.equal(repeated(new ConnectionFailed("refused", false), false), true);
  assert.deepEqual([500, 502, 503, 429, 400].map((status) => repeated(refusal(status), false)), [false, false, true, true, false]);
  assert.equal(repeated(refusal(409, {}, "idempotency_in_flight"), true), true);
  assert.equal(repeated(refusal(409, {}, "video_not_ready"), true), false);
  assert.equal(repeated(refusal(503, { "x-should-retry": "false" }), true), false);
});

test("polls obey the advised pace", () => {
  assert.equal(pollDelayMs(new Headers({ "openai-poll-after-ms": "2500", "retry-after": "3" })), 2500);
  assert.equal(pollDelayMs(new Headers({ "retry-after": "3" })), 3000);
  assert.equal(pollDelayMs(new Headers()), 1000);
});

test("a download does not join parts of different files", () => {
  const answer = (status, headers) => new Response(null, { status, headers });
  const begun = () => {
    const transfer = new Transfer(null);
    transfer.begin(answer(200, { etag: '"a"', "content-length": "10" }));
    transfer.add(new Uint8Array(4));
    return transfer;
  };
  assert.throws(() => begun().begin(answer(200, { etag: '"b"' })), /changed/);
  assert.throws(() => begun().begin(answer(206, { etag: '"a"', "content-range": "bytes 5-9/10" })), /range/);
  assert.throws(() => begun().end(), ConnectionFailed);
  const whole = begun();
  whole.begin(answer(200, { etag: '"a"', "content-length": "10" })); // a proxy without ranges sends all again
  assert.equal(whole.add(new Uint8Array(10)).length, 6);
  const weak = new Transfer(null);
  weak.begin(answer(200, { etag: 'W/"a"' }));
  weak.add(new Uint8Array(4));
  assert.deepEqual(weak.headers(), { "accept-encoding": "identity" });
  assert.throws(() => weak.begin(answer(200, { etag: 'W/"a"' })), /changed/);
});
