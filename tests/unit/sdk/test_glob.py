import pytest

from understage.errors import InputError
from understage.sdk import compile_glob, glob_root, is_glob


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("*.yaml", "a.yaml", True),
        ("*.yaml", "a/b.yaml", False),
        ("**/*.yaml", "b.yaml", True),
        ("**/*.yaml", "a/b/c.yaml", True),
        ("a/**", "a/b/c", True),
        ("a/**", "a", False),
        ("a/**/c", "a/c", True),
        ("a/**/c/**/d", "a/c/x/c/d", True),
        ("a/**/c/*.y", "a/c/c/x.y", True),
        ("**/**/c", "c", True),
        ("*a*b*", "xaxbx", True),
        ("*a*b", "xaxbxb", True),
        ("*a*b", "xaxbx", False),
        ("*", ".hidden", False),
        ("**/x", ".git/x", False),
        (".*/x", ".git/x", True),
        ("{a,b{1,2}}.txt", "b2.txt", True),
        ("[a-c]?.md", "b1.md", True),
        ("[!a].md", "b.md", True),
        ("[!a].md", "a.md", False),
        ("a+(b).c", "a+(b).c", True),
        ("./x.txt", "x.txt", True),
        ("a[.txt", "a[.txt", True),
    ],
)
def test_globs(pattern: str, path: str, matches: bool) -> None:
    assert bool(compile_glob(pattern).fullmatch(path)) is matches


def test_dot_files_match_when_asked() -> None:
    assert compile_glob("**", dot=True).fullmatch(".github/.x/ci.yaml")


def test_root_and_magic() -> None:
    assert glob_root("a/b/*/c.yaml") == "a/b"
    assert glob_root("*.yaml") == ""
    assert is_glob("a/{b,c}")
    assert not is_glob("a/b.yaml")


@pytest.mark.timeout(5)
def test_hostile_patterns_end() -> None:
    with pytest.raises(InputError, match="too many alternatives"):
        compile_glob("{a,b}" * 20)
    assert not compile_glob("*" * 50 + "b").fullmatch("a" * 5000)
    assert not compile_glob("*a" * 30 + "*b").fullmatch("a" * 5000)
    assert not compile_glob("**/a/" * 20 + "b").fullmatch("a/" * 500)
    assert not compile_glob("**/" * 30 + "b").fullmatch("a/" * 200)
