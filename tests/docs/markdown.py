"""What the tests look at in a Markdown page: headings, links, code."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from understage.cli.reference import anchor_of

ROOT = Path(__file__).parents[2]
_PARSER = MarkdownIt("commonmark").enable("table")


@dataclass(frozen=True)
class Block:
    """A block of code: its language (empty for an indented block), its text, and the line it begins in."""

    language: str
    text: str
    line: int


@dataclass(frozen=True)
class Page:
    """A page of the repository."""

    path: Path

    @property
    def name(self) -> str:
        """Its path in the repository."""
        return str(self.path.relative_to(ROOT))

    @cached_property
    def _tokens(self) -> list[Token]:
        return _PARSER.parse(self.path.read_text("utf-8"))

    @property
    def links(self) -> list[str]:
        """Targets of links and images, as written."""
        found = [*self._inner("link_open", "href"), *self._inner("image", "src")]
        return [str(target) for target in found]

    @property
    def anchors(self) -> set[str]:
        """The anchors of its headings; a repeated heading gets a number, as on GitHub."""
        seen: Counter[str] = Counter()
        anchors = set()
        for heading in self.headings:
            anchor = anchor_of(heading)
            anchors.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
            seen[anchor] += 1
        return anchors

    @property
    def headings(self) -> list[str]:
        """The texts of its headings, without markup."""
        following = zip(self._tokens, self._tokens[1:], strict=False)
        inner = [token for opening, token in following if opening.type == "heading_open"]
        return ["".join(child.content for child in token.children or ()) for token in inner]

    @property
    def blocks(self) -> list[Block]:
        """Its blocks of code."""
        return [
            Block(token.info.strip(), token.content, (token.map or [0])[0] + 1)
            for token in self._tokens
            if token.type in ("fence", "code_block")
        ]

    @property
    def spans(self) -> list[str]:
        """Its `code` within text."""
        return [
            child.content for token in self._tokens for child in token.children or () if child.type == "code_inline"
        ]

    @property
    def commands(self) -> list[str]:
        """Lines of shell blocks and indented blocks, comments left out, and spans."""
        lines = [line.strip() for block in self.blocks if block.language in ("", "shell") for line in _lines(block)]
        return [*(line for line in lines if line and not line.startswith("#")), *self.spans]

    def _inner(self, type: str, attribute: str) -> Iterator[str | int | float]:
        for token in self._tokens:
            for child in token.children or ():
                if child.type == type:
                    yield child.attrs[attribute]


def _lines(block: Block) -> list[str]:
    return block.text.splitlines()


def pages() -> list[Page]:
    """README, changelog and everything below docs."""
    return [Page(path) for path in (ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md")))]
