"""What webhooks of each forge mean for the catalog, also the malformed ones."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from understage.catalog.scm import bitbucket_cloud, gitea, gitlab
from understage.catalog.scm.event import Analyze, ScmEvent
from understage.catalog.scm.github import GithubAnalyzer
from understage.catalog.scm.ledger import Ledger
from understage.errors import ForeignError, InputError

REPOSITORY = {"html_url": "https://github.com/o/r", "default_branch": "main", "name": "r"}
BLOB = "https://github.com/o/r/blob/main"
Files = Sequence[tuple[str, str, str | None]]


def push(*commits: Mapping[str, Any], ref: str = "refs/heads/main") -> dict[str, Any]:
    numbered = [{"id": f"c{number}", **commit} for number, commit in enumerate(commits)]
    return {"ref": ref, "repository": REPOSITORY, "commits": numbered}


def told(events: Sequence[ScmEvent]) -> list[tuple[str, ...]]:
    return [(event.type, event.url, *([event.to_url] if event.to_url else [])) for event in events]


async def test_a_push_names_the_files_of_the_default_branch() -> None:
    payload = push({"modified": ["a.yaml", "README.md"], "added": ["sub/b.yml"]}, {"modified": ["sub/b.yml", "c.YAML"]})
    assert told(await GithubAnalyzer().push(payload)) == [
        ("location.updated", f"{BLOB}/a.yaml"),
        ("location.created", f"{BLOB}/sub/b.yml"),
    ]
    assert await GithubAnalyzer().push({**payload, "ref": "refs/heads/feature"}) == ()
    assert await GithubAnalyzer().push({**payload, "ref": "refs/tags/main"}) == ()


async def test_a_push_of_2048_commits_is_ignored() -> None:
    commits = [{"modified": ["a.yaml"]}] * 2048
    assert await GithubAnalyzer().push(push(*commits)) == ()
    assert len(await GithubAnalyzer().push(push(*commits[:-1]))) == 1


async def test_a_rename_is_told_by_the_commits_themselves() -> None:
    asked: list[tuple[str, str]] = []

    async def read(repository_url: str, commit_id: str) -> Files:
        asked.append((repository_url, commit_id))
        return {
            "c0": [("renamed", "b.yaml", "a.yaml"), ("added", "new.yaml", None)],
            "c1": [("renamed", "c.yaml", "b.yaml"), ("removed", "new.yaml", None), ("modified", "d.yaml", None)],
        }[commit_id]

    payload = push(
        {"added": ["b.yaml", "new.yaml"], "removed": ["a.yaml"]},
        {"added": ["c.yaml"], "removed": ["b.yaml"], "modified": ["d.yaml"]},
        {"modified": ["README.md"]},
    )
    assert told(await GithubAnalyzer(read).push(payload)) == [
        ("location.moved", f"{BLOB}/a.yaml", f"{BLOB}/c.yaml"),
        ("location.updated", f"{BLOB}/d.yaml"),
    ]
    assert asked == [("https://github.com/o/r", "c0"), ("https://github.com/o/r", "c1")]


async def test_without_the_commits_a_rename_is_a_removal_and_an_addition() -> None:
    async def read(repository_url: str, commit_id: str) -> Files:
        raise ForeignError("github.com answered 502")

    payload = push({"added": ["b.yaml"], "removed": ["a.yaml"]})
    for analyzer in (GithubAnalyzer(read), GithubAnalyzer()):
        assert told(await analyzer.push(payload)) == [
            ("location.created", f"{BLOB}/b.yaml"),
            ("location.deleted", f"{BLOB}/a.yaml"),
        ]


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"action": "created"}, ("repository.created", "https://github.com/o/r")),
        ({"action": "deleted"}, ("repository.deleted", "https://github.com/o/r")),
        ({"action": "archived"}, ("repository.updated", "https://github.com/o/r")),
        (
            {
                "action": "renamed",
                "repository": {**REPOSITORY, "owner": {"html_url": "https://github.com/o"}},
                "changes": {"repository": {"name": {"from": "old"}}},
            },
            ("repository.moved", "https://github.com/o/old", "https://github.com/o/r"),
        ),
        (
            {"action": "transferred", "changes": {"owner": {"from": {"organization": {"login": "before"}}}}},
            ("repository.moved", "https://github.com/before/r", "https://github.com/o/r"),
        ),
        (
            {"action": "edited", "changes": {"default_branch": {"from": "master"}}},
            ("repository.moved", "https://github.com/o/r/blob/master", BLOB),
        ),
        ({"action": "edited", "changes": {"description": {"from": "x"}}}, None),
        ({"action": "starred"}, None),
    ],
)
async def test_events_of_repositories(payload: dict[str, Any], expected: tuple[str, ...] | None) -> None:
    events = await GithubAnalyzer().repository({"repository": REPOSITORY, **payload})
    assert told(events) == ([expected] if expected else [])


PROJECT = {"web_url": "https://gitlab.com/g/p", "default_branch": "main", "path_with_namespace": "g/p"}


async def test_gitlab() -> None:
    commits = [{"added": ["a.yaml"], "modified": ["b.yaml"], "removed": ["c.yaml"]}, {"removed": ["a.yaml"]}]
    payload = {"ref": "refs/heads/main", "project": PROJECT, "commits": commits, "total_commits_count": 2}
    assert told(await gitlab.analyze_push(payload)) == [
        ("location.updated", "https://gitlab.com/g/p/-/blob/main/b.yaml"),
        ("location.deleted", "https://gitlab.com/g/p/-/blob/main/c.yaml"),
    ]
    assert await gitlab.analyze_push({**payload, "ref": "refs/heads/other"}) == ()
    cut_off = {**payload, "total_commits_count": 40}
    assert told(await gitlab.analyze_push(cut_off)) == [("repository.updated", "https://gitlab.com/g/p")]
    moved = {"event_name": "repository_update", "project": PROJECT, "old_path_with_namespace": "old/p"}
    assert told(await gitlab.analyze_repository(moved)) == [
        ("repository.moved", "https://gitlab.com/old/p", "https://gitlab.com/g/p")
    ]
    gone = {"event_name": "repository_update", "action": "destroy", "project": PROJECT}
    assert told(await gitlab.analyze_repository(gone)) == [("repository.deleted", "https://gitlab.com/g/p")]
    assert await gitlab.analyze_repository({"event_name": "repository_update", "project": PROJECT}) == ()


async def test_gitea() -> None:
    # Gitea lists the newest commit first.
    commits = [{"removed": ["a.yaml"]}, {"added": ["a.yaml"], "modified": ["b.yaml"]}]
    payload = {"ref": "refs/heads/main", "repository": {**REPOSITORY, "html_url": "http://tea/o/r"}, "commits": commits}
    assert told(await gitea.analyze_push(payload)) == [("location.updated", "http://tea/o/r/src/branch/main/b.yaml")]
    assert told(await gitea.analyze_repository({**payload, "action": "deleted"})) == [
        ("repository.deleted", "http://tea/o/r")
    ]


async def test_bitbucket_cloud() -> None:
    url = "https://bitbucket.org/w/r"
    payload: dict[str, Any] = {"repository": {"links": {"html": {"href": url}}}}
    assert told(await bitbucket_cloud.analyze_push(payload)) == [("repository.updated", url)]
    assert told(await bitbucket_cloud.analyze_update(payload)) == [("repository.updated", url)]
    assert told(await bitbucket_cloud.analyze_deletion(payload)) == [("repository.deleted", url)]
    moved = {**payload, "changes": {"full_name": {"old": "w/before"}}}
    assert told(await bitbucket_cloud.analyze_update(moved)) == [
        ("repository.moved", "https://bitbucket.org/w/before", url)
    ]


ANALYZERS: list[Analyze] = [
    GithubAnalyzer().push,
    GithubAnalyzer().repository,
    gitlab.analyze_push,
    gitlab.analyze_repository,
    gitea.analyze_push,
    gitea.analyze_repository,
    bitbucket_cloud.analyze_push,
    bitbucket_cloud.analyze_update,
    bitbucket_cloud.analyze_deletion,
]
NAMES = st.sampled_from(
    ["ref", "repository", "project", "commits", "added", "removed", "modified", "html_url", "web_url", "default_branch"]
) | st.sampled_from(
    ["action", "changes", "owner", "from", "links", "html", "href", "name", "id", "total_commits_count", "event_name"]
)
VALUES = st.sampled_from(
    ["main", "refs/heads/main", "a.yaml", "https://github.com/o/r", "renamed", "edited", "deleted"]
)
PAYLOADS = st.dictionaries(
    NAMES,
    st.recursive(
        st.none() | st.booleans() | st.integers() | VALUES,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
        max_leaves=20,
    ),
)


@given(payload=PAYLOADS, analyze=st.sampled_from(ANALYZERS))
async def test_whatever_is_sent_gives_events_or_is_refused(payload: dict[str, Any], analyze: Analyze) -> None:
    try:
        events = await analyze(payload)
    except InputError:
        return
    assert all(isinstance(event.url, str) and event.url for event in events)


MOVES = st.lists(
    st.tuples(st.sampled_from(["add", "change", "remove", "rename"]), st.integers(0, 3), st.integers(0, 3)), max_size=12
)


@given(there=st.sets(st.integers(0, 3)), moves=MOVES)
@example(there={0}, moves=[("rename", 0, 1), ("add", 0, 0)])
@example(there={0}, moves=[("rename", 0, 1), ("add", 0, 0), ("remove", 1, 0)])
def test_a_ledger_says_what_is_different_afterwards(there: set[int], moves: list[tuple[str, int, int]]) -> None:
    """Against a plain model: contents by name, each content telling where it was first."""
    before = {number: (f"file {number}", 0) for number in there}
    now = dict(before)
    ledger = Ledger()
    for number, (what, first, second) in enumerate(moves, start=1):
        if what == "add" and first not in now:
            now[first] = ("new", number)
            ledger.add(f"{first}.yaml")
        elif what == "change" and first in now:
            now[first] = (now[first][0], number)
            ledger.change(f"{first}.yaml")
        elif what == "remove" and first in now:
            del now[first]
            ledger.remove(f"{first}.yaml")
        elif what == "rename" and first in now and second not in now and second not in before:
            now[second] = now.pop(first)
            ledger.rename(f"{first}.yaml", f"{second}.yaml")
    events = ledger.events(lambda path: path.removesuffix(".yaml"))
    gone = {int(event.url) for event in events if event.type in ("location.deleted", "location.moved")}
    come = {int(event.to_url or event.url) for event in events if event.type in ("location.created", "location.moved")}
    assert before.keys() - now.keys() <= gone
    # Where a file was moved away from, a file that came since is a new one.
    moved_away = {first for first in before if any(now[n][0] == f"file {first}" and n != first for n in now)}
    assert now.keys() - (before.keys() - moved_away) == come
