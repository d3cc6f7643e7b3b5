"""Rearranging by a pattern, against its definition and against einops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.notation.arrays import quick
from tests.core.views_strategies import SHAPES, einops


def oracle(pattern, x, **sizes):
    """einops.rearrange in numpy, one axis at a time: every element goes where the names say."""
    left, right = (side.replace("(", " ( ").replace(")", " ) ").split() for side in pattern.split("->"))

    def groups(tokens):
        found, inside = [], None
        for token in tokens:
            if token == "(":
                inside = []
            elif token == ")":
                found.append(inside)
                inside = None
            elif inside is None:
                found.append([token])
            else:
                inside.append(token)
        return found

    left, right, sizes = groups(left), groups(right), dict(sizes)
    for size, group in zip(x.shape, left):
        free = [n for n in group if n not in sizes and n != "1"]
        for name in free:
            sizes[name] = size // int(np.prod([sizes[n] for n in group if n != name and n != "1"]))
    shape = [int(np.prod([sizes.get(n, 1) for n in g])) for g in right]
    out = np.empty(shape, x.dtype)
    for index in np.ndindex(*sizes.values()):
        at = dict(zip(sizes, index))

        def flat(group):
            position = 0
            for name in group:
                position = position * sizes.get(name, 1) + at.get(name, 0)
            return position

        out[tuple(map(flat, right))] = x[tuple(map(flat, left))]
    return out


@quick
@given(SHAPES.flatmap(lambda shape: st.tuples(st.just(shape), einops(shape))))
def test_einops_against_the_definition(shaped):
    shape, view = shaped
    sizes = {k: v for k, v in view.arguments.items() if k != "pattern"}
    x = np.arange(np.prod(shape)).reshape(shape)
    np.testing.assert_array_equal(view(x), oracle(view.arguments["pattern"], x, **sizes))


@quick
@given(SHAPES.flatmap(lambda shape: st.tuples(st.just(shape), einops(shape))))
def test_einops_against_einops(shaped):
    rearrange = pytest.importorskip("einops").rearrange
    shape, view = shaped
    sizes = {k: v for k, v in view.arguments.items() if k != "pattern"}
    x = np.arange(np.prod(shape)).reshape(shape)
    np.testing.assert_array_equal(view(x), rearrange(x, view.arguments["pattern"], **sizes))
