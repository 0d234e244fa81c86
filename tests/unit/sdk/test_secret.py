"""The secrets of actions: texts that show nothing, and taint what is made of them."""

import copy
import json
import pickle

import pytest

from understage.sdk import Secret

TOKEN = "hunter2-and-more"


@pytest.fixture
def noted() -> list[str]:
    return []


def test_a_secret_is_a_text_that_does_not_show_itself() -> None:
    secret = Secret(TOKEN)
    assert secret == TOKEN
    assert json.dumps({"token": secret}) == f'{{"token": "{TOKEN}"}}'
    assert repr(secret) == "Secret('***')"
    assert TOKEN not in f"{[secret]} {{secret!r}} {ValueError(secret)!r}"
    assert copy.deepcopy([secret])[0] is secret
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(secret)


@pytest.mark.parametrize(
    "make",
    [
        lambda s: s.upper(),
        lambda s: s[2:9],
        lambda s: s[::-1],
        lambda s: "x" + s,
        lambda s: s + "x",
        lambda s: f"{s:>40}",
        lambda s: "%s!" % s,  # noqa: UP031
        lambda s: s * 2,
        lambda s: s.replace("-", "_"),
        lambda s: s.split("-")[0],
        lambda s: s.partition("-")[2],
        lambda s: s.removeprefix("hun"),
        lambda s: s.translate({ord("h"): "H"}),
        lambda s: s.join(["a", "b"]),
        lambda s: s.derive(lambda text: text.encode().hex()),
    ],
)
def test_what_is_made_of_it_is_secret_too_and_noted(make: object, noted: list[str]) -> None:
    assert callable(make)
    made = make(Secret(TOKEN, noted.append))
    assert isinstance(made, Secret)
    assert made in noted
    assert type(made.reveal()) is str


def test_what_stands_around_a_secret_is_none(noted: list[str]) -> None:
    url = Secret(f"https://{TOKEN}@git.example/acme/web", noted.append, [TOKEN])
    credentials, host, owner, name = url.removeprefix("https://").replace("@", "/").split("/")
    assert [type(part) for part in (credentials, host, owner, name)] == [Secret, str, str, str]
    assert type(url[10:16]) is Secret
    assert "git.example" not in noted
