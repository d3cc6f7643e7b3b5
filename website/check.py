"""Checks a built site: every internal link leads to a file and a place in it, and nothing is fetched from elsewhere.

python -m website.check build/site
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

FETCHED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}
SHOWN = {"stylesheet", "icon", "preload", "preconnect", "modulepreload"}  # kinds of <link> that a browser fetches


class Page(HTMLParser):
    """The places of a page, where its links lead, and what a browser fetches for it."""

    def __init__(self, text: str):
        super().__init__()
        self.places: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {k: v or "" for k, v in attrs}
        self.places |= {found[k] for k in ("id", "name") if k in found}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        address = found.get(FETCHED.get(tag, ""))
        if address and (tag != "link" or SHOWN & set(found.get("rel", "").split())):
            self.fetched.append(address)


def problems(folder: Path) -> list[str]:
    """What is wrong with the pages of a folder, one line for each."""
    pages = {path.resolve(): Page(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.html"))}
    found = [] if pages else [f"{folder}: no page"]
    for path, page in pages.items():
        where = path.relative_to(folder.resolve())
        for address in page.fetched:
            if urlsplit(address).netloc:
                found.append(f"{where}: fetches {address}")
        for address in {*page.links, *page.fetched}:
            problem = _broken(path, address, pages, folder.resolve())
            if problem:
                found.append(f"{where}: {address}: {problem}")
    return found


def _broken(path: Path, address: str, pages: dict[Path, Page], root: Path) -> str:
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        return ""
    base = root if parts.path.startswith("/") else path.parent
    target = (base / unquote(parts.path).lstrip("/")).resolve() if parts.path else path
    if target.is_dir():
        target /= "index.html"
    if not target.exists():
        return "no such file"
    place = unquote(parts.fragment)
    if place and target in pages and place not in pages[target].places and not place.startswith("__"):
        return "no such place"
    return ""


if __name__ == "__main__":
    lines = problems(Path(sys.argv[1]))
    print("\n".join([*lines, f"{len(lines)} problems"]))
    sys.exit(bool(lines))
