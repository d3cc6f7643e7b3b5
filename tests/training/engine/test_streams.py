"""Streams of data, and what a network says of them."""

import numpy as np
import pytest

from tenure.training.errors import DataSetError
from tests.training.engine.small import run


def test_a_label_that_the_network_does_not_have_is_told_with_its_sequence(tmp_path):
    data = [{"data": np.zeros((3, 9), "float32"), "classes": np.array(c, "int32")} for c in ([0, 1, 1], [0, 5, 1])]
    train = {"class": "StaticDataset", "data": data, "output_dim": {"data": [9, 2], "classes": [2, 1]}}
    with pytest.raises(DataSetError, match="'seq-1' has the label 5 in the stream 'classes'.* 2 labels"):
        run(tmp_path, train=train, batching="default")
