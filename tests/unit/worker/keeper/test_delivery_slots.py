"""Nobody gets all the threads: not one receiver, not one caller, and a slow receiver one at a time."""

from jobs.model.delivery import Delivery
from worker.keeper.delivery_slots import SLOW_S, DeliverySlots


def delivery(owner: str, receiver: str) -> Delivery:
    facts = {"owner": owner, "lane": f"{owner} {receiver}", "type": "video.failed", "body": "{}", "created_at": 1}
    return Delivery.model_validate({"id": "dlv_1", "event_id": "evt_1", "job_id": "video_1", **facts})


def test_a_receiver_gets_an_eighth_and_a_caller_three_quarters() -> None:
    lanes = DeliverySlots(32)
    for _ in range(4):
        assert lanes.busy() == []
        lanes.acquire(delivery("a", "r"))
    assert lanes.busy() == ["a r"]
    for n in range(20):
        lanes.acquire(delivery("a", f"r{n}"))
    assert lanes.busy() == ["a r", "a"]
    assert lanes.has_room
    for n in range(8):
        lanes.acquire(delivery("b", f"r{n}"))
    assert not lanes.has_room


def test_a_slow_receiver_has_one_at_a_time_until_it_is_fast_again() -> None:
    lanes, one = DeliverySlots(32), delivery("a", "r")
    lanes.acquire(one)
    lanes.release(one, SLOW_S)
    assert lanes.busy() == []
    lanes.acquire(one)
    assert lanes.busy() == ["a r"]
    lanes.release(one, 0.1)
    lanes.acquire(one)
    assert lanes.busy() == []


def test_what_has_ended_takes_no_room() -> None:
    lanes, one = DeliverySlots(1), delivery("a", "r")
    for _ in range(3):
        assert lanes.has_room
        lanes.acquire(one)
        assert not lanes.has_room
        lanes.leave(one, 0.1)
    assert lanes.busy() == []
