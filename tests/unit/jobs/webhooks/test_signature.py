"""The verifier of Standard Webhooks accepts our signatures; secrets that it refuses are refused beforehand."""

import base64
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from jobs.errors import InvalidRequest
from jobs.webhooks.signature import check_secret, signed_headers

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
BODY = '{"type":"video.completed"}'


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=50))
def test_the_verifier_accepts_our_signatures(word: str) -> None:
    body = json.dumps({"word": word}, ensure_ascii=False)
    headers = signed_headers([SECRET], "evt_1", body, time.time())
    assert Webhook(SECRET).verify(body, headers) == {"word": word}


def test_while_a_secret_rotates_old_and_new_are_accepted() -> None:
    other = "whsec_" + base64.b64encode(bytes(32)).decode()
    headers = signed_headers([other, SECRET], "evt_1", BODY, time.time())
    assert Webhook(SECRET).verify(BODY, headers) == Webhook(other).verify(BODY, headers)


def test_another_body_is_not_accepted() -> None:
    headers = signed_headers([SECRET], "evt_1", BODY, time.time())
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(BODY.replace("completed", "failed"), headers)


def test_another_id_is_not_accepted() -> None:
    headers = signed_headers([SECRET], "evt_1", BODY, time.time()) | {"webhook-id": "evt_2"}
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(BODY, headers)


def test_an_event_of_ten_minutes_ago_is_not_accepted() -> None:
    headers = signed_headers([SECRET], "evt_1", BODY, time.time() - 600)
    with pytest.raises(WebhookVerificationError, match="too old"):
        Webhook(SECRET).verify(BODY, headers)


@pytest.mark.parametrize("length", [24, 32, 64])
def test_a_secret_of_24_to_64_bytes_is_accepted(length: int) -> None:
    check_secret("whsec_" + base64.b64encode(bytes(length)).decode())


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        "whsec_!!!",
        "whsec_é",
        "password",
        "whsec_" + base64.b64encode(bytes(23)).decode(),
        "whsec_" + base64.b64encode(bytes(65)).decode(),
        base64.b64encode(bytes(32)).decode(),
        "whsec_" + base64.b64encode(bytes(32)).decode() + "\n",
        "whsec_" + base64.b64encode(bytes(32)).decode().replace("A", "A-", 1),
    ],
)
def test_a_secret_that_verifiers_refuse_is_refused_with_its_parameter(secret: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        check_secret(secret)
    assert refusal.value.param == "webhook.secret"
