// A proxy before the service that records requests, drops or replaces answers, and breaks connections.
import { createServer, request } from "node:http";
import { once } from "node:events";

/** Starts a proxy. `faults` apply to the next requests: functions of (exchange) that return an answer, or "lost". */
export async function faultyProxy(target) {
  const proxy = { exchanges: [], faults: [], cuts: [] };
  const server = createServer(async (incoming, outgoing) => {
    const chunks = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const { method, url, headers } = incoming;
    const exchange = { method, path: url, headers, body: Buffer.concat(chunks).toString("latin1") };
    proxy.exchanges.push(exchange);
    const fault = proxy.faults.shift();
    const answer = typeof fault === "function" ? fault(exchange) : null;
    if (answer) {
      outgoing.writeHead(answer.status, answer.headers ?? {}).end(answer.body ?? "");
      return;
    }
    forward(target, exchange, Buffer.concat(chunks), fault === "lost" ? 0 : proxy.cuts.shift(), outgoing);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { pathname } = new URL(target);
  proxy.url = `http://127.0.0.1:${server.address().port}${pathname === "/" ? "" : pathname}`;
  proxy.close = () => {
    server.closeAllConnections();
    server.close();
  };
  return proxy;
}

/** Passes the answer on; `cut` breaks the connection after so many bytes of its body, 0 before its headers. */
function forward(target, { method, path, headers }, body, cut, outgoing) {
  const pass = async (answer) => {
    if (cut === 0) {
      for await (const _ of answer); // the request is executed, its answer is lost
      outgoing.destroy();
      return;
    }
    outgoing.writeHead(answer.statusCode, answer.headers);
    let left = cut ?? Infinity;
    for await (const chunk of answer) {
      const part = chunk.subarray(0, left);
      left -= part.length;
      if (!outgoing.write(part)) await Promise.race([once(outgoing, "drain"), once(outgoing, "close")]);
      if (left === 0) {
        outgoing.socket.end(); // after the bytes that were written
        return;
      }
    }
    outgoing.end();
  };
  const upstream = request(new URL(path, target), { method, headers }, (answer) => {
    pass(answer).catch(() => outgoing.destroy()); // the client has closed the connection
  });
  upstream.on("error", () => outgoing.destroy());
  outgoing.on("close", () => upstream.destroy());
  upstream.end(body);
}
