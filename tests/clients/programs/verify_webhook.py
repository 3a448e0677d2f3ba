"""Verifies a webhook with OpenAI's client; prints the result as JSON.

Arguments: the secret, and JSON with the received headers and body.
"""

import json
import sys

import openai

secret, delivery = sys.argv[1:]
headers, body = (json.loads(delivery)[name] for name in ("headers", "body"))
client = openai.OpenAI(api_key="none")
event = client.webhooks.unwrap(body, headers, secret=secret)
try:
    client.webhooks.unwrap(body.replace("completed", "cancelled"), headers, secret=secret)
    forged = "accepted"
except openai.InvalidWebhookSignatureError as error:
    forged = type(error).__name__
sys.stdout.write(json.dumps({"type": event.type, "id": event.data.id, "forged": forged}) + "\n")
