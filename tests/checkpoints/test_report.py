"""What a report says of missing, unexpected, reshaped and cast leaves."""

import jax.numpy as jnp
import pytest

import tenure as tn
from tenure.checkpoints import errors
from tests.checkpoints.models import equal


def test_without_strict_it_says_what_is_missing_unexpected_reshaped_of_another_dtype(old):
    _, plan, params = old
    given = {
        "source": {"embeddings": params["source"]["embeddings"].astype(jnp.bfloat16)},
        "mix": {"w": jnp.ones((5, 4))},
        "output": {"b": params["output"]["b"], "c": jnp.ones(2)},
        "elsewhere": {"w": jnp.ones(3)},
    }
    with pytest.raises(errors.ContentError, match=r"'mix/w' is \(5, 4\) in the file, and \(4, 4\) in the model"):
        tn.transfer(plan, given)
    moved = tn.transfer(plan, given, params=params, strict=False)
    assert {e.kind: list(moved.report.of(e.kind)) for e in moved.report.entries} == {
        "dtype": ["source/embeddings"],
        "reshaped": ["mix/w"],
        "missing": ["mix/b"],
        "unexpected": ["output/c", "elsewhere/w"],
    }
    assert moved.params["source"]["embeddings"].dtype == jnp.float32
    assert equal(moved.params["mix"], params["mix"])
    del given["mix"]
    with pytest.raises(errors.ContentError) as caught:
        tn.transfer(plan, given, params=params)
    for path in ("mix/w", "mix/b", "output/c", "elsewhere/w"):
        assert path in str(caught.value)
    with pytest.raises(errors.ContentError, match="1 of another dtype"):
        tn.transfer(plan, {**params, "source": given["source"]})
