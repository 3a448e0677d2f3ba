"""API keys identify their owner and are never stored in clear text; revoked keys are refused by all front ends."""

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
def key_store(redis: Redis) -> ApiKeyStore:
    """The keys of an empty database."""
    return ApiKeyStore(redis)


@pytest.fixture
def owner_of(key_store: ApiKeyStore) -> Callable[[str | None], str]:
    """The owner of a key, with two keys in the settings."""
    authenticator = Authenticator("keys", [SecretStr("one"), SecretStr("schlüssel")], key_store, Limits())
    return lambda key: asyncio.run(authenticator.identify(key)).owner


def test_each_configured_key_has_one_owner_of_its_own(owner_of) -> None:
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


def test_with_auth_off_all_callers_are_the_same(key_store: ApiKeyStore) -> None:
    authenticator = Authenticator("off", [], key_store, Limits())
    assert {asyncio.run(authenticator.identify(key)).owner for key in (None, "anything")} == {"local"}


def test_stored_keys_identify_their_owner_with_their_limits(key_store: ApiKeyStore, owner_of) -> None:
    _, secret = key_store.create("nightly", "studio", Limits(queued_jobs=3))
    assert owner_of(secret) == "studio"
    authenticator = Authenticator("keys", [], key_store, Limits(queued_jobs=9, running_jobs=2))
    assert asyncio.run(authenticator.identify(secret)).limits == Limits(queued_jobs=3, running_jobs=2)


def test_redis_never_stores_a_secret(redis: Redis, key_store: ApiKeyStore) -> None:
    _, secret = key_store.create("nightly", "studio", Limits())
    for digest, row in redis.hgetall(KEYS).items():  # type: ignore[union-attr]
        assert secret.encode() not in digest + row
        assert secret.removeprefix("ea_").encode() not in digest + row


def test_a_revoked_key_is_refused_by_all_front_ends_and_its_owner_keeps_the_videos(
    key_store: ApiKeyStore,
    settings: ServiceSettings,
    announced,
    start_api: Callable[[ServiceSettings], str],
    code_of: Code,
) -> None:
    first, leaked = key_store.create("laptop", "studio", Limits())
    _, fresh = key_store.create("laptop, new", "studio", Limits())
    urls = [start_api(settings.model_copy(update={"auth": "keys"})) for _ in range(2)]
    video_id = httpx.post(f"{urls[0]}/v1/videos", json={"prompt": "a"}, headers=bearer(leaked), timeout=60).json()["id"]
    assert [
        httpx.get(f"{url}/v1/videos/{video_id}", headers=bearer(leaked), timeout=60).status_code for url in urls
    ] == [200, 200]
    key_store.revoke(first.id)
    time.sleep(1.0)  # a front end may cache the key for this long
    for url in urls:
        refused = httpx.get(f"{url}/v1/videos/{video_id}", headers=bearer(leaked), timeout=60)
        assert (refused.status_code, code_of(refused)) == (401, "invalid_api_key")
        assert httpx.get(f"{url}/v1/videos/{video_id}", headers=bearer(fresh), timeout=60).status_code == 200


def test_a_second_revocation_changes_nothing(key_store: ApiKeyStore) -> None:
    (first, secret), (_, other) = (key_store.create(name, "studio", Limits()) for name in "ab")
    revoked = key_store.revoke(first.id)
    assert revoked.revoked_at == pytest.approx(time.time(), abs=60)
    time.sleep(0.01)
    assert key_store.revoke(first.id) == revoked
    assert key_store.find(key_digest(secret)) is None
    assert key_store.find(key_digest(other)) is not None


def test_the_command_line_creates_lists_and_revokes_a_key(redis_url: str, key_store: ApiKeyStore, owner_of) -> None:
    def keys(*arguments: str) -> str:
        result = CliRunner().invoke(easyanimate, ["keys", *arguments], env={"EASYANIMATE_REDIS_URL": redis_url})
        assert result.exit_code == 0, result.output
        return result.stdout

    secret = keys("create", "nightly renders", "--owner", "studio", "--requests-per-minute", "60").strip()
    assert owner_of(secret) == "studio"
    (key,) = key_store.all()
    assert key.limits == Limits(requests_per_minute=60)
    listed = keys("list")
    assert key.id in listed
    assert "requests_per_minute 60" in listed
    assert secret not in listed
    assert "revoked" in keys("revoke", key.id)
    assert key_store.find(key_digest(secret)) is None
    assert "revoked" in keys("list")


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("create", "has spaces"), 2, "owner: "),
        (("create", "x", "--owner", "a b"), 2, "owner: "),
        (("create", ""), 2, "name: "),
        (("revoke", "key_nope"), 1, "there is no key"),
    ],
)
def test_invalid_arguments_exit_with_a_sentence(
    redis_url: str, arguments: tuple[str, ...], code: int, text: str
) -> None:
    result = CliRunner().invoke(easyanimate, ["keys", *arguments], env={"EASYANIMATE_REDIS_URL": redis_url})
    assert (result.exit_code, text in result.output) == (code, True), result.output


def test_the_command_uses_the_redis_of_a_running_stack_and_reports_a_missing_one(redis_server, tmp_path) -> None:
    def listed(folder: str) -> tuple[int, str]:
        result = CliRunner().invoke(easyanimate, ["keys", "list", "--data-dir", folder])
        return result.exit_code, result.output

    (tmp_path / "redis").symlink_to(redis_server.folder)
    assert listed(str(tmp_path))[0] == 0
    code, text = listed(str(tmp_path / "elsewhere"))
    assert (code, "EASYANIMATE_REDIS_URL" in text) == (3, True)
