"""JAX's transformations: whose line an error names."""

from typing import Any

import jax
import pytest

import tenure
import tenure.haiku as hk

KEY = jax.random.PRNGKey(0)
X = jax.random.normal(KEY, (2, 4))


def test_the_line_of_a_tracer_error_in_eval_shape_is_the_programs() -> None:
    def looks_at_values(x: Any) -> Any:
        return float(hk.Linear(3)(x).sum())

    for front, line in ((hk, "looks_at_values at"), (tenure, "looks_at_values at")):
        with pytest.raises(jax.errors.ConcretizationTypeError) as error:
            front.transform(lambda x, front=front: front.eval_shape(looks_at_values, x)).init(KEY, X)
        assert f"{line} {__file__}" in str(error.value), str(error.value)
