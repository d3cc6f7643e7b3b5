"""Saving and restoring with the same model: everything comes back, all or nothing (R30, R38)."""

import json
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import optax
import pytest
from safetensors import safe_open

import tenure as tn
from tenure.checkpoints import errors, manifest
from tenure.core.errors import RuleError
from tests.checkpoints.models import KEY, TOKENS, counted, equal, trained, translator


@pytest.fixture(scope="module")
def model():
    return trained()


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


def test_a_state_that_is_not_the_plans_is_refused(tmp_path):
    net = tn.transform_with_state(counted)
    plan = net.plan(jnp.ones(4))
    params, state = net.init(KEY, jnp.ones(4))
    wrong = {
        "unknown  ~/m": {"~": {"m": state["~"]["n"]}},
        "missing  ~/n": {},
        r"misfit  ~/n  \(2,\) int32, and the plan has \(\) int32": {"~": {"n": jnp.zeros(2, int)}},
        r"misfit  ~/n  \(\) float32": {"~": {"n": jnp.zeros(())}},
        "unknown  other/n": {**state, "other": state["~"]},
    }
    for text, given in wrong.items():
        for known in (plan, plan.ledger):
            with pytest.raises(errors.ContentError, match=text):
                tn.save(tmp_path / "a", known, params, state=given)
    plain = tn.transform(lambda x: tn.nn.Linear(3, name="linear")(x)).plan(jnp.ones(4))
    with pytest.raises(errors.ContentError, match="unknown  ~/n"):
        tn.save(tmp_path / "a", plain, params, state=state)
    assert not list(tmp_path.iterdir())


def test_errors_of_restoring_name_the_checkpoint(model, tmp_path):
    """Whatever the rule is: one of several checkpoints is meant."""
    path = tn.save(tmp_path / "one_of_many", model.plan, model.params)
    other = tn.transform(lambda x: tn.nn.Linear(3, name="other")(x)).plan(jnp.ones(4))
    for act in (
        lambda: tn.restore(path, other),
        lambda: tn.restore(path, model.plan, rename={"sauce": "x"}),
        lambda: tn.restore(path, model.plan, take="nothing/w"),
        lambda: tn.restore(path, model.plan, only="nothing/*"),
        lambda: tn.restore(path, model.plan, opt_state={"m": jnp.ones(2)}),
        lambda: tn.restore(path, model.plan, shardings=3),
    ):
        with pytest.raises(tn.TenureError, match="one_of_many"):
            act()


def test_without_a_plan_it_comes_back_as_it_was_saved(model, tmp_path):
    path = tn.save(tmp_path / "a", model.plan, model.params, step=1)
    assert equal(tn.restore(path).params, model.params)


def test_ties_and_stages_transform_the_function_again(tmp_path):
    ties = {"output/w": tn.own, "target/embeddings": "source/embeddings | scale(2.0)"}
    stages = {"source/embeddings": [None, tn.stages.Noise(0.1)], "mix/w": "weight_norm"}
    first = tn.transform(translator, ties=ties, stages=stages)
    plan, params = first.plan(TOKENS), first.init(KEY, TOKENS)
    found = tn.restore(tn.save(tmp_path / "a", plan, params), plan)
    again = tn.transform(translator, ties=found.ties, stages=found.stages)
    assert [dataclass_without_site(r) for r in again.plan(TOKENS).ledger.rows] == [
        dataclass_without_site(r) for r in plan.ledger.rows
    ]
    assert equal(found.params, params)


def dataclass_without_site(row):
    return (row.path, row.kind, row.shape, row.owners, row.views, row.stages, row.origin)


def test_what_untie_returns_can_be_saved(model, tmp_path):
    retied = tn.untie(model.plan, model.params, "output/w", optax.adam(1e-3).init(model.params))
    plan = tn.transform(translator, ties=retied.ties).plan(TOKENS)
    found = tn.restore(
        tn.save(tmp_path / "a", plan, retied.params, opt_state=retied.opt_state), plan, opt_state=retied.opt_state
    )
    assert equal((found.params, found.opt_state), (retied.params, retied.opt_state))


