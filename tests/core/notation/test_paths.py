"""Addresses and globs."""

import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenure.core.errors import PathSyntaxError
from tenure.core.notation import paths

NAMES = st.sampled_from(["a", "b", "ab", "w", "~", "~enc", "layer_0"])
PATHS = st.lists(NAMES, min_size=1, max_size=5).map("/".join)
GLOBS = st.lists(st.sampled_from(["a", "b", "w", "*", "**", "a*", "*b", "?", "l*_?", "~"]), min_size=1, max_size=5).map(
    "/".join
)


@pytest.mark.parametrize("path", ["w", "embed/w", "a/~/b/w", "~/w", "ä/ö", "layer.0/w:0", "a-b/c", "layer_0/w"])
def test_a_path(path):
    assert paths.check(path) == path
    module, name = paths.split(path)
    assert path in (paths.join(module, name), name)


@pytest.mark.parametrize(
    "path",
    ["", "/", "a/", "/a", "a//b", "a b", " a", "a\n", "a|b", "a@b", "a(b)", "a[0]", "a,b", "a'", 'a"', "a*", "a?", "a\0", "a\x7f", "\ud800", "a\u2003b"],
    ids=itertools.count(),
)  # fmt: skip
def test_not_a_path(path):
    with pytest.raises(PathSyntaxError) as caught:
        paths.check(path)
    assert caught.value.ways


@pytest.mark.parametrize("path", [None, 3, b"a", ["a"], ("a", "b"), {}])
def test_not_a_string(path):
    with pytest.raises(PathSyntaxError):
        paths.check(path)
    with pytest.raises(PathSyntaxError):
        paths.matches(path, "a")


def test_outwards_goes_from_siblings_to_the_root():
    assert list(paths.outwards("w", "a/~/b/c")) == ["a/b/w", "a/w", "w"]
    assert list(paths.outwards("x/w", "")) == ["x/w"]


def slow_match(pattern, path):
    """What a glob means, segment by segment: the definition."""
    if not pattern:
        return not path
    if pattern[0] == "**":
        if len(pattern) == 1:
            return bool(path)
        return any(slow_match(pattern[1:], path[i:]) for i in range(len(path) + 1))
    one = "".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in pattern[0])
    return bool(path) and re.fullmatch(one, path[0]) is not None and slow_match(pattern[1:], path[1:])


@settings(max_examples=400, deadline=None)
@given(GLOBS, PATHS)
def test_globs_mean_what_their_definition_says(pattern, path):
    expected = any(slow_match(pattern.split("/"), p.split("/")) for p in (path, paths.plain(path)) if p)
    assert paths.matches(pattern, path) == expected, (pattern, path)


@pytest.mark.parametrize("pattern", ["a**", "**w", "a/b**/c", "***"])
def test_two_stars_stand_alone(pattern):
    with pytest.raises(PathSyntaxError, match="stands alone"):
        paths.matches(pattern, "a/w")


def test_a_glob_cannot_take_long():
    """Neither `*` nor `**` is tried again: no pattern makes matching exponential."""
    path = "a/" * 500 + "a" * 500
    assert not paths.matches("**/a/" * 60 + "b", path)
    assert not paths.matches("**/" + "*a" * 60 + "b", path)


def test_select_keeps_the_order():
    assert paths.select("**/w", ["b/w", "a/b", "a/w", "w"]) == ["b/w", "a/w", "w"]


@given(PATHS)
def test_a_plain_path_has_no_method_segments_and_is_its_own_plain_path(path):
    plain = paths.plain(path)
    assert paths.plain(plain) == plain
    assert not any(segment.startswith("~") for segment in plain.split("/"))
