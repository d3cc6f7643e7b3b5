"""Ties on load: every file into every model (R31–R34), stages likewise, and the choices that an error offers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tenure.checkpoints import errors
from tenure.checkpoints.save import flat
from tenure.checkpoints.source import Held, Side
from tenure.core.errors import NoInverseError, TieValueError, UnknownSlotError
from tests.checkpoints.models import equal

X = jnp.ones(2)
# view → the shapes of embed/w and head/w, and the way back
VIEWS = {
    "same": ((4, 3), (4, 3), "", ""),
    "transpose": ((4, 3), (3, 4), " | transpose", " | transpose"),
    "slice": ((4, 3), (2, 3), " | slice(1, 3)", None),
}
FILES = ["tied", "equal", "different", "owner", "user"]  # the last two: only the key of embed/w, only that of head/w
MODELS = ["tied", "untied", "reversed"]
# file, model → what happens. "as saved": without a report; "embed", "head": filled; "checked": a second value was equal
TABLE = {
    ("tied", "tied"): "as saved",
    ("tied", "untied"): "filled head/w",
    ("tied", "reversed"): "filled head/w",
    ("equal", "tied"): "checked head/w",
    ("equal", "untied"): "as saved",
    ("equal", "reversed"): "checked embed/w",
    ("different", "tied"): TieValueError,
    ("different", "untied"): "as saved",
    ("different", "reversed"): TieValueError,
    ("owner", "tied"): "as saved",
    ("owner", "untied"): errors.ContentError,
    ("owner", "reversed"): "filled head/w",
    ("user", "tied"): "filled embed/w",
    ("user", "untied"): errors.ContentError,
    ("user", "reversed"): "as saved",
}
WITHOUT_INVERSE = {("user", "tied"): NoInverseError}
CELLS = [(v, f, m) for v in VIEWS for f in FILES for m in MODELS if not (v == "slice" and m == "reversed")]


class Weight(tn.Module):
    """One parameter, w."""

    def __call__(self, shape):
        return tn.get_parameter("w", shape, init=jnp.zeros).sum()


def two(view):
    """A function with two parameters of the shapes that a view needs."""
    embed, head = VIEWS[view][:2]

    def function(x):
        return Weight("embed")(embed) + Weight("head")(head) + x

    return function


def plan_of(view, model, **options):
    """The plan with the ties of a model."""
    forth, back = VIEWS[view][2:]
    ties = {"tied": {"head/w": f"embed/w{forth}"}, "untied": {}, "reversed": {"embed/w": f"head/w{back}"}}[model]
    return tn.transform(two(view), ties=ties, **options).plan(X)


def seen(view, embed):
    """What head/w is, tied to embed/w."""
    return {"same": embed, "transpose": embed.T, "slice": embed[1:3]}[view]


EMBED = jnp.arange(12.0).reshape(4, 3) / 8


def saved(view, file, path):
    """Writes a file; returns the values of both slots as it says them, None for what it does not know."""
    embed, head = EMBED, seen(view, EMBED)
    if file == "different":
        head = head + jnp.zeros_like(head).at[0, 1].set(0.25)
    params = {"embed": {"w": embed}, "head": {"w": head}}
    if file == "tied":
        tn.save(path, plan_of(view, "tied"), {"embed": {"w": embed}})
    else:
        only = {"owner": "embed/w", "user": "head/w"}.get(file)
        tn.save(path, plan_of(view, "untied"), params, only=only)
    return None if file == "user" else embed, None if file == "owner" else head


def values(plan, params):
    """The values of both slots in a model."""
    held = {p: Held(p, v) for p, v in flat(params).items()}
    both = Side({r.path: r for r in plan.ledger.rows}, held)
    return both.value("embed/w"), both.value("head/w")


@pytest.mark.parametrize("view, file, model", CELLS)
def test_every_file_into_every_model(view, file, model, tmp_path):
    """The full matrix of R31–R34: right, or an error; never a guess, never silent."""
    embed, head = saved(view, file, tmp_path / "a")
    plan = plan_of(view, model)
    expected = WITHOUT_INVERSE.get((file, model)) if view == "slice" else None
    expected = expected or TABLE[file, model]
    if not isinstance(expected, str):
        with pytest.raises(expected) as caught:
            tn.restore(tmp_path / "a", plan)
        assert "embed/w" in str(caught.value) and "head/w" in str(caught.value)
        return
    found = tn.restore(tmp_path / "a", plan)
    for is_now, was in zip(values(plan, found.params), (embed, head)):
        assert was is None or np.array_equal(is_now, was)
    told = [f"{e.kind} {e.path}" for e in found.report.entries]
    assert told == ([] if expected == "as saved" else [expected])
    again = tn.transfer(plan, tn.restore(tmp_path / "a").params, old_plan=tn.restore(tmp_path / "a").ledger)
    assert equal(again.params, found.params) and again.report == found.report  # in memory likewise


@pytest.mark.parametrize("view", ["same", "transpose"])
def test_the_choices_that_the_error_offers(view, tmp_path):
    embed, head = saved(view, "different", tmp_path / "a")
    plan = plan_of(view, "tied")
    with pytest.raises(TieValueError, match=r"max\|Δ\| = 0.25") as caught:
        tn.restore(tmp_path / "a", plan)
    assert [w.split(":")[1].strip() for w in caught.value.ways[:2]] == ["take='embed/w'", "take='head/w'"]
    first, second = (tn.restore(tmp_path / "a", plan, take=t) for t in ("embed/w", "head/w"))
    assert np.array_equal(values(plan, first.params)[0], embed)
    assert np.array_equal(values(plan, second.params)[1], head)
    assert list(first.report.of("dropped")) == ["head/w"]
    assert list(second.report.of("filled")) == ["embed/w"]
    assert "tn.own" in caught.value.ways[2]
    untied = tn.restore(tmp_path / "a", tn.transform(two(view), ties={"head/w": tn.own}).plan(X))
    assert np.array_equal(untied.params["head"]["w"], head)
    with pytest.raises(UnknownSlotError, match="head/ww"):
        tn.restore(tmp_path / "a", plan, take="head/ww")


def test_the_borrowers_value_without_a_way_back(tmp_path):
    saved("slice", "different", tmp_path / "a")
    with pytest.raises(NoInverseError, match=r"slice\(1, 3\)"):
        tn.restore(tmp_path / "a", plan_of("slice", "tied"), take="head/w")


def test_ties_through_other_views_are_compared_by_what_they_give(tmp_path):
    """R31: file and code tie the same slots, and differently."""

    def square(x):
        a = tn.get_parameter("a", (3, 3), init=jnp.zeros)
        return a.sum() + tn.get_parameter("b", (3, 3), init=jnp.zeros).sum() + x

    def tied(view):
        return tn.transform(square, ties={"~/b": f"~/a{view}"}).plan(X)

    tn.save(tmp_path / "a", tied(" | transpose"), {"~": {"a": EMBED[:3]}})
    with pytest.raises(TieValueError, match="transpose"):
        tn.restore(tmp_path / "a", tied(""))
    symmetric = EMBED[:3] + EMBED[:3].T
    tn.save(tmp_path / "b", tied(" | transpose"), {"~": {"a": symmetric}})
    assert list(tn.restore(tmp_path / "b", tied("")).report.of("checked")) == ["~/b"]


def test_joined_owners(tmp_path):
    """A slot that is put together from two owners, and that is all that the file has."""

    def function(x):
        return Weight("q")((2, 3)) + Weight("k")((2, 1)) + Weight("qk")((2, 4)) + x

    joined = tn.transform(function, ties={"qk/w": "q/w | concat('k/w', axis=1)"}).plan(X)
    plain = tn.transform(function).plan(X)
    q, k = jnp.arange(6.0).reshape(2, 3), jnp.arange(2.0).reshape(2, 1) + 9
    both = jnp.concatenate([q, k], 1)
    expected = {"q": {"w": q}, "k": {"w": k}}
    everything = expected | {"qk": {"w": both}}
    tn.save(tmp_path / "joined", joined, expected)
    tn.save(tmp_path / "whole", plain, everything, only="qk/w")
    tn.save(tmp_path / "equal", plain, everything)
    tn.save(tmp_path / "different", plain, everything | {"qk": {"w": both + 1}})
    for name in ("joined", "whole", "equal"):
        assert equal(tn.restore(tmp_path / name, joined).params, expected), name
    assert np.array_equal(tn.restore(tmp_path / "joined", plain).params["qk"]["w"], both)
    with pytest.raises(TieValueError):
        tn.restore(tmp_path / "different", joined)


def test_inside_a_layer_stack(tmp_path):
    """Ties within the layers, and to an owner outside of them."""

    def function(x):
        w = tn.get_parameter("w", (3, 3), init=jnp.zeros)
        stack = tn.layer_stack(2, name="stack")
        return stack(lambda x: tn.nn.Linear(3, name="b")(tn.nn.Linear(3, name="a")(x)))(x @ w)

    x = jnp.ones((2, 3))
    plain = tn.transform(function)
    names = [r.path for r in plain.plan(x).ledger.rows]
    a, b = (next(n for n in names if n.endswith(f"/{m}/w")) for m in "ab")
    within = tn.transform(function, ties={b: f"{a} | transpose"})
    outside = tn.transform(function, ties={b: "~/w | transpose"})
    for model in (within, outside):
        plan = model.plan(x)
        params = jax.tree.map(lambda s: jax.random.normal(jax.random.key(s.size), s.shape), plan.params)
        path = tn.save(tmp_path / str(model is within), plan, params)
        untied = tn.restore(path, plain.plan(x))
        assert np.allclose(plain.apply(untied.params, None, x), model.apply(params, None, x))
        back = tn.restore(tn.save(tmp_path / f"{model is within}_untied", plain.plan(x), untied.params), plan)
        assert equal(back.params, params)
        assert list(back.report.of("checked")) == [b]


# stages


def staged(*stages):
    """The two parameters, tied through a transpose, the owner with stages."""
    ties = {"head/w": "embed/w | transpose"}
    return tn.transform(two("transpose"), ties=ties, stages={"embed/w": list(stages)} if stages else None)


@pytest.mark.parametrize("stage", ["weight_norm", "quantise(8)", "lora(2)", "low_rank(2)", "noise(0.1)"])
@pytest.mark.parametrize("file", ["tied", "equal", "owner", "user"])
def test_plain_weights_into_a_model_with_stages(stage, file, tmp_path):
    saved("transpose", file, tmp_path / "a")
    model = staged(stage)
    plan, fresh = model.plan(X), model.init(jax.random.key(0), X)
    found = tn.restore(tmp_path / "a", plan, params=fresh)
    weight = tn.weights(plan, found.params)["embed"]["w"]
    assert np.allclose(weight, EMBED, atol=EMBED.max() / 254 if stage.startswith("quantise") else 1e-6)
    assert ("embed/w" in found.report.of("assigned")) == (stage != "noise(0.1)")
    if stage != "lora(2)":  # an adapter starts with random numbers, which a file of plain weights does not have
        assert equal(tn.restore(tmp_path / "a", plan).params, found.params)
    else:
        assert equal(found.params["embed"]["w.lora.down"], fresh["embed"]["w.lora.down"])
        with pytest.raises(errors.StagedFileError, match="params=model.init"):
            tn.restore(tmp_path / "a", plan)


def test_a_weight_that_a_stage_can_not_make_is_told_as_that(tmp_path):
    """Not as a view that does not fit: `low_rank` stores another shape than its weight's."""
    weight = jnp.eye(4)[:, :3]
    plain = {"embed": {"w": weight}, "head": {"w": weight.T}}
    for name, only in (("both", None), ("user", "head/w")):
        tn.save(tmp_path / name, plan_of("transpose", "untied"), plain, only=only)
        with pytest.raises(NoInverseError, match="its rank is above 2"):
            tn.restore(tmp_path / name, staged("low_rank(2)").plan(X))


