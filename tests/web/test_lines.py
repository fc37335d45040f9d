"""Work waits in line: whoever came first goes first, and who gives up holds nobody up."""

from __future__ import annotations

import asyncio
import threading

import pytest

pytest.importorskip("gradio")
from intarsia.errors import Cancelled
from intarsia.web.lines import Line


def test_who_came_first_goes_first_and_hears_how_many_are_ahead() -> None:
    line, order, told = Line(), [], []
    first = line.join()
    begun = threading.Barrier(3, timeout=10)

    def work(name: str, place: object) -> None:
        begun.wait()
        line.wait(place, threading.Event(), lambda ahead: told.append((name, ahead)))  # type: ignore[arg-type]
        order.append(name)
        line.leave(place)  # type: ignore[arg-type]

    threads = [threading.Thread(target=work, args=(name, line.join())) for name in ("second", "third")]
    for thread in threads:
        thread.start()
    begun.wait()
    threads[1].join(0.3)
    assert order == []
    line.leave(first)
    for thread in threads:
        thread.join(10)
    assert order == ["second", "third"] and len(line) == 0
    assert ("second", 1) in told and ("third", 2) in told and ("third", 0) in told


def test_who_gives_up_holds_nobody_up() -> None:
    line, stop = Line(), threading.Event()
    with line.take(threading.Event()):
        stop.set()
        with pytest.raises(Cancelled), line.take(stop):
            pytest.fail("it had no turn")
        assert len(line) == 1
    with line.take(threading.Event()):
        pass
    assert len(line) == 0


def test_a_turn_ends_with_an_error_too() -> None:
    line = Line()
    with pytest.raises(ValueError, match="wrong"), line.take(threading.Event()):
        raise ValueError("wrong")
    assert len(line) == 0


def test_an_event_loop_waits_without_a_thread() -> None:
    line, stop = Line(), threading.Event()
    first, second = line.join(), line.join()

    async def wait() -> None:
        task = asyncio.create_task(line.wait_async(second, stop))
        await asyncio.sleep(0.1)
        assert not task.done()
        line.leave(first)
        await asyncio.wait_for(task, 5)
        third = line.join()
        stop.set()
        with pytest.raises(Cancelled):
            await line.wait_async(third, stop)

    asyncio.run(wait())
