"""All that a file says of one owner is compared."""

import jax.numpy as jnp
import pytest

import tenure as tn
from tenure.core.errors import TieValueError
from tests.checkpoints.two_weights import EMBED, X


def test_ties_through_other_views_are_compared_by_what_they_give(tmp_path):
    """R31: file and code tie the same slots, and differently."""

    def square(x):
        a = tn.get_parameter("a", (3, 3), init=jnp.zeros)
        return a.sum() + tn.get_parameter("b", (3, 3), init=jnp.zeros).sum() + x

    def tied(view):
        return tn.transform(square, ties={"~/b": f"~/a{view}"}).plan(X)

    tn.save(tmp_path / "a", tied(" | transpose"), {"~": {"a": EMBED[:3]}})
    with pytest.raises(TieValueError, match="transpose"):
        tn.restore(tmp_path / "a", tied(""))
    symmetric = EMBED[:3] + EMBED[:3].T
    tn.save(tmp_path / "b", tied(" | transpose"), {"~": {"a": symmetric}})
    assert list(tn.restore(tmp_path / "b", tied("")).report.of("checked")) == ["~/b"]