def test_plain_weights_and_an_adapter_that_is_trained():
    """`assign`: the adapter stays, and the weight is the given one."""
    model = staged("lora(2)")
    plan = model.plan(X)
    params = jax.tree.map(lambda s: jax.random.normal(jax.random.key(s.size), s.shape), plan.params)
    moved = tn.transfer(plan, {"embed": {"w": EMBED}}, params=params)
    assert np.allclose(tn.weights(plan, moved.params)["embed"]["w"], EMBED, atol=1e-6)
    assert equal(moved.params["embed"]["w.lora.up"], params["embed"]["w.lora.up"])


def test_an_adapter_alone_onto_its_base(tmp_path):
    model = staged("lora(2)")
    plan = model.plan(X)
    trained = jax.tree.map(lambda s: jax.random.normal(jax.random.key(s.size), s.shape), plan.params)
    path = tn.save(tmp_path / "adapter", plan, trained, only="@lora")
    base = jax.tree.map(jnp.zeros_like, trained) | {"embed": {"w": EMBED}}
    found = tn.restore(path, plan, params=base)
    adapter = {n: v for n, v in trained["embed"].items() if n != "w"}
    assert equal(found.params, {"embed": {"w": EMBED, **adapter}})
    assert equal(tn.transfer(plan, {"embed": adapter}, params=base).params, found.params)
    with pytest.raises(errors.ContentError, match="embed/w"):
        tn.restore(path, plan)


