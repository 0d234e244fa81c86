"""Bodies that are hardly JSON, or are told to be something else: both plugins of both backends must refuse them alike."""

from collections.abc import Sequence

from hypothesis import strategies as st
from tests.contract.cases import Case

CONTENTS = ("", " ", "{", "{}", "[]", "null", "5", '"x"', "{bad", '{"a":1,}', "\ufeff{}", "{}{}")
CONTENT_TYPES = (
    None,
    "application/json",
    "application/json; charset=utf-8",
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/vnd.x+json",
    "nonsense",
    "APPLICATION/JSON",
)


def raw_posts(base: str, paths: Sequence[str], contents: Sequence[str]) -> st.SearchStrategy[Case]:
    """POST to one of the paths below `base`; `contents` are bodies besides the common ones."""

    def post(path: str, content: str, content_type: str | None) -> Case:
        headers = {} if content_type is None else {"content-type": content_type}
        name = f"POST {path} {content!r} as {content_type}"
        return Case(name, "POST", base + path, {"content": content, "headers": headers})

    return st.builds(
        post, st.sampled_from(paths), st.sampled_from((*CONTENTS, *contents)), st.sampled_from(CONTENT_TYPES)
    )
