"""Which loss stands behind which name, and which an output cannot have."""

import pytest

from tenure import TenureError
from tests.network.layers.running import run


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        ("bleu", "labels"),
        ("search_score", "search"),
        ("expected_loss", "search"),
        ("sprint", "RASR"),
        ("fast_bw", "RASR"),
    ],
)
def test_losses_that_this_output_has_not(loss, words):
    with pytest.raises(TenureError, match=words):
        run({"output": {"class": "softmax", "from": "data", "n_out": 4, "loss": loss, "target": "classes"}})