def test_an_adapted_file_into_a_plain_model_names_its_leaves_and_offers_merge(tmp_path):
    model = staged("lora(2)")
    plan = model.plan(X)
    params = model.init(jax.random.key(0), X)
    path = tn.save(tmp_path / "a", plan, params)
    alone = tn.save(tmp_path / "b", plan, params, only="@lora")
    for file in (path, alone):
        with pytest.raises(errors.StagedFileError) as caught:
            tn.restore(file, staged().plan(X))
        for text in ("embed/w.lora.down", "embed/w.lora.up", "tn.merge(plan, params, 'embed/w', 'lora')"):
            assert text in str(caught.value)
    merged = tn.merge(plan, params, "embed/w")
    plain = tn.transform(two("transpose"), ties={"head/w": "embed/w | transpose"}, stages=merged.stages).plan(X)
    assert equal(tn.restore(tn.save(tmp_path / "c", plain, merged.params), staged().plan(X)).params, merged.params)


def test_other_stages_are_an_error_that_names_both(tmp_path):
    model = staged("weight_norm")
    path = tn.save(tmp_path / "a", model.plan(X), model.init(jax.random.key(0), X))
    for other in (staged("low_rank(2)"), staged("weight_norm(0)")):
        with pytest.raises(errors.StagedFileError, match="weight_norm"):
            tn.restore(path, other.plan(X))
    with pytest.raises(errors.StagedFileError, match=r"w\.weight_norm\.scale"):
        tn.restore(path, staged().plan(X))
    untied = tn.transform(two("transpose"), stages={"embed/w": ["weight_norm"]}).plan(X)
    with pytest.raises(errors.StagedFileError, match="tied otherwise"):
        tn.restore(path, untied)


