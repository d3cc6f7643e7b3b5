"""Checkpoints that earlier versions wrote are read by this one, bit for bit."""

import pytest

import tenure as tn
from tests.checkpoints.golden import HERE, cases
from tests.checkpoints.models import equal

FOLDERS = sorted(HERE.glob("format_*/*"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda f: f"{f.parent.name}-{f.name}")
def test_a_golden_checkpoint_is_read(folder):
    expected = dict(cases())[folder.name]
    found = tn.restore(folder, expected["plan"], opt_state=expected.get("opt_state"))
    assert equal(found.params, expected["params"])
    assert equal(found.state, expected.get("state", {}))
    assert equal(found.opt_state, expected.get("opt_state"))
    assert equal(found.key, expected.get("key"))
    assert (found.step, found.metadata) == (expected.get("step"), expected.get("metadata"))
    assert not found.report


def test_there_are_golden_checkpoints():
    assert len(FOLDERS) >= 3