def test_an_existing_path_is_refused_and_overwritten_only_when_asked(model, tmp_path):
    path = tn.save(tmp_path / "a", model.plan, model.params, step=1)
    with pytest.raises(errors.ExistingPathError, match="overwrite=True"):
        tn.save(path, model.plan, model.params, step=2)
    assert tn.restore(path).step == 1
    for step in (2, 3):
        tn.save(path, model.plan, model.params, step=step, opt_state=model.opt_state, overwrite=True)
        assert tn.restore(path, model.plan, opt_state=model.opt_state).step == step
    assert len(list(path.iterdir())) == 3  # nothing of the older ones is left


def test_a_folder_of_somebody_else_is_never_overwritten(model, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("…")
    with pytest.raises(errors.ExistingPathError, match="is no checkpoint"):
        tn.save(tmp_path / "mine", model.plan, model.params, overwrite=True)
    (tmp_path / "file").write_text("…")
    with pytest.raises(errors.ExistingPathError):
        tn.save(tmp_path / "file", model.plan, model.params, overwrite=True)
    assert (tmp_path / "mine" / "thesis.txt").exists()


def test_debris_is_known_and_cleaned(model, tmp_path):
    path = tmp_path / "a"
    left = tmp_path / ".a.tenure-0123456789ab"
    left.mkdir()
    (left / "params.safetensors").write_bytes(b"half")
    tn.save(path, model.plan, model.params, step=1)
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
    (path / "params-2.safetensors").write_bytes(b"half")  # as if killed while overwriting
    (path / "tenure.json.new").write_bytes(b"half")
    (path / ".tmpQx3fZ9").write_bytes(b"half")
    (path / "params-3.ocdbt.orbax-checkpoint-tmp").mkdir()
    (path / "notes.txt").write_text("mine")
    assert tn.restore(path).step == 1
    tn.save(path, model.plan, model.params, step=2, overwrite=True)
    assert sorted(p.name for p in path.iterdir()) == ["notes.txt", "params-2.safetensors", "tenure.json"]


def test_only_a_part_is_saved_or_restored(model, tmp_path):
    path = tn.save(tmp_path / "mix", model.plan, model.params, only="mix/*")
    with safe_open(path / "params.safetensors", "numpy") as file:
        assert sorted(file.keys()) == ["mix/b", "mix/w"]  # noqa: SIM118
    assert equal(tn.restore(path).params, {"mix": model.params["mix"]})
    other = jax.tree.map(jnp.zeros_like, model.params)
    found = tn.restore(path, model.plan, params=other)
    assert equal(found.params, other | {"mix": model.params["mix"]})
    assert set(found.report.of("missing")) == {"source/embeddings", "output/b"}
    with pytest.raises(errors.ContentError, match="2 missing"):
        tn.restore(path, model.plan)
    whole = tn.save(tmp_path / "all", model.plan, model.params)
    assert list(tn.restore(whole, model.plan, only=["mix/w", "output/b"]).params) == ["mix", "output"]
    with pytest.raises(RuleError, match="which is borrowed"):
        tn.restore(whole, model.plan, only="output/w")


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


def test_another_optimizer_is_an_error_that_names_its_leaves(model, tmp_path):
    path = tn.save(tmp_path / "a", model.plan, model.params, opt_state=optax.adam(1e-3).init(model.params))
    with pytest.raises(errors.ContentError, match="unexpected  0/mu/mix/w"):
        tn.restore(path, model.plan, opt_state=optax.sgd(1e-3, momentum=0.9).init(model.params))
    assert tn.restore(path, model.plan).opt_state is None
    bare = tn.save(tmp_path / "bare", model.plan, model.params)
    with pytest.raises(errors.ContentError, match="holds no optimizer state"):
        tn.restore(bare, model.plan, opt_state=model.opt_state)


def test_a_newer_format_says_so(model, tmp_path):
    path = tn.save(tmp_path / "a", model.plan, model.params)
    text = (path / manifest.NAME).read_text().replace('"tenure_checkpoint": 1', '"tenure_checkpoint": 2', 1)
    (path / manifest.NAME).write_text(text)
    with pytest.raises(errors.NewerFormatError, match="format 2"):
        tn.restore(path)


def test_the_manifest_is_json(model, tmp_path):
    path = tn.save(tmp_path / "a", model.plan, model.params, step=5)
    body = json.loads((path / manifest.NAME).read_text())
    assert (body["tenure_checkpoint"], body["step"]) == (1, 5)
    assert body["ledger"]["rows"][0]["path"] == "source/embeddings"


def test_a_flipped_bit_is_found_where_it_is_and_only_when_it_is_read(model, tmp_path):
    path = tn.save(tmp_path / "a", model.plan, model.params)
    file = path / "params.safetensors"
    data = bytearray(file.read_bytes())
    at = data.index(np.asarray(model.params["mix"]["w"]).tobytes())
    data[at + 5] ^= 1
    file.write_bytes(data)
    with pytest.raises(errors.DamagedError, match="mix/w"):
        tn.restore(path, model.plan)
    tn.restore(path, model.plan, only="source/*")
    assert not equal(tn.restore(path, model.plan, verify=False).params, model.params)
    file.write_bytes(data[:-1])
    with pytest.raises(errors.DamagedError, match=r"params\.safetensors"):
        tn.restore(path, model.plan, verify=False)


def test_a_path_without_checkpoint(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(errors.CheckpointError):
            tn.restore(path)


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


@pytest.mark.skipif(os.name == "nt", reason="limits on files are POSIX's")
def test_a_full_disk_leaves_the_old_checkpoint(model, tmp_path):
    import resource
    import signal

    big = tn.transform(lambda x: tn.nn.Linear(600)(x))
    plan, params = big.plan(jnp.ones(600)), big.init(KEY, jnp.ones(600))
    path = tn.save(tmp_path / "a", plan, params, step=1)
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, before[1]))
        for where in (path, tmp_path / "b"):
            with pytest.raises(errors.CheckpointError, match="could not be written"):
                tn.save(where, plan, params, step=2, overwrite=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
    assert sorted(p.name for p in path.iterdir()) == ["params.safetensors", "tenure.json"]
    assert equal(tn.restore(path).params, params)


def test_a_missing_library_is_named_with_the_extra_that_has_it(model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "xxhash", None)
    with pytest.raises(errors.MissingLibraryError, match=r"pip install 'tenure\[checkpoints\]'"):
        tn.save(tmp_path / "a", model.plan, model.params)


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


@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="peaks of memory are read as Linux tells them")
def test_restoring_one_tensor_reads_that_tensor_only(tmp_path):
    from benchmarks.checkpoints import model, one_tensor

    plan, params = model(1 / 8)
    tn.save(tmp_path / "a", plan, params)
    each = 128 / 64
    assert each <= one_tensor(tmp_path / "a") < 16 * each  # the file as mapped, the copy, and what Python needs


