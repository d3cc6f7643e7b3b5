"""One slot as the ledger tells it: its counts, and whether a row from a file makes sense."""

import dataclasses

import pytest

from tenure.core.ledger.row import Row

ROW = Row("a/w", "owned", "params", (2, 3), "float32", ("a/w",), ("a/w",))
KNOWN = {"a/w", "b/w"}


def test_counts_and_bytes():
    assert (ROW.count, ROW.bytes) == (6, 24)
    stacked = dataclasses.replace(
        ROW, kind="borrowed", chain=("a/w", "b/w"), owners=("b/w",), layers=4, dtype="bfloat16"
    )
    assert (stacked.count, stacked.bytes) == (24, 48)
    assert dataclasses.replace(ROW, dtype="key<fry>", shape=()).bytes == 8
    assert dataclasses.replace(ROW, dtype="tree").bytes == 0
    leaf = dataclasses.replace(ROW, path="a/w.lora.up", part_of="a/w", asker="lora(2)")
    assert (leaf.stage_kind, ROW.stage_kind) == ("lora", "")
    assert ROW.party("owner").path == "a/w" and "(2, 3) float32" in str(ROW.party("owner"))


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "lent"},
        {"collection": "x"},
        {"shape": (-1,)},
        {"shape": (2.0,)},
        {"owners": ()},
        {"owners": ("c/w",)},
        {"chain": ("b/w",)},
        {"chain": ("a/w", "b/w")},  # of an owned slot
        {"layers": -1},
        {"axes": (1,)},
        {"views": "transpose"},
        {"frozen": 1},
        {"part_of": "c/w"},
    ],
    ids=str,
)
def test_a_row_that_makes_no_sense_is_not_valid(change):
    assert ROW.is_valid(KNOWN)
    assert not dataclasses.replace(ROW, **change).is_valid(KNOWN)
