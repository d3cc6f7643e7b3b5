"""A request that makes no sense is named, with the line that made it."""

import jax
import jax.numpy as jnp
import pytest

import tenure as tn
from tenure import nn

KEY = jax.random.key(0)
X = jnp.ones((2, 4))
REQUESTS = {
    "an initialiser that is a number": (lambda: tn.get_parameter("w", (2,), init=3), "init"),
    "an initialiser that is a string": (lambda: tn.get_parameter("w", (2,), init="zeros"), "init"),
    "of a layer": (lambda: nn.Linear(3, w_init=3)(X), "init"),
    "of a state": (lambda: tn.get_state("w", (2,), init=3), "init"),
    "with one argument": (lambda: tn.get_parameter("w", (2,), init=lambda shape: 1), r"init\(shape, dtype\)"),
    "that makes a string": (lambda: tn.get_parameter("w", (2,), init=lambda shape, dtype: "x"), "made"),
    "that makes None": (lambda: tn.get_parameter("w", (2,), init=lambda shape, dtype: None), "made"),
    "a dtype": (lambda: tn.get_parameter("w", (2,), "foo", init=jnp.zeros), "foo"),
    "a dtype that is a number": (lambda: tn.get_parameter("w", (2,), 3, init=jnp.zeros), "dtype"),
    "a dtype of strings": (lambda: tn.get_parameter("w", (2,), "U3", init=jnp.zeros), "dtype"),
    "a state's dtype": (lambda: tn.get_state("w", (2,), "foo", init=jnp.zeros), "foo"),
    "a state's shape": (lambda: tn.get_state("w", "ab", init=jnp.zeros), "ab"),
    "axes": (lambda: tn.get_parameter("w", (2,), init=jnp.zeros, axes=3), "axes"),
    "a name": (lambda: tn.get_parameter(3, (2,), init=jnp.zeros), "name"),
    "a state's name": (lambda: tn.get_state(3, (2,), init=jnp.zeros), "name"),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_that_makes_no_sense_is_named(name):
    ask, says = REQUESTS[name]
    with pytest.raises(tn.TenureError, match=says) as error:
        tn.transform_with_state(ask).init(KEY)
    assert "test_slot.py" in str(error.value)
