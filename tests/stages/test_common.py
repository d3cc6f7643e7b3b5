import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tenure.core.notation.stage import Irreversible, Misfit, Spec
from tenure.stages import _common as common


@pytest.mark.parametrize(
    ("converter", "good", "bad"),
    [
        (common.probability, (0, 0.5), (1, -0.1)),
        (common.positive, (0.1, 3), (0, -1)),
        (common.not_negative, (0, 2.5), (-0.1,)),
        (common.count, (1, 7), (0, -1)),
        (common.one_of("a", "b"), ("a", "b"), ("c",)),
    ],
    ids=["probability", "positive", "not_negative", "count", "one_of"],
)
def test_converters(converter, good, bad):
    assert [converter(value) for value in good] == list(good)
    for value in bad:
        with pytest.raises(ValueError):
            converter(value)


def test_weights_that_a_stage_does_not_fit():
    common.floating(Spec((2, 3), jnp.dtype("bfloat16")), least=2)
    with pytest.raises(Misfit, match="floating-point numbers, not int32"):
        common.floating(Spec((2, 3), jnp.dtype("int32")))
    with pytest.raises(Misfit, match="at least 2 axes"):
        common.floating(Spec((3,), jnp.dtype("float32")), least=2)


def test_axes():
    spec = Spec((2, 3, 4), jnp.dtype("float32"))
    assert [common.axis_of(axis, spec) for axis in (0, -1, -3)] == [0, 2, 0]
    for axis in (3, -4):
        with pytest.raises(Misfit, match=f"no axis {axis}"):
            common.axis_of(axis, spec)
    assert common.all_but(-1, 3) == (0, 1) and common.all_but(0, 3) == (1, 2)
    assert common.matrix(jnp.zeros((2, 3, 4))).shape == (6, 4)


def test_a_way_back_that_does_not_lead_back():
    value = jnp.asarray([1.0, 100.0])
    common.check_close(value, value + 1e-3, "rounded")  # relative to the largest
    with pytest.raises(Irreversible, match="rounded: .* differs by 0.1"):
        common.check_close(value, value + 0.1, "rounded")
    with pytest.raises(Irreversible):
        common.check_close(value, value * np.nan, "rounded")
    jax.eval_shape(lambda x: common.check_close(x, x + 1, "traced"), value)
