// Verifies a webhook with the Node packages of standardwebhooks, svix and OpenAI; prints what each of them says.
// Arguments: the secret, and JSON with the headers and the body as they came.
import OpenAI from "openai";
import { Webhook as Standard } from "standardwebhooks";
import { Webhook as Svix } from "svix";

const [secret, delivery] = process.argv.slice(2);
const { headers, body } = JSON.parse(delivery);
const verifiers = {
  standardwebhooks: (text) => new Standard(secret).verify(text, headers),
  svix: (text) => new Svix(secret).verify(text, headers),
  openai: (text) => new OpenAI({ apiKey: "none" }).webhooks.unwrap(text, headers, secret),
};
const found = {};
for (const [name, verify] of Object.entries(verifiers)) {
  const event = (await verify(body)) ?? JSON.parse(body); // svix gives nothing back
  let forged = "accepted";
  try {
    await verify(body.replace("completed", "cancelled"));
  } catch (error) {
    forged = error.constructor.name;
  }
  found[name] = { type: event.type, id: event.data.id, forged };
}
console.log(JSON.stringify(found));
