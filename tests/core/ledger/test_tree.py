"""Siblings alike, such as the layers of a Transformer, are one item."""

import re

import pytest

import tenure as tn
from tests.core.ledger.ledgers import CORES, Embed, Linear, ledger_of, of_all


@of_all
@pytest.mark.parametrize("width", [60, 120])
def test_a_folded_table_fits_and_counts_the_same(ledger, width):
    lines = ledger.table(width).splitlines()
    assert max(map(len, lines)) <= width
    assert (
        lines[lines.index("") + 1 :]
        == ledger.table(width, fold=False).splitlines()[-len(lines) + lines.index("") + 1 :]
    )


def test_layers_alike_are_one_line_for_each_of_their_slots():
    lines = CORES.table(140).splitlines()
    assert lines.index("") - 2 == 10 and len(CORES.rows) == 245
    folded = next(line for line in lines if "block_0…47/b/b" in line)
    assert "48 × (4)" in folded and " 192 " in folded
    assert next(line for line in lines if "block_0…47/a/w" in line).lstrip().startswith("↳")
    assert "← block_7/b/w" in next(line for line in lines if "head/w" in line), "a lender that is not the line above"
    assert next(line for line in lines if "centre/mean" in line).split()[-2] != ""
    assert str(CORES) == CORES.table()


def test_what_differs_is_not_folded():
    def f(x):
        one, two = Embed(4, name="one")(x % 4), Embed(4, name="two")(x % 4)
        for i in range(8):
            Linear(4, name=f"layer_{i}", share={"w": "one/w" if i % 2 else "two/w"})(one + two)
        return x

    lines = ledger_of(f).table(120).splitlines()
    layers = [line for line in lines[: lines.index("")] if "layer_" in line]
    assert len(layers) == 2 * 2, "four of each kind, w and b"
    numbers = [int(re.search(r"(\d) ×", line)[1]) for line in layers]
    assert numbers == [4] * 4


def test_layers_that_each_borrow_from_the_one_before_are_alike():
    def f(x):
        y = Embed(4, name="embed")(x % 4)
        for i in range(9):
            y = Linear(4, name=f"layer_{i}", share={"w": f"layer_{i - 1}/w"} if i else {})(y)
        return y

    lines = ledger_of(f).table(120).splitlines()
    assert [line.split()[1] for line in lines if "↳" in line] == ["layer_1…8/w"]


def test_a_depth_gives_a_line_for_each_module():
    lines = CORES.table(120, depth=1).splitlines()
    names = [line.split()[0] for line in lines[2 : lines.index("")]]
    assert names == ["embed", "shared", "block_0…47", "head"]
    assert "48 × 5 slots" in next(line for line in lines if "block" in line)
    counts = [int(re.search(r"([\d,]+)(?:  \d+ shared)?$", line.rstrip())[1].replace(",", "")) for line in lines[2:6]]
    assert sum(counts) == CORES.count()
    for depth in (0, -1, 2.5, "1", True):
        with pytest.raises(tn.TenureError, match="depth"):
            CORES.table(depth=depth)
