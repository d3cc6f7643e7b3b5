"""One of several processes that save together: `python -m tests.checkpoints.sharded_worker PORT INDEX COUNT FOLDER TASK`."""

from __future__ import annotations

import sys

import jax

PORT, INDEX, COUNT, FOLDER, TASK = sys.argv[1:]
jax.config.update("jax_num_cpu_devices", 2)
if int(COUNT) > 1:
    jax.distributed.initialize(f"localhost:{PORT}", int(COUNT), int(INDEX))

import numpy as np
import optax
from jax.sharding import AxisType, NamedSharding, PartitionSpec

import tenure as tn
from tests.checkpoints.golden import numbers
from tests.checkpoints.models import TOKENS, translator

mesh = jax.make_mesh((2 * int(COUNT),), ("x",), axis_types=(AxisType.Auto,))
model = tn.transform(translator)
plan = model.plan(TOKENS)
plan_params = numbers(plan.params)
specs = plan.ledger.shardings(mesh, {"mix/w": PartitionSpec("x")})
optimizer = optax.adam(1e-3)


def spread(tree, shardings):
    """The arrays over all processes."""
    return jax.tree.map(
        lambda a, s: jax.make_array_from_callback(a.shape, s, lambda i: np.asarray(a)[i]), tree, shardings
    )


params = spread(plan_params, specs)
everywhere = NamedSharding(mesh, PartitionSpec())
state = spread(
    numbers(jax.eval_shape(optimizer.init, plan_params)),
    jax.tree.map(lambda _: everywhere, optimizer.init(plan_params)),
)
key = jax.random.key(3)


def check(found):
    """Everything is what was saved, shard by shard."""
    for module, entries in plan_params.items():
        for name, array in entries.items():
            got = found.params[module][name]
            for shard in got.addressable_shards:
                assert np.array_equal(shard.data, np.asarray(array)[shard.index]), (module, name)
    assert (found.step, found.metadata) == (5, {"a": 1})
    assert found.ledger == plan.ledger and not found.report
    assert jax.random.key_data(found.key).tolist() == jax.random.key_data(key).tolist()


if TASK == "save":
    everything = dict(opt_state=state, key=key, step=5, metadata={"a": 1})
    tn.save(f"{FOLDER}/run", plan, params, **everything)
    try:
        tn.save(f"{FOLDER}/run", plan, params, **everything)
        raise SystemExit("overwritten")
    except tn.TenureError:
        pass
    tn.save(f"{FOLDER}/run", plan, params, overwrite=True, **everything)
    manager = tn.CheckpointManager(f"{FOLDER}/manager", last=1)
    for step in (4, 5):
        manager.save(step, plan, params, key=key, metadata={"a": 1})
    assert manager.latest_step() == 5
    if INDEX == "0":  # which removes the older one
        assert manager.steps() == [5]
    check(manager.restore(plan, shardings=specs))
found = tn.restore(
    f"{FOLDER}/run",
    plan,
    shardings=specs,
    opt_state=jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=everywhere), state),
)
check(found)
assert found.params["mix"]["w"].sharding == specs["mix"]["w"]
if TASK == "load":
    again = tn.restore(f"{FOLDER}/run", plan, opt_state=jax.eval_shape(optimizer.init, plan_params))
    assert np.array_equal(again.params["mix"]["w"], plan_params["mix"]["w"])
    for a, b in zip(
        jax.tree.leaves(again.opt_state), jax.tree.leaves(numbers(jax.eval_shape(optimizer.init, plan_params)))
    ):
        assert np.array_equal(a, b)
print("done")