def test_stages_that_act_in_training_only_change_nothing(tmp_path):
    model = staged("noise(0.1)")
    params = model.init(jax.random.key(0), X)
    path = tn.save(tmp_path / "a", model.plan(X), params)
    assert equal(tn.restore(path, staged().plan(X)).params, params)


def test_an_adapter_for_one_use_starts_as_it_is(tmp_path):
    """The file knows nothing of it; the base is the file's."""
    ties = {"head/w": "embed/w | transpose"}
    adapted = tn.transform(two("transpose"), ties=ties, stages={"head/w": [tn.on_use("lora(2)")]})
    plan, fresh = adapted.plan(X), adapted.init(jax.random.key(0), X)
    tn.save(tmp_path / "a", plan_of("transpose", "tied"), {"embed": {"w": EMBED}})
    found = tn.restore(tmp_path / "a", plan, params=fresh)
    assert equal(found.params, {**fresh, "embed": {"w": EMBED}})
    assert set(found.report.of("missing")) == {"head/w.lora.down", "head/w.lora.up"}
    with pytest.raises(errors.ContentError, match=r"head/w\.lora\.down"):
        tn.restore(tmp_path / "a", plan)
    short = tn.save(tmp_path / "b", plan, found.params, only=["embed/w", "head/w.lora.down"])
    assert equal(tn.restore(short, plan, params=fresh).params, found.params)
