"""Programs and pickles that name dm-haiku load with Tenure once the import hook is on."""

import pathlib
import subprocess
import sys

import pytest

import tenure
from tenure import haiku as hk

PROGRAM = """
import pickle, sys
import tenure.haiku
tenure.haiku.install()
import haiku as hk
import haiku.experimental.jaxpr_info
from haiku import nets
from haiku._src import base, data_structures
from haiku._src.nets.resnet import BlockGroup
from haiku._src.typing import PRNGKey, Initializer
import haiku._src.filtering as filtering
import jax, jax.numpy as jnp

assert hk is tenure.haiku and nets is tenure.haiku.nets and BlockGroup is hk.nets.ResNet.BlockGroup
assert PRNGKey is jax.Array and filtering.map is hk.data_structures.map and base.get_parameter is hk.get_parameter
assert haiku.experimental.jaxpr_info is tenure.haiku.experimental.jaxpr_info if (haiku := hk) else None
net = hk.transform(lambda x: hk.nets.MLP([4, 3])(x))
params, init, policy, classes, state = pickle.loads(open(sys.argv[1], "rb").read())
assert classes == [BlockGroup, hk.BatchNorm, hk.data_structures.to_immutable_dict({}).__class__], classes
assert type(state) is hk.LSTMState and type(init) is hk.initializers.VarianceScaling and init.scale == 2.0
print(jax.jit(net.apply)(hk.data_structures.to_mutable_dict(params), None, jnp.ones((2, 5))).tolist())
try:
    base.current_module_state
except AttributeError as error:
    assert "private" in str(error)
else:
    raise SystemExit("a private name was found")
try:
    import haiku.engine
except ModuleNotFoundError:
    pass
else:
    raise SystemExit("a module that dm-haiku lacks was found")
"""

WRITER = """
import pickle, sys
import haiku as hk, jax, jax.numpy as jnp
net = hk.transform(lambda x: hk.nets.MLP([4, 3])(x))
params = net.init(jax.random.PRNGKey(0), jnp.ones((2, 5)))
flat = hk.data_structures.to_immutable_dict(params)
classes = [hk.nets.ResNet.BlockGroup, hk.BatchNorm, type(flat)]
kept = flat, hk.initializers.VarianceScaling(2.0), hk.PRNGSequence, classes, hk.LSTMState(1, 2)
open(sys.argv[1], "wb").write(pickle.dumps(kept))
print(net.apply(params, None, jnp.ones((2, 5))).tolist())
"""


def run(code, *arguments):
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_program_and_a_pickle_of_dm_haiku_load(tmp_path: pathlib.Path) -> None:
    file = str(tmp_path / "params.pickle")
    assert run(WRITER, file) == run(PROGRAM, file)


def test_it_comes_too_late_once_dm_haiku_is_there() -> None:
    import haiku  # noqa: F401

    with pytest.raises(tenure.TenureError, match="too late"):
        hk.install()


def test_uninstalling_is_the_way_back() -> None:
    code = "import tenure.haiku as t; t.install(); t.install(); import haiku, haiku._src.base; t.uninstall(); "
    assert run(code + "import haiku; print(haiku is t, hasattr(t, '_src'), haiku.Linear is t.Linear)") == (
        "False False False\n"
    )
