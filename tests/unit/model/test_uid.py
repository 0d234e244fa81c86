"""Uids are random UUIDs of version 4, in a forked process other ones."""

import os
import uuid

from understage.model.uid import AT_ONCE, new_uid


def test_they_are_uuids_and_never_the_same() -> None:
    drawn = [new_uid() for _ in range(5 * AT_ONCE)]
    assert len(set(drawn)) == len(drawn)
    for text in drawn:
        parsed = uuid.UUID(text)
        assert (str(parsed), parsed.version, parsed.variant) == (text, 4, uuid.RFC_4122)


def test_every_digit_is_drawn() -> None:
    drawn = [new_uid().replace("-", "") for _ in range(5 * AT_ONCE)]
    free = [place for place in range(32) if place not in (12, 16)]
    assert all(len({text[place] for text in drawn}) == 16 for place in free)
    assert {text[16] for text in drawn} == set("89ab")


def test_a_forked_process_draws_others() -> None:
    new_uid()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, new_uid().encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 100).decode() != new_uid()
