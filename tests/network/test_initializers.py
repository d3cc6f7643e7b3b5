import numpy as np
import pytest

from tenure import initializers as init
from tenure.network.errors import OptionError
from tenure.network.initializers import initializer


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (0.5, init.Constant(0.5)),
        ("0.5", init.Constant(0.5)),
        ("zeros", init.Constant(0)),
        ("glorot_uniform", init.VarianceScaling(1.0, "fan_avg", "uniform")),
        ("he_normal", init.VarianceScaling(2.0, "fan_in", "truncated_normal")),
        ("RandomNormal", init.RandomNormal(1.0, 0.0)),
        ("random_normal_initializer(mean=1.0, stddev=0.1)", init.RandomNormal(0.1, 1.0)),
        ("tf.random_uniform_initializer(-0.1, 0.1)", init.RandomUniform(-0.1, 0.1)),
        ("truncated_normal(stddev=1/2)", init.TruncatedNormal(0.5, 0.0)),
        ("constant(sqrt(4) - 1)", init.Constant(1.0)),
        ({"class": "RandomUniform", "minval": 0, "maxval": 1}, init.RandomUniform(0, 1)),
    ],
    ids=str,
)
def test_written(written, shown):
    assert repr(initializer(written)) == repr(shown)


def test_normal_of_tensorflow_1_is_cut_off():
    made = [initializer(f"variance_scaling(distribution='{d}')") for d in ("normal", "untruncated_normal")]
    assert [m.distribution for m in made] == ["truncated_normal", "normal"]


def test_arrays_and_functions():
    value = np.arange(3.0)
    np.testing.assert_array_equal(initializer(value)((3,), np.float32), value)
    assert initializer(len) is len


@pytest.mark.parametrize(
    "written", [None, True, [1], "2 +", "zeros(3, 4, 5)", "random_normal(width=2)", "1/0", {"stddev": 1.0}], ids=str
)
def test_describes_no_values(written):
    with pytest.raises(OptionError, match="does not describe initial values"):
        initializer(written)


def test_a_misspelled_name_is_answered_with_the_nearest():
    with pytest.raises(OptionError, match="glorot_uniform"):
        initializer("glorot_unifrom")
