"""Padding of convolutions, next to dm-haiku's."""

import haiku
import pytest

import tenure.haiku as hk


@pytest.mark.parametrize("name", ["valid", "same", "full", "causal", "reverse_causal"])
@pytest.mark.parametrize("size", [1, 2, 5])
def test_functions(name, size):
    assert getattr(hk.pad, name)(size) == getattr(haiku.pad, name)(size)


def test_forms():
    for padding in (hk.pad.same, [hk.pad.causal, hk.pad.full]):
        theirs = [getattr(haiku.pad, f.__name__) for f in padding] if isinstance(padding, list) else haiku.pad.same
        assert list(hk.pad.create(padding, (3, 5), (1, 2), 2)) == list(haiku.pad.create(theirs, (3, 5), (1, 2), 2))
    for pairs in ((1, 2), [(0, 1), (2, 3)]):
        assert list(hk.pad.create_from_tuple(pairs, 2)) == list(haiku.pad.create_from_tuple(pairs, 2))
        assert hk.pad.is_padfn(pairs) == haiku.pad.is_padfn(pairs)
