"""`docs/performance.md`: one section a command, each written again by its own run and left alone by the others."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
INTRODUCTION = Path(__file__).with_name("introduction.md")
SECTIONS = ("bench", "bench-tasks", "bench-large", "bench-pages")


def write_section(name: str, text: str) -> None:
    """Put `text` in the place of the section's last figures."""
    assert name in SECTIONS
    parts = read_sections()
    parts[name] = text.strip()
    body = [f"<!-- {one} -->\n\n{parts[one]}\n\n<!-- end of {one} -->" for one in SECTIONS if one in parts]
    PAGE.write_text("\n\n".join([INTRODUCTION.read_text("utf-8").strip(), *body]) + "\n", encoding="utf-8")


def read_sections() -> dict[str, str]:
    """The sections that the page has."""
    content = PAGE.read_text("utf-8") if PAGE.exists() else ""
    pattern = r"<!-- ([a-z-]+) -->\n\n(.*?)\n\n<!-- end of \1 -->"
    return {name: body for name, body in re.findall(pattern, content, re.DOTALL)}