def test_views_that_are_functions_need_no_form_as_data(tmp_path):
    """The tie is the same in file and model, so that nobody has to follow it."""

    def function(x):
        first = tn.nn.Linear(3, name="first")
        return tn.nn.Linear(3, name="second", share={"w": first.ref("w") | (lambda w: w * 2)})(first(x))

    net = tn.transform(function)
    plan, params = net.plan(jnp.ones(3)), net.init(KEY, jnp.ones(3))
    path = tn.save(tmp_path / "a", plan, params)
    assert equal(tn.restore(path, plan).params, params)
    assert list(tn.restore(path, rename={"first": "third"}).params) == ["third", "second"]


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


def test_metadata_with_numbers_that_are_none(model, tmp_path):
    """A loss that is not a number keeps nobody from saving."""
    metadata = {"losses": [float("nan"), float("inf")]}
    found = tn.restore(tn.save(tmp_path / "a", model.plan, model.params, metadata=metadata)).metadata
    assert np.isnan(found["losses"][0]) and found["losses"][1] == float("inf")


def test_options_that_are_none(model, tmp_path):
    path = tn.save(tmp_path / "a", model.plan, model.params)
    for options in (dict(take=3), dict(only=5), dict(rename=5), dict(shardings=5), dict(params=5)):
        with pytest.raises(tn.TenureError):
            tn.restore(path, model.plan, **options)
    for options in (dict(take=3), dict(resize=5), dict(rename=[1])):
        with pytest.raises(tn.TenureError):
            tn.transfer(model.plan, model.params, **options)
