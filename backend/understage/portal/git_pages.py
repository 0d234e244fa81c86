"""The pages of the local git server: repositories, folders, files. Plain HTML, no scripts. Called by `git_server`."""

import base64
import hashlib
from collections.abc import Sequence
from html import escape
from http import HTTPStatus

from understage.integrations.local.repositories import LocalRepositories, Place
from understage.integrations.local.source import TreeEntry

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #1b1f24; }
a { color: #0b57a4; text-decoration: none; } a:hover { text-decoration: underline; }
h1 { font-size: 1.3rem; } td { padding: .15rem 1.5rem .15rem 0; } td:last-child { color: #57606a; text-align: right; }
code, pre { font: 13px/1.5 ui-monospace, monospace; background: #f6f8fa; border-radius: 4px; }
code { padding: .1rem .4rem; } pre { padding: 1rem; overflow-x: auto; }
@media (prefers-color-scheme: dark) {
  body { background: #16191d; color: #e6e9ec; } a { color: #7ab7ff; } code, pre { background: #22272d; }
}
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
RAW_HEADERS = {**HEADERS, "Content-Security-Policy": "default-src 'none'; sandbox"}


def repositories_page(repositories: LocalRepositories) -> str:
    """All repositories, by owner."""
    rows = [
        f'<li><a href="{_href(repositories.web_url(owner, name))}">{escape(f"{owner}/{name}")}</a></li>'
        for owner in repositories.owners()
        for name in repositories.names(owner)
    ]
    body = f"<ul>{''.join(rows)}</ul>" if rows else "<p>No repositories: templates publish here when they run.</p>"
    return _page("Repositories", "<h1>Repositories</h1>" + body)


def empty_page(repositories: LocalRepositories, place: Place) -> str:
    """A repository without commits."""
    return _page(f"{place.owner}/{place.name}", _heading(repositories, place) + "<p>This repository is empty.</p>")


def folder_page(
    repositories: LocalRepositories, place: Place, ref: str, entries: Sequence[TreeEntry], branches: Sequence[str]
) -> str:
    """A folder at a ref: folders first."""
    rows = []
    for entry in sorted(entries, key=lambda entry: (entry.type != "tree", entry.name)):
        path = f"{place.path}/{entry.name}".lstrip("/")
        url = _href(repositories.contents_url(place.owner, place.name, ref, path))
        mark = "/" if entry.type == "tree" else " → link" if entry.mode == "120000" else ""
        size = f"{entry.size} bytes" if entry.size is not None else ""
        rows.append(f'<tr><td><a href="{url}">{escape(entry.name)}{mark}</a></td><td>{size}</td></tr>')
    others = " ".join(
        f'<a href="{_href(repositories.contents_url(place.owner, place.name, name))}">{escape(name)}</a>'
        for name in branches
    )
    clone = escape(f"git clone {repositories.clone_url(place.owner, place.name)}")
    return _page(
        f"{place.owner}/{place.name}",
        f"{_heading(repositories, place, ref)}<p><code>{clone}</code></p>"
        f"<p>Branches: {others}</p><table>{''.join(rows)}</table>",
    )


def file_page(repositories: LocalRepositories, place: Place, ref: str, content: bytes) -> str:
    """A file: its text, or its size when it is none."""
    raw = _href(repositories.contents_url(place.owner, place.name, ref, place.path, view="raw"))
    text = as_text(content)
    shown = f"<p>{len(content)} bytes, not text.</p>" if text is None else f"<pre>{escape(text)}</pre>"
    return _page(
        place.path, f'{_heading(repositories, place, ref)}<p><a href="{raw}">Raw</a>, {len(content)} bytes</p>{shown}'
    )


def error_page(status: int, message: str) -> str:
    """What went wrong."""
    title = HTTPStatus(status).phrase
    return _page(title, f"<h1>{title}</h1><p>{escape(message)}</p>")


def as_text(content: bytes) -> str | None:
    """The content as UTF-8 text; None for anything else."""
    if b"\0" in content:
        return None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _heading(repositories: LocalRepositories, place: Place, ref: str | None = None) -> str:
    repository = repositories.web_url(place.owner, place.name)
    parts = [
        f'<a href="{_href(repositories.root_url)}/">git</a>',
        f'<a href="{_href(repository)}">{escape(f"{place.owner}/{place.name}")}</a>',
    ]
    if ref is not None:
        parts.append(f'<a href="{_href(repositories.contents_url(place.owner, place.name, ref))}">{escape(ref)}</a>')
        walked = ""
        for segment in filter(None, place.path.split("/")):
            walked = f"{walked}/{segment}".lstrip("/")
            url = _href(repositories.contents_url(place.owner, place.name, ref, walked))
            parts.append(f'<a href="{url}">{escape(segment)}</a>')
    return f"<h1>{' / '.join(parts)}</h1>"


def _href(url: str) -> str:
    return escape(url, quote=True)


def _page(title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>'
        f"<body>{body}</body></html>"
    )
