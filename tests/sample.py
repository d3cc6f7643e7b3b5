"""Which cases of a large table are in the fast suite."""

import math
import zlib

import pytest


def sample(cases, one_of, name=str):
    """Parameters of all cases: one of `one_of`, drawn by name, is in the fast suite, and the others are slow.

    Args:
      cases: the entries of a table.
      one_of: how many cases one stands for in the fast suite.
      name: what a case is called, which is its id too.
    """
    cases = list(cases)
    drawn = sorted(cases, key=lambda case: zlib.crc32(name(case).encode()))[: math.ceil(len(cases) / one_of)]
    fast = {name(case) for case in drawn}
    return [pytest.param(c, id=name(c), marks=[] if name(c) in fast else [pytest.mark.slow]) for c in cases]
