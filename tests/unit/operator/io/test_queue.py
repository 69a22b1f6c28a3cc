"""Keys: once each, one worker a key, later if they fail, and no trace of those that are gone."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from io_kit import Clock

from w2s_operator.queue import FIRST_WAIT, LONGEST_WAIT, SPARE, WorkQueue


def run(test: Callable[[WorkQueue[str], Clock], Coroutine[Any, Any, None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(10):
            clock = Clock()
            await test(WorkQueue(clock), clock)

    asyncio.run(bounded())


async def taken(queue: WorkQueue[str]) -> list[str]:
    """All keys that are ready now; none is done yet."""
    found = []
    while True:
        try:
            async with asyncio.timeout(0.02):
                found.append((await queue.take())[0])
        except TimeoutError:
            return found


def test_a_key_is_handled_once_however_often_it_is_added():
    async def test(queue: WorkQueue[str], clock: Clock) -> None:
        for key in ("a", "b", "a", "a"):
            queue.add(key)
        assert await taken(queue) == ["a", "b"]

    run(test)


def test_what_comes_while_a_key_is_handled_is_handled_after_and_not_beside_it():
    async def test(queue: WorkQueue[str], clock: Clock) -> None:
        queue.add("a")
        await queue.take()
        queue.add("a")
        queue.add("a")
        assert await taken(queue) == []
        queue.done("a")
        assert await taken(queue) == ["a"]
        queue.done("a")
        assert await taken(queue) == []

    run(test)


def test_a_worker_that_waits_is_woken_and_one_that_is_cancelled_takes_no_key_along():
    async def test(queue: WorkQueue[str], clock: Clock) -> None:
        workers = [asyncio.create_task(queue.take()) for _ in range(3)]
        await asyncio.sleep(0)
        workers[0].cancel()
        await asyncio.sleep(0)
        queue.add("a")
        queue.add("b")
        assert {(await one)[0] for one in workers[1:]} == {"a", "b"}

    run(test)


def test_the_soonest_timer_counts_and_one_that_was_overtaken_is_none():
    async def test(queue: WorkQueue[str], clock: Clock) -> None:
        queue.add_at("a", clock.now + 100)
        queue.add_at("a", clock.now + 10)
        queue.add_at("a", clock.now + 50)
        clock.now += 9
        assert await taken(queue) == []
        clock.now += 1
        assert await taken(queue) == ["a"]
        queue.done("a")
        clock.now += 200
        assert await taken(queue) == []

    run(test)


def test_a_timer_wakes_a_worker_by_itself():
    async def test(queue: WorkQueue[str], clock: Clock) -> None:
        real: WorkQueue[str] = WorkQueue(asyncio.get_running_loop().time)
        waits = asyncio.create_task(real.take())
        await asyncio.sleep(0)
        real.add_at("a", asyncio.get_running_loop().time() + 0.01)
        assert (await waits)[0] == "a"

    run(test)


def test_back_off_grows_is_capped_and_begins_anew():
    async def test(queue: WorkQueue[str], clock: Clock) -> None:
        waits = []
        for _ in range(12):
            queue.add("a")
            assert await taken(queue) == ["a"]
            waits.append(queue.failed("a"))
            clock.now += waits[-1]
            assert await taken(queue) == ["a"]
            queue._busy.discard("a")
        assert waits[:4] == [FIRST_WAIT, 2 * FIRST_WAIT, 4 * FIRST_WAIT, 8 * FIRST_WAIT]
        assert waits[-1] == LONGEST_WAIT
        queue.add("a")
        await queue.take()
        queue.done("a")
        queue.add("a")
        await queue.take()
        assert queue.failed("a") == FIRST_WAIT

    run(test)


def test_a_server_that_asks_for_a_pause_gets_it():
    async def test(queue: WorkQueue[str], clock: Clock) -> None:
        queue.add("a")
        await queue.take()
        assert queue.failed("a", at_least=17.0) == 17.0
        clock.now += 16.9
        assert await taken(queue) == []
        clock.now += 0.1
        assert await taken(queue) == ["a"]

    run(test)


def test_what_came_while_a_key_failed_waits_for_the_back_off():
    async def test(queue: WorkQueue[str], clock: Clock) -> None:
        queue.add("a")
        await queue.take()
        queue.add("a")
        wait = queue.failed("a")
        assert await taken(queue) == []
        clock.now += wait
        assert await taken(queue) == ["a"]

    run(test)


def test_nothing_stays_of_a_key_that_is_forgotten():
    async def test(queue: WorkQueue[str], clock: Clock) -> None:
        for number in range(10 * SPARE):
            key = str(number)
            queue.add(key)
            await queue.take()
            queue.failed(key)
            queue.add_at(key, clock.now + 1e6)
            queue.forget(key)
        assert len(queue._heap) <= SPARE
        left = (queue._due, queue._failures, queue._busy, queue._again, queue._ready)
        assert not any(left)

    run(test)


def test_a_far_timer_that_is_set_after_each_near_one_does_not_pile_up():
    async def test(queue: WorkQueue[str], clock: Clock) -> None:
        for _ in range(10 * SPARE):
            queue.add_at("a", clock.now + 1e6)
            queue.add_at("a", clock.now + 1)
            clock.now += 1
            await queue.take()
            queue.done("a")
        assert len(queue._heap) <= SPARE + 3

    run(test)


def test_timers_that_nobody_sees_to_are_a_standstill_too():
    """As when every worker hangs: none is left to make them ready."""

    async def test(queue: WorkQueue[str], clock: Clock) -> None:
        queue.add_at("later", clock.now + 100)
        clock.now += 50
        assert queue.standstill() == 0
        clock.now += 350
        assert queue.standstill() == pytest.approx(300)
        await queue.take()
        assert queue.standstill() == 0

    run(test)


def test_a_long_queue_that_moves_is_not_stuck_and_one_that_does_not_is():
    async def test(queue: WorkQueue[str], clock: Clock) -> None:
        assert queue.standstill() == 0
        for number in range(100):
            queue.add(str(number))
        for _ in range(99):
            clock.now += 5
            assert queue.standstill() == pytest.approx(5)
            await queue.take()
            assert queue.standstill() == 0
        clock.now += 300
        assert queue.standstill() == pytest.approx(300)
        await queue.take()
        clock.now += 300
        assert queue.standstill() == 0  # nothing is ready

    run(test)


@pytest.mark.parametrize("passes", range(6))
def test_who_is_cancelled_while_it_wakes_up_is_cancelled(passes):
    """Otherwise an operator that is asked to stop while keys come in would not end."""

    async def cancelled() -> list[bool]:
        queue: WorkQueue[str] = WorkQueue()
        queue.add_at("later", time.monotonic() + 100)
        takers = [asyncio.create_task(queue.take()) for _ in range(3)]
        for _ in range(10):
            await asyncio.sleep(0)
        queue.add("job")  # all wake up, and one finds it
        for _ in range(passes):
            await asyncio.sleep(0)
        for taker in takers:
            taker.cancel()
        _, left = await asyncio.wait(takers, timeout=5)
        for taker in left:
            taker.cancel()
        return [taker in left for taker in takers]

    assert asyncio.run(cancelled()) == [False, False, False]
