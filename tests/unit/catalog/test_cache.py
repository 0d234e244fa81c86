"""What processors keep for an entity, and when it is forgotten."""

from understage.catalog.processing.cache import EntityCache


def after(stored: str | None, *, ok: bool = True, **values: object) -> str | None:
    cache = EntityCache(stored)
    for key, value in values.items():
        cache.of("p").set(key, value)
    return cache.to_store(ok=ok)


def test_values_are_there_in_the_next_round() -> None:
    assert EntityCache(after(None, a=1, b=[2])).of("p").get("b") == [2]
    assert EntityCache(None).of("p").get("b") is None


def test_a_round_that_sets_something_drops_what_was_before() -> None:
    cache = EntityCache(after(after(None, a=1), b=2)).of("p")
    assert (cache.get("a"), cache.get("b")) == (None, 2)


def test_a_round_that_only_reads_keeps_it_as_it_was() -> None:
    stored = after(None, a=1)
    cache = EntityCache(stored)
    cache.of("p").get("a")
    assert cache.to_store(ok=True) == stored


def test_what_nobody_asks_for_is_forgotten() -> None:
    assert after(after(None, a=1)) is None


def test_five_failed_rounds_forget_it() -> None:
    stored = after(None, a=1)
    for _ in range(4):
        stored = after(stored, ok=False)
        assert EntityCache(stored).of("p").get("a") == 1
    assert after(stored, ok=False) is None


def test_a_good_round_starts_the_count_again() -> None:
    stored = after(None, a=1)
    failed = after(stored, ok=False)
    assert failed != stored
    assert after(failed, a=1) == stored
