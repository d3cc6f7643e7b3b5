"""Addresses: `a/b/w`. Parameters made outside any module live in the module `~`."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator

from tenure.core.errors import PathSyntaxError, brief

_LONGEST = 2000  # characters of a glob
_SEGMENT = re.compile(r"[^\s/|@()\[\],'\"*?\x00-\x1f\x7f\ud800-\udfff]+")


def join(module: str, name: str) -> str:
    """The slot `name` of `module`.

    >>> join("lm/embed", "w"), join("", "w")
    ('lm/embed/w', '~/w')
    """
    return f"{module or '~'}/{name}"


def split(path: str) -> tuple[str, str]:
    """`a/b/w` → (`a/b`, `w`): the two keys of `params`.

    >>> split("lm/embed/w")
    ('lm/embed', 'w')
    """
    module, _, name = path.rpartition("/")
    return module or "~", name


@functools.lru_cache(maxsize=65536)
def plain(path: str) -> str:
    """The path without its method segments (`~`, `~encode`): what an address may leave out.

    >>> plain("lm/~/embed/w"), plain("~/w")
    ('lm/embed/w', 'w')
    """
    if "~" not in path:
        return path
    return "/".join(segment for segment in path.split("/") if not segment.startswith("~"))


def check(path: str, what: str = "path") -> str:
    """`path`, if it is one.

    Raises:
      PathSyntaxError: an empty segment, white space or a character that addresses use otherwise.
    """
    if not isinstance(path, str):
        raise PathSyntaxError(
            f"a {what} is a string, not {type(path).__name__}", ways=["write it like 'encoder/layer_0/w'"]
        )
    for segment in path.split("/"):
        if not _SEGMENT.fullmatch(segment):
            odd = f"{brief(segment, 30)} has a character that no name has"
            why = odd if segment else "there is nothing between two '/'" if path else "it is empty"
            raise PathSyntaxError(
                f"{brief(path)} is not a {what}: {why}",
                ways=["write it like 'encoder/layer_0/w': names with '/' between them, no white space, no brackets"],
            )
    return path


def check_name(name: str, what: str) -> str:
    """`name`, if it is one segment of a path.

    Raises:
      PathSyntaxError: as in `check`, or there is a '/' in it.
    """
    if "/" in check(name, what):
        raise PathSyntaxError(
            f"{brief(name)} is not a {what}: it has a '/'",
            ways=["use a name such as 'w'", "build a module for the rest"],
        )
    return name


def outwards(name: str, module: str) -> Iterator[str]:
    """Where a relative `name` is looked up for a slot of `module`: among its siblings, then outwards.

    >>> list(outwards("embed/w", "lm/dec/head"))
    ['lm/dec/embed/w', 'lm/embed/w', 'embed/w']
    """
    scope = plain(module).split("/")[:-1]
    while scope:
        yield "/".join([*scope, name])
        scope.pop()
    yield name


@functools.lru_cache(maxsize=4096)
def _glob(pattern: str) -> re.Pattern[str]:
    """As a regular expression whose time is linear in the path for any pattern: no wildcard is tried again."""
    if len(pattern) > _LONGEST:
        raise PathSyntaxError(
            f"{brief(pattern)} is not a glob: it has more than {_LONGEST} characters", ways=["'**/w', 'encoder/**'"]
        )
    runs: list[list[str]] = [[]]
    for segment in pattern.split("/"):
        if segment == "**":
            runs.append([])
        elif "**" in segment:
            raise PathSyntaxError(
                f"{brief(pattern)} is not a glob: '**' stands alone between two '/'",
                ways=["'**/w', 'encoder/**', 'encoder/*/w'"],
            )
        else:
            runs[-1].append(_segment(segment))
    first, *others = ["/".join(run) for run in runs]
    others = [run for i, run in enumerate(others) if run or i == len(others) - 1]  # '**/**' is '**'
    text = first + "/" * bool(first and others)
    for i, run in enumerate(others):
        last = i == len(others) - 1
        text += r".+" if not run else rf"(?:[^/]+/)*{run}" if last else rf"(?>(?:[^/]+/)*?{run}/)"
    return re.compile(text)


def _segment(segment: str) -> str:
    *init, last = [re.escape(piece).replace(r"\?", "[^/]") for piece in segment.split("*")]
    if not init:
        return last
    first, *middle = init
    return first + "".join(f"(?>[^/]*?{piece})" for piece in middle) + "[^/]*" + last


def is_glob(pattern: str) -> bool:
    """Whether `pattern` has a wildcard."""
    return "*" in pattern or "?" in pattern


def matches(pattern: str, path: str) -> bool:
    """Whether the glob matches: `*` and `?` within one segment, `**` any segments; method segments may be left out.

    Raises:
      PathSyntaxError: the pattern is no glob.

    >>> matches("**/w", "lm/~/embed/w"), matches("lm/*/w", "lm/~/embed/w"), matches("*/w", "lm/embed/w")
    (True, True, False)
    """
    if not isinstance(pattern, str):
        raise PathSyntaxError(
            f"a glob is a string, not {type(pattern).__name__}", ways=["'**/w', 'encoder/**', 'embed/w'"]
        )
    regex = _glob(pattern)
    shorter = plain(path)
    return bool(regex.fullmatch(path) or (shorter and regex.fullmatch(shorter)))


def select(pattern: str, paths: Iterable[str]) -> list[str]:
    """The paths that `pattern` matches, in their order."""
    return [path for path in paths if matches(pattern, path)]
