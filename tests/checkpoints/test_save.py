"""Saving and restoring with the same model: everything comes back, all or nothing (R30, R38)."""

import jax
import jax.numpy as jnp
import optax
import pytest
from safetensors import safe_open

import tenure as tn
from tenure.checkpoints import errors
from tests.checkpoints.models import KEY, TOKENS, counted, equal, translator


def everything(model):
    return dict(
        opt_state=model.opt_state,
        step=7,
        key={"data": KEY, "dropout": [jax.random.key(1, impl="rbg"), jax.random.PRNGKey(2)]},
        metadata={"corpus": "Ωmega", "curve": [1.5, None, True, -1e300]},
    )


def test_everything_comes_back_bit_for_bit(model, tmp_path):
    path = tn.save(tmp_path / "run", model.plan, model.params, **everything(model))
    found = tn.restore(path, model.plan, opt_state=jax.eval_shape(model.optimizer.init, model.params))
    assert equal(found.params, model.params)
    assert equal(found.opt_state, model.opt_state)
    expected = everything(model)
    assert equal(found.key, expected["key"])
    assert (found.step, found.metadata) == (7, expected["metadata"])
    assert found.ledger == model.plan.ledger
    assert not found.report


def test_owners_are_stored_once_and_ties_are_named_as_other_tools_name_them(model, tmp_path):
    path = tn.save(tmp_path / "run", model.plan, model.params)
    with safe_open(path / "params.safetensors", "numpy") as file:
        assert sorted(file.keys()) == sorted(model.plan.ledger.owners)  # noqa: SIM118
        assert file.metadata() == {"target/embeddings": "source/embeddings"}  # the transposed one is no alias
    size = sum(f.stat().st_size for f in path.iterdir())
    assert size <= model.plan.ledger.bytes() + 2**16


def test_bytes_on_disk_of_a_deep_model(tmp_path):
    """R30: owners + 64 KiB, with hundreds of slots too."""

    def deep(x):
        first = tn.nn.Linear(4, name="first")
        x = first(x)
        for i in range(100):
            x = tn.nn.Linear(4, name=f"layer_{i}")(x)
            x = tn.nn.Linear(4, name=f"tied_{i}", share={"w": first.ref("w").T})(x)
        return x

    model = tn.transform(deep)
    plan = model.plan(jnp.ones(4))
    params = jax.tree.map(lambda s: jnp.ones(s.shape, s.dtype), plan.params)
    path = tn.save(tmp_path / "deep", plan, params)
    assert len(plan.ledger.owners) == 302
    assert sum(f.stat().st_size for f in path.iterdir()) <= plan.ledger.bytes() + 2**16
    assert tn.restore(path, plan).ledger == plan.ledger


def test_params_that_were_cast_stay_as_they_are(model, tmp_path):
    half = jax.tree.map(lambda p: p.astype(jnp.bfloat16), model.params)
    assert equal(tn.restore(tn.save(tmp_path / "half", model.plan, half), model.plan).params, half)


def test_state(tmp_path):
    net = tn.transform_with_state(counted)
    plan = net.plan(jnp.ones(4))
    params, state = net.init(KEY, jnp.ones(4))
    _, state = net.apply(params, state, None, jnp.ones(4))
    found = tn.restore(tn.save(tmp_path / "a", plan, params, state=state), plan)
    assert equal((found.params, found.state), (params, state))
    assert equal(tn.restore(tmp_path / "a").state, state)


def test_what_untie_returns_can_be_saved(model, tmp_path):
    retied = tn.untie(model.plan, model.params, "output/w", optax.adam(1e-3).init(model.params))
    plan = tn.transform(translator, ties=retied.ties).plan(TOKENS)
    found = tn.restore(
        tn.save(tmp_path / "a", plan, retied.params, opt_state=retied.opt_state), plan, opt_state=retied.opt_state
    )
    assert equal((found.params, found.opt_state), (retied.params, retied.opt_state))


def test_params_that_are_not_the_plans_are_refused(model, tmp_path):
    short = {k: v for k, v in model.params.items() if k != "mix"}
    with pytest.raises(errors.ContentError, match="mix/w"):
        tn.save(tmp_path / "a", model.plan, short)
    with pytest.raises(errors.ContentError, match="mxi/w"):
        tn.save(tmp_path / "a", model.plan, model.params | {"mxi": model.params["mix"]})
    with pytest.raises(errors.CheckpointError, match="a plan is needed"):
        tn.save(tmp_path / "a", model.params, model.params)
    with pytest.raises(errors.CheckpointError, match="no array"):
        tn.save(tmp_path / "a", model.plan, model.params, opt_state={"f": print})
    gone = jnp.ones(3)
    jax.jit(lambda a: a + 1, donate_argnums=0)(gone)
    with pytest.raises(errors.CheckpointError, match=r"opt_state/m.*donated"):
        tn.save(tmp_path / "a", model.plan, model.params, opt_state={"m": gone})
    with pytest.raises(errors.CheckpointError, match="being traced"):
        jax.jit(lambda p: tn.save(tmp_path / "a", model.plan, p))(model.params)
    for path in (None, 3, "", "a\0b"):
        with pytest.raises(errors.CheckpointError, match="is no path"):
            tn.save(path, model.plan, model.params)
    for step in (-1, 1.5, "one"):
        with pytest.raises(errors.CheckpointError, match="a step is a whole number"):
            tn.save(tmp_path / "a", model.plan, model.params, step=step)
    for metadata in ({1: 2}, {"a": {1, 2}}, {"t": (1, 2)}):
        with pytest.raises(errors.CheckpointError, match="JSON"):
            tn.save(tmp_path / "a", model.plan, model.params, metadata=metadata)
    assert not list(tmp_path.iterdir())


def test_models_of_the_other_front_ends(tmp_path):
    import tenure.haiku as hk

    net = hk.transform_with_state(lambda x: hk.BatchNorm(True, True, 0.9)(hk.Linear(2)(x), is_training=True))
    params, state = net.init(jax.random.PRNGKey(0), jnp.ones((2, 3)))
    plan = net.plan(jnp.ones((2, 3)))
    found = tn.restore(tn.save(tmp_path / "haiku", plan, params, state=state), plan)
    assert equal((dict(found.params), found.state), (dict(params), state))
    layers = {"out": {"class": "softmax", "from": "data", "n_out": 3, "target": "classes", "loss": "ce"}}
    data = {"data": {"dim": 4}, "classes": {"dim": 3, "sparse": True}}
    assert tn.network(layers, data)
