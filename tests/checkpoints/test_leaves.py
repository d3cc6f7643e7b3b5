"""Leaves of every dtype and kind come back as they were."""

import subprocess
import sys

import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

import tenure as tn
from tenure.checkpoints import errors
from tests.checkpoints.models import KEY, equal

DTYPES = ["bool", "int4", "uint4", "int8", "uint16", "int32", "float16", "bfloat16", "float32", "complex64"]
DTYPES += ["float8_e4m3fn", "float8_e5m2"]


def test_all_dtypes_and_shapes(tmp_path):
    rng = np.random.default_rng(0)
    tree = {
        f"{dtype}{i}": jnp.asarray(rng.integers(0, 2, shape)).astype(getattr(jnp, dtype))
        for dtype in DTYPES
        for i, shape in enumerate([(), (3,), (2, 0), (2, 3)])
    }
    tree |= {
        "numpy": np.arange(3, dtype=">i8"),
        "wide": np.array([1.5], np.float64),
        "int": 3,
        "float": 0.1,
        "flag": True,
    }
    tree |= {"scalar": np.float32(2), "bytes": np.zeros((2, 2), ml_dtypes.bfloat16)}
    model = tn.transform(lambda x: tn.nn.Linear(2)(x))
    plan, params = model.plan(jnp.ones(3)), model.init(KEY, jnp.ones(3))
    path = tn.save(tmp_path / "a", plan, params, opt_state=tree)
    found = tn.restore(path, plan, opt_state=tree).opt_state
    tree["numpy"], tree["scalar"] = tree["numpy"].astype("i8"), np.array(2, np.float32)
    assert equal(found, tree)


def test_64_bits_are_not_rounded_in_silence(model, tmp_path):
    code = f"""
import jax; jax.config.update("jax_enable_x64", True)
import jax.numpy as jnp, tenure as tn
model = tn.transform(lambda x: tn.nn.Linear(2)(x))
x = jnp.ones(3, jnp.float64)
tn.save({str(tmp_path / "wide")!r}, model.plan(x), model.init(jax.random.key(0), x))
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(errors.ContentError, match="jax_enable_x64"):
        tn.restore(tmp_path / "wide")
