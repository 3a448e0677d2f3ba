"""No receiver and no caller gets all threads, and a slow receiver gets one at a time."""

import pytest

from jobs.model.delivery import Delivery
from worker.keeper.delivery_slots import MAX_SLOW, SLOW_S, DeliverySlots


def delivery(owner: str, receiver: str) -> Delivery:
    facts = {"owner": owner, "lane": f"{owner} {receiver}", "type": "video.failed", "body": "{}", "created_at": 1}
    return Delivery.model_validate({"id": "dlv_1", "event_id": "evt_1", "job_id": "video_1", **facts})


def test_a_receiver_gets_an_eighth_and_a_caller_three_quarters() -> None:
    slots = DeliverySlots(32)
    for _ in range(4):
        assert slots.busy() == []
        slots.acquire(delivery("a", "r"))
    assert slots.busy() == ["a r"]
    for n in range(20):
        slots.acquire(delivery("a", f"r{n}"))
    assert slots.busy() == ["a r", "a"]
    assert slots.has_room
    for n in range(8):
        slots.acquire(delivery("b", f"r{n}"))
    assert not slots.has_room


def test_a_slow_receiver_has_one_delivery_at_a_time_until_it_is_fast_again() -> None:
    slots, one = DeliverySlots(32), delivery("a", "r")
    slots.acquire(one)
    slots.release(one, 5.0)
    assert slots.busy() == []
    slots.acquire(one)
    assert slots.busy() == ["a r"]
    slots.release(one, 4.9)
    slots.acquire(one)
    assert slots.busy() == []


def test_a_slow_receiver_does_not_slow_the_others_of_its_caller() -> None:
    slots, slow, fast = DeliverySlots(32), delivery("a", "slow"), delivery("a", "fast")
    slots.acquire(slow)
    slots.release(slow, SLOW_S)
    slots.acquire(slow)
    slots.acquire(fast)
    assert slots.busy() == ["a slow"]


@pytest.mark.parametrize(("threads", "of_receiver", "of_caller"), [(1, 1, 1), (8, 1, 6), (15, 1, 11), (16, 2, 12)])
def test_the_limits_are_rounded_down_and_at_least_one(threads: int, of_receiver: int, of_caller: int) -> None:
    slots = DeliverySlots(threads)
    for n in range(of_caller):
        assert "a" not in slots.busy()
        slots.acquire(delivery("a", f"r{n}"))
    assert "a" in slots.busy()
    same = DeliverySlots(threads)
    for _ in range(of_receiver):
        assert "a r" not in same.busy()
        same.acquire(delivery("a", "r"))
    assert "a r" in same.busy()


def test_at_most_ten_thousand_slow_receivers_are_remembered() -> None:
    slots = DeliverySlots(8 * (MAX_SLOW + 1))
    receivers = [delivery(f"o{n}", "r") for n in range(MAX_SLOW + 1)]
    for one in receivers:
        slots.acquire(one)
        slots.release(one, SLOW_S)
    for one in receivers:
        slots.acquire(one)
    assert len(slots.busy()) == MAX_SLOW


def test_an_ended_delivery_frees_its_slot() -> None:
    slots, one = DeliverySlots(1), delivery("a", "r")
    for _ in range(3):
        assert slots.has_room
        slots.acquire(one)
        assert not slots.has_room
        slots.release(one, 0.1)
    assert slots.busy() == []


@pytest.mark.parametrize("threads", [1, 3, 300])
def test_there_is_room_until_each_thread_has_a_delivery(threads: int) -> None:
    slots = DeliverySlots(threads)
    for n in range(threads):
        assert slots.has_room
        slots.acquire(delivery(f"o{n}", "r"))
    assert not slots.has_room


def test_ended_deliveries_leave_nothing_in_memory() -> None:
    slots = DeliverySlots(8)
    for n in range(100):
        slots.acquire(one := delivery(f"o{n}", f"r{n}"))
        slots.release(one, 0.1)
    assert (len(slots._of_lane), len(slots._of_owner), len(slots._slow)) == (0, 0, 0)
