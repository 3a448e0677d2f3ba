// Verifies a webhook with the Node packages of standardwebhooks, svix and OpenAI; prints the results as JSON.
// Arguments: the secret, and JSON with the received headers and body.
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
const results = {};
for (const [name, verify] of Object.entries(verifiers)) {
  const event = (await verify(body)) ?? JSON.parse(body); // svix returns nothing
  let forged = "accepted";
  try {
    await verify(body.replace("completed", "cancelled"));
  } catch (error) {
    forged = error.constructor.name;
  }
  results[name] = { type: event.type, id: event.data.id, forged };
}
console.log(JSON.stringify(results));
