"""Which deployments are changes, which of them fail, and when they are restored: edge cases."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understage.measures.events import Deployment, Health
from understage.measures.timeline import Incident, classify, trace_changes

WINDOW = 1000


def deployed(revision: str, at: int, *, is_rollback: bool = False) -> Deployment:
    return Deployment("app", revision, at, "component:default/app", "production", is_rollback=is_rollback)


def seen(text: str) -> list[Health]:
    """`D10 H20` are degraded at 10, healthy at 20."""
    names = {"D": "Degraded", "H": "Healthy"}
    return [Health("app", int(part[1:]), names[part[0]]) for part in text.split()]  # type: ignore[arg-type]


def kinds(*revisions: str) -> list[str]:
    return [kind for _, kind in classify([deployed(name, index) for index, name in enumerate(revisions)])]


@pytest.mark.parametrize(
    ("revisions", "expected"),
    [
        ("a", ["change"]),
        ("a a", ["change", "redeploy"]),
        ("a b a", ["change", "change", "rollback"]),
        # Forward again after a rollback is a change: what was taken back is tried anew.
        ("a b a b", ["change", "change", "rollback", "change"]),
        ("a b c a", ["change", "change", "change", "rollback"]),
        ("a b a a c", ["change", "change", "rollback", "redeploy", "change"]),
    ],
)
def test_kinds(revisions: str, expected: list[str]) -> None:
    assert kinds(*revisions.split()) == expected


def test_a_rollback_by_a_new_commit_is_one_when_it_is_said() -> None:
    events = [deployed("a", 0), deployed("b", 10), deployed("c", 20, is_rollback=True)]
    assert [kind for _, kind in classify(events)] == ["change", "change", "rollback"]
    first = [deployed("a", 0, is_rollback=True)]
    assert [kind for _, kind in classify(first)] == ["change"]


@pytest.mark.parametrize(
    ("healths", "expected"),
    [
        ("", []),
        ("H5", []),
        ("D10 H30", [Incident(10, 30)]),
        ("D10 D20 H30", [Incident(10, 30)]),
        ("D10 H30 D40 H45", [Incident(10, 30), Incident(40, 45)]),
        ("D10", [Incident(10, None)]),
        ("D10 H10", [Incident(10, 10)]),
        ("D999 H2000", [Incident(999, 2000)]),
        ("D1000 H2000", []),
        # Degraded since before the deployment: not its failure, until it was healthy in between.
        ("D-5 H20", []),
        ("D-5 D10 H20", []),
        ("D-5 H10 D20 H30", [Incident(20, 30)]),
    ],
)
def test_failures_of_one_change(healths: str, expected: list[Incident]) -> None:
    (change,) = trace_changes([deployed("a", 0)], seen(healths), failure_window=WINDOW)
    assert list(change.incidents) == expected


def test_a_failure_is_that_of_the_revision_that_ran() -> None:
    events = [deployed("a", 0), deployed("b", 100), deployed("b", 150), deployed("c", 200)]
    changes = trace_changes(events, seen("H1 D160 H210 D220"), failure_window=WINDOW)
    found = {change.deployment.revision: change.incidents for change in changes}
    assert found == {"a": (), "b": (Incident(160, 210),), "c": (Incident(220, None),)}


def test_a_rollback_says_that_what_it_takes_back_failed() -> None:
    events = [deployed("a", 0), deployed("b", 100), deployed("a", 300)]
    restored = trace_changes(events, seen("H1 H320"), failure_window=WINDOW)
    assert [change.incidents for change in restored] == [(), (Incident(100, 320),)]
    never = trace_changes(events, seen("H1"), failure_window=WINDOW)
    assert [change.incidents for change in never] == [(), (Incident(100, None),)]


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 50)), max_size=12, unique_by=lambda each: each[1]),
    st.lists(st.tuples(st.integers(0, 80), st.sampled_from("HD")), max_size=20),
)
def test_whatever_happens_each_incident_is_one_changes(
    revisions: list[tuple[str, int]], states: list[tuple[int, str]]
) -> None:
    """Incidents lie in order, never overlap within a change, and begin within its window."""
    events = [deployed(name, at) for name, at in revisions]
    healths = seen(" ".join(f"{status}{at}" for at, status in sorted(states)))
    changes = trace_changes(events, healths, failure_window=30)
    assert len(changes) == [kind for _, kind in classify(events)].count("change")
    for change in changes:
        for incident in change.incidents:
            assert change.deployment.at <= incident.began_at < change.deployment.at + 30
            assert incident.restored_at is None or incident.restored_at >= incident.began_at
        for before, after in pairwise(change.incidents):
            assert before.restored_at is not None
            assert before.restored_at <= after.began_at
