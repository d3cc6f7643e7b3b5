"""One file of tensors: a flipped bit is found where it is."""

import numpy as np
import pytest

import tenure as tn
from tenure.checkpoints import errors
from tests.checkpoints.models import equal


def test_a_flipped_bit_is_found_where_it_is_and_only_when_it_is_read(model, tmp_path):
    path = tn.save(tmp_path / "a", model.plan, model.params)
    file = path / "params.safetensors"
    data = bytearray(file.read_bytes())
    at = data.index(np.asarray(model.params["mix"]["w"]).tobytes())
    data[at + 5] ^= 1
    file.write_bytes(data)
    with pytest.raises(errors.DamagedError, match="mix/w"):
        tn.restore(path, model.plan)
    tn.restore(path, model.plan, only="source/*")
    assert not equal(tn.restore(path, model.plan, verify=False).params, model.params)
    file.write_bytes(data[:-1])
    with pytest.raises(errors.DamagedError, match=r"params\.safetensors"):
        tn.restore(path, model.plan, verify=False)
