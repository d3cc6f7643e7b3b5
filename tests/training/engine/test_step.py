"""One step of training, also in mixed precision."""

import numpy as np
import pytest

from tenure.training.engine import tasks
from tenure.training.engine.log import Log
from tenure.training.engine.training import Training
from tenure.training.errors import ConfigError
from tests.training.engine.small import small, values

LOWERED = {
    "norm": {"class": "batch_norm", "from": "data"},
    "lstm": {"class": "rec", "unit": "nativelstm2", "n_out": 4, "from": "norm", "dropout": 0.1},
    "output": {"class": "softmax", "loss": "ce", "from": "lstm", "L2": 0.01},
}


def test_mixed_precision_computes_in_another_type_and_keeps_float32(tmp_path):
    found = {}
    for mixed in (False, True, "float16"):
        given = small(tmp_path / str(mixed), network=LOWERED, mixed_precision=mixed, num_epochs=1)
        tasks.run(given, Log(0))
        training = Training(given, Log(0))
        training.start()
        found[mixed] = training.rates.epochs[1].scores["train_score"]
        assert {str(v.dtype) for v in values(tmp_path / str(mixed), 1).values() if hasattr(v, "dtype")} == {"float32"}
        if mixed == "float16":
            scale = float(training.state.optimizer[-1]["scale"])  # saved with the optimizer; it starts at 2**15
            assert 2 <= scale <= 2**15 and np.log2(scale) % 1 == 0
    assert len(set(found.values())) == 3
    for mixed in (True, "float16"):
        assert found[mixed] == pytest.approx(found[False], rel=0.05)
    with pytest.raises(ConfigError, match="mixed_precision is 'float8'"):
        tasks.run(small(tmp_path / "x", mixed_precision="float8"), Log(0))
