"""Leaves onto the devices that shardings say."""

import subprocess
import sys

import jax
import pytest

import tenure as tn
from tenure.core.errors import RuleError


def test_onto_a_sharding(model, tmp_path):
    path = tn.save(tmp_path / "a", model.plan, model.params, opt_state=model.opt_state)
    code = f"""
import jax; jax.config.update("jax_num_cpu_devices", 4)
import tenure as tn, numpy as np
from jax.sharding import NamedSharding, PartitionSpec as P, AxisType
from tests.checkpoints.models import trained, equal
model = trained()
mesh = jax.make_mesh((4,), ("x",), axis_types=(AxisType.Auto,))
found = tn.restore({str(path)!r}, model.plan, shardings=model.plan.ledger.shardings(mesh, {{"mix/w": P("x")}}))
assert found.params["mix"]["w"].sharding.spec == P("x")
assert found.params["mix"]["w"].addressable_shards[1].data.shape == (1, 4)
template = jax.tree.map(lambda a: jax.ShapeDtypeStruct(np.shape(a), a.dtype, sharding=NamedSharding(mesh, P())),
                        model.opt_state)
again = tn.restore({str(path)!r}, model.plan, shardings=NamedSharding(mesh, P()), opt_state=template)
assert len(again.opt_state[2].inner_state.trace["mix"]["w"].sharding.device_set) == 4
assert equal((found.params, again.params, again.opt_state), (model.params, model.params, model.opt_state))
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_sharding_that_does_not_suit_is_told(model, tmp_path):
    path = tn.save(tmp_path / "a", model.plan, model.params, opt_state=model.opt_state)
    spec = jax.sharding.PartitionSpec
    mesh = jax.make_mesh((1, 1), ("x", "y"), axis_types=(jax.sharding.AxisType.Auto,) * 2)
    for wrong in (jax.sharding.NamedSharding(mesh, spec("x", "y")), spec("x")):
        shardings = jax.tree.map(lambda _, wrong=wrong: wrong, model.params)
        with pytest.raises(RuleError, match=r"'.+/b' \(\d+,\) can not be spread|PartitionSpec needs a mesh"):
            tn.restore(path, model.plan, shardings=shardings)
