"""A key names its owner without giving itself away; what one front end learns of a key, all do."""

import asyncio
import time
from collections.abc import Callable

import httpx
import pytest
from pydantic import SecretStr
from redis import Redis
from typer.testing import CliRunner

from cli.main import app as easyanimate
from jobs.access.api_keys import KEYS, ApiKeyStore, key_digest
from jobs.model.limits import Limits
from service.http.auth import Authenticator
from service.http.errors import ApiError
from service.settings import ServiceSettings

Code = Callable[[httpx.Response], str]


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
def ring(redis: Redis) -> ApiKeyStore:
    """The keys of an empty database."""
    return ApiKeyStore(redis)


@pytest.fixture
def owner_of(ring: ApiKeyStore) -> Callable[[str | None], str]:
    """Says whose a key is, where the settings have two keys."""
    callers = Authenticator("keys", [SecretStr("one"), SecretStr("schlüssel")], ring, Limits())
    return lambda key: asyncio.run(callers.identify(key)).owner


def test_a_key_of_the_settings_is_always_the_same_owner_and_each_has_its_own(owner_of) -> None:
    assert owner_of("one") == owner_of(" one ")
    assert owner_of("one") != owner_of("schlüssel".encode().decode("latin-1"))
    assert owner_of("one").startswith("key:")
    assert len(owner_of("one")) == len("key:") + 16
    assert "one" not in owner_of("one")


@pytest.mark.parametrize("key", [None, "", "two", "onee", "ONE", "ea_", "\x00"])
def test_another_key_is_refused(owner_of, key: str | None) -> None:
    with pytest.raises(ApiError) as refusal:
        owner_of(key)
    assert refusal.value.code == "invalid_api_key"


def test_with_auth_off_everybody_is_the_same_caller(ring: ApiKeyStore) -> None:
    callers = Authenticator("off", [], ring, Limits())
    assert {asyncio.run(callers.identify(key)).owner for key in (None, "anything")} == {"local"}


def test_keys_of_the_ring_open_for_their_owner_with_their_limits(ring: ApiKeyStore, owner_of) -> None:
    _, secret = ring.create("nightly", "studio", Limits(queued_jobs=3))
    assert owner_of(secret) == "studio"
    callers = Authenticator("keys", [], ring, Limits(queued_jobs=9, running_jobs=2))
    assert asyncio.run(callers.identify(secret)).limits == Limits(queued_jobs=3, running_jobs=2)


def test_redis_never_holds_a_secret(redis: Redis, ring: ApiKeyStore) -> None:
    _, secret = ring.create("nightly", "studio", Limits())
    for digest, row in redis.hgetall(KEYS).items():  # type: ignore[union-attr]
        assert secret.encode() not in digest + row
        assert secret.removeprefix("ea_").encode() not in digest + row


def test_a_revoked_key_opens_no_front_end_and_its_videos_stay_its_owners(
    ring: ApiKeyStore, settings: ServiceSettings, announced, start_api: Callable[[ServiceSettings], str], code_of: Code
) -> None:
    first, leaked = ring.create("laptop", "studio", Limits())
    _, fresh = ring.create("laptop, new", "studio", Limits())
    urls = [start_api(settings.model_copy(update={"auth": "keys"})) for _ in range(2)]
    made = httpx.post(f"{urls[0]}/v1/videos", json={"prompt": "a"}, headers=bearer(leaked)).json()["id"]
    assert [httpx.get(f"{url}/v1/videos/{made}", headers=bearer(leaked)).status_code for url in urls] == [200, 200]
    ring.revoke(first.id)
    time.sleep(1.0)  # what a front end that has just seen the key may still believe
    for url in urls:
        refused = httpx.get(f"{url}/v1/videos/{made}", headers=bearer(leaked))
        assert (refused.status_code, code_of(refused)) == (401, "invalid_api_key")
        assert httpx.get(f"{url}/v1/videos/{made}", headers=bearer(fresh)).status_code == 200


def test_from_the_command_line_a_key_is_made_listed_and_revoked(redis_url: str, ring: ApiKeyStore, owner_of) -> None:
    def keys(*arguments: str) -> str:
        done = CliRunner().invoke(easyanimate, ["keys", *arguments], env={"EASYANIMATE_REDIS_URL": redis_url})
        assert done.exit_code == 0, done.output
        return done.stdout

    secret = keys("create", "nightly renders", "--owner", "studio", "--requests-per-minute", "60").strip()
    assert owner_of(secret) == "studio"
    (key,) = ring.all()
    assert key.limits == Limits(requests_per_minute=60)
    listed = keys("list")
    assert key.id in listed
    assert "requests_per_minute 60" in listed
    assert secret not in listed
    assert "revoked" in keys("revoke", key.id)
    assert ring.find(key_digest(secret)) is None
    assert "revoked" in keys("list")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("create", "has spaces"), "owner: "),
        (("create", "x", "--owner", "a b"), "owner: "),
        (("create", ""), "name: "),
        (("revoke", "key_nope"), "there is no key"),
    ],
)
def test_what_cannot_be_done_ends_with_a_sentence(redis_url: str, arguments: tuple[str, ...], words: str) -> None:
    done = CliRunner().invoke(easyanimate, ["keys", *arguments], env={"EASYANIMATE_REDIS_URL": redis_url})
    assert (done.exit_code, words in done.output) == (1, True), done.output


def test_the_command_finds_the_redis_of_a_running_stack_and_says_when_there_is_none(redis_server, tmp_path) -> None:
    def listed(folder: str) -> tuple[int, str]:
        done = CliRunner().invoke(easyanimate, ["keys", "list", "--data-dir", folder])
        return done.exit_code, done.output

    (tmp_path / "redis").symlink_to(redis_server.folder)
    assert listed(str(tmp_path))[0] == 0
    code, words = listed(str(tmp_path / "elsewhere"))
    assert (code, "EASYANIMATE_REDIS_URL" in words) == (1, True)
