"""Usage of the caller by day and model, over the API: ranges, groups, totals, refusals, other callers."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from redis import Redis

from jobs.access.api_keys import ApiKeyStore
from jobs.model.model_card import ModelCard
from jobs.queue.registry import Registry
from jobs.store.usage_counters import DAY, USAGE_KEPT_DAYS
from service.settings import ServiceSettings
from tests.job_store import JobStore

pytestmark = pytest.mark.usefixtures("within_a_day")

Finish = Callable[[str], bytes]
SMALL = {"prompt": "a red fox", "size": "64x64", "num_frames": 8, "model": "easyanimate-v3-tiny"}
NOTHING = {"videos": 0, "pixel_frames": 0, "steps": 0, "compute_seconds": 0.0}
ONE = {"videos": 1, "pixel_frames": 64 * 64 * 8, "steps": 0, "compute_seconds": 1.5}


@pytest.mark.parametrize(
    ("query", "param", "words"),
    [
        ("from=yesterday", "from", "a day such as 2026-11-30 (UTC), got 'yesterday'"),
        ("from=20261130", "from", "a day such as"),
        ("from=2026-02-30", "from", "a day such as"),
        ("from=2026-11-30T00:00:00Z", "from", "a day such as"),
        ("to=1795380000", "to", "a day such as"),
        ("from=２０２６-11-30", "from", "a day such as"),
        ("from=2001-01-01", "from", "counters are kept for 400 days"),
        ("to=2001-01-01", "to", "counters are kept for 400 days"),
        ("to=9999-12-31", "to", "or earlier"),
        ("from=2001-01-02&to=2001-01-01", "to", "counters are kept"),
        ("group_by=week", "group_by", ""),
        ("from=2026-11-30&from=2026-11-29", "from", "sent twice"),
        ("since=2026-11-30", "since", "there is no parameter since"),
    ],
)
def test_a_range_that_cannot_be_answered_is_refused(
    shared_api: httpx.Client, query: str, param: str, words: str
) -> None:
    answer = shared_api.get(f"/v1/usage?{query}")
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param
    assert words in answer.json()["error"]["message"]


def test_days_in_the_wrong_order_are_refused(shared_api: httpx.Client) -> None:
    today = datetime.now(UTC).date()
    answer = shared_api.get("/v1/usage", params={"from": str(today), "to": str(today - DAY)})
    assert answer.json()["error"]["message"] == f"to must not be before from: {today - DAY} is before {today}"


def test_without_a_range_the_last_30_days_are_returned(shared_api: httpx.Client) -> None:
    today = datetime.now(UTC).date()
    answer = shared_api.get("/v1/usage", params={"from": "", "to": "", "group_by": ""})
    assert answer.json() == {
        **{"object": "usage", "from": str(today - 29 * DAY), "to": str(today), "time_zone": "UTC", "group_by": "day"},
        **{"data": [], "total": NOTHING},
    }
    whole = shared_api.get("/v1/usage", params={"from": str(today - USAGE_KEPT_DAYS * DAY)})
    assert whole.status_code == 200


def test_usage_is_grouped_by_day_or_model_with_a_total_and_only_of_the_caller(
    settings: ServiceSettings,
    redis: Redis,
    card: ModelCard,
    store: JobStore,
    finish: Finish,
    start_api: Callable[[ServiceSettings], str],
) -> None:
    for name in ("easyanimate-v3-tiny", "a-second"):
        Registry(redis).announce(card.model_copy(update={"name": name}), "worker-1")
    secrets = [ApiKeyStore(redis).create("test", owner, settings.limits)[1] for owner in ("me", "other")]
    url = start_api(settings.model_copy(update={"auth": "keys"}))
    me, other = (
        httpx.Client(base_url=url, headers={"Authorization": f"Bearer {secret}"}, timeout=60) for secret in secrets
    )
    for client, changes in ((me, {}), (me, {"model": "a-second"}), (other, {})):
        finish(client.post("/v1/videos", json={**SMALL, **changes}).json()["id"])
    today = datetime.fromtimestamp(store.now(), UTC).date()
    redis.copy(f"usage:{today}:of:me", f"usage:{today - DAY}:of:me")
    two = {name: 2 * value for name, value in ONE.items()}

    def usage(**query: Any) -> dict[str, Any]:
        return dict(me.get("/v1/usage", params=query).json())

    by_day = usage()
    assert by_day["data"] == [{"day": str(day), "model": None, **two} for day in (today - DAY, today)]
    assert by_day["total"] == {name: 4 * value for name, value in ONE.items()}
    by_model = usage(group_by="model", **{"from": str(today)})
    assert by_model["data"] == [{"day": None, "model": name, **ONE} for name in ("a-second", "easyanimate-v3-tiny")]
    assert usage(to=str(today - DAY))["total"] == two
    assert other.get("/v1/usage").json()["total"] == ONE
    assert httpx.get(f"{url}/v1/usage", timeout=60).status_code == 401
    for client in (me, other):
        client.close()
