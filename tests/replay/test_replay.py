"""RETURNN's recorded networks: same parameters, outputs, losses, gradients and refusals."""

import pytest

from tenure.returnn.replay import check, load
from tests.replay.cases import FOLDER, KNOWN, WHOLE, in_scope

CASES = in_scope()
SHARE, LOOPS, SMALL = (
    32,
    80,
    40_000,
)  # of so many cases without and with loops, and of so few bytes, one is in the fast suite


def params():
    small = [row for row in CASES if row["bytes"] < SMALL]
    quick = [row["id"] for row in small if "rec" not in row["flags"]][::SHARE]
    quick += [row["id"] for row in small if "rec" in row["flags"]][::LOOPS]
    return [pytest.param(row, id=row["id"], marks=[] if row["id"] in quick else [pytest.mark.slow]) for row in CASES]


@pytest.mark.parametrize("row", params())
def test_case(row):
    verdict = check(load(FOLDER / row["file"]))
    if row["id"] in KNOWN:
        assert not verdict.passed, f"passes by now; remove it from KNOWN: {KNOWN[row['id']]}"
        pytest.xfail(KNOWN[row["id"]])
    assert verdict.passed, "\n".join(verdict.problems)


@pytest.mark.skipif(not WHOLE, reason="a share of all recorded cases, of which the archive is a selection")
def test_what_does_not_pass_is_little_and_known():
    assert set(KNOWN) <= {row["id"] for row in CASES}
    assert len(KNOWN) <= 0.03 * len(CASES)
