"""An open checkpoint reads the leaves that it is asked for, and no others."""

import os

import pytest

import tenure as tn
from tenure.checkpoints import errors


def test_a_path_without_checkpoint(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(errors.CheckpointError):
            tn.restore(path)


@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="peaks of memory are read as Linux tells them")
def test_restoring_one_tensor_reads_that_tensor_only(tmp_path):
    from benchmarks.checkpoints import model, one_tensor

    plan, params = model(1 / 8)
    tn.save(tmp_path / "a", plan, params)
    each = 128 / 64
    assert each <= one_tensor(tmp_path / "a") < 16 * each  # the file as mapped, the copy, and what Python needs
