from __future__ import annotations

import os
import threading
import time
import uuid

import pytest

from promptctl.log.ids import new_id


def test_an_id_is_a_uuid_of_version_7_that_says_when_it_was_made() -> None:
    before = time.time_ns() // 1_000_000
    identifier = uuid.UUID(new_id())
    after = time.time_ns() // 1_000_000

    assert (identifier.version, identifier.variant) == (7, uuid.RFC_4122)
    assert before <= identifier.int >> 80 <= after


def test_ids_of_one_process_are_different_and_in_order_even_from_many_threads() -> None:
    made: list[list[str]] = [[] for _ in range(4)]

    def make(into: list[str]) -> None:
        into.extend(new_id() for _ in range(2_000))

    threads = [threading.Thread(target=make, args=(into,)) for into in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert all(into == sorted(into) for into in made)
    assert len({identifier for into in made for identifier in into}) == 8_000


def test_ids_go_on_growing_when_the_clock_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    now = new_id()
    monkeypatch.setattr(time, "time_ns", lambda: 1_000_000_000_000_000_000)

    assert new_id() > now


def test_a_forked_child_makes_ids_of_its_own() -> None:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, "\n".join(new_id() for _ in range(200)).encode())
        os._exit(0)
    ours = {new_id() for _ in range(200)}
    os.close(write)
    os.waitpid(child, 0)
    with os.fdopen(read) as file:
        theirs = set(file.read().split())

    assert len(ours | theirs) == 400
