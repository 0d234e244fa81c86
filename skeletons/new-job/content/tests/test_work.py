import pytest

from job.work import WorkFailedError, work


def test_everything_is_done() -> None:
    seen: list[str] = []
    assert work(["a", "b"], seen.append) == 2
    assert seen == ["a", "b"]


def test_one_that_fails_does_not_stop_the_others_but_fails_the_run() -> None:
    seen: list[str] = []

    def do(item: str) -> None:
        if item == "a":
            raise ValueError("broken")
        seen.append(item)

    with pytest.raises(WorkFailedError, match="a: broken"):
        work(["a", "b"], do)
    assert seen == ["b"]
