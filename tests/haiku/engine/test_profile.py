"""The Haiku profile: a second request for one path is an error, with a switch back to what Haiku does."""

from typing import Any

import jax.numpy as jnp
import pytest

import tenure.haiku as hk
from tenure.core.errors import RequestConflictError


class Twice(hk.Module):
    def __call__(self) -> Any:
        first = hk.get_parameter("w", [3], init=jnp.zeros)
        return first, hk.get_parameter("w", [3], init=jnp.ones)


def test_a_second_request_with_another_initialiser_is_an_error() -> None:
    model = hk.transform(lambda: Twice()())
    with pytest.raises(RequestConflictError, match=r"asked for twice[\s\S]*first[\s\S]*test_profile.py:[\s\S]*second"):
        model.init(None)


def test_a_second_request_is_ignored_as_in_haiku() -> None:
    with hk.ownership.context(second_request="haiku"):
        params = hk.transform(lambda: Twice()()).init(None)
    assert params["twice"]["w"].tolist() == [0, 0, 0]
