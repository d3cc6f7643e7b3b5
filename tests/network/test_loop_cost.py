"""What is in the programs of loops and searches, and what is not: products moved out, copies that are not made."""

import jax
import numpy as np
import pytest

import tenure as tn

LABELS, BEAM, BATCH, FRAMES, FEATURES, UNITS, STEPS = 19, 7, 3, 11, 13, 5, 6
DATA = {"data": {"dim": 4}, "classes": {"dim": LABELS, "sparse": True, "available_for_inference": False}}


def decoder(unit, **rec):
    unit = {
        **unit,
        "p": {"class": "softmax", "from": unit["p"]["from"], "loss": "ce", "target": "classes"},
        "output": {"class": "choice", "target": "classes", "beam_size": BEAM, "from": "p", "initial_output": 0},
        "end": {"class": "compare", "kind": "equal", "value": 0, "from": "output"},
    }
    loop = {"class": "rec", "from": [], "target": "classes", "max_seq_len": STEPS, "unit": unit, **rec}
    enc = {"class": "linear", "n_out": FEATURES, "activation": "tanh", "from": "data"}
    return {
        "enc": enc,
        "output": loop,
        "decision": {"class": "decide", "from": "output", "only_on_search": True, "is_output_layer": True},
    }


def attending(**rec):
    unit = {
        "embed": {"class": "linear", "n_out": 4, "activation": None, "from": "output", "initial_output": 0},
        "s": {"class": "rec", "unit": "nativelstm2", "n_out": UNITS, "from": ["prev:embed", "prev:att"]},
        "query": {"class": "linear", "n_out": FEATURES, "with_bias": False, "from": "s"},
        "energy": {"class": "dot", "red1": "F", "red2": "F", "var1": "T", "var2": None, "from": ["base:enc", "query"]},
        "weights": {"class": "softmax_over_spatial", "axis": "T", "from": "energy"},
        "att": {"class": "generic_attention", "weights": "weights", "base": "base:enc"},
        "p": {"from": ["s", "att"]},
    }
    return decoder(unit, **rec)


def transformer():
    unit = {
        "embed": {"class": "linear", "n_out": 8, "activation": None, "from": "prev:output"},
        "self": {
            "class": "self_attention",
            "num_heads": 2,
            "total_key_dim": 8,
            "n_out": 8,
            "attention_left_only": True,
            "from": "embed",
        },
        "query": {"class": "linear", "n_out": FEATURES, "with_bias": False, "from": "self"},
        "energy": {"class": "dot", "red1": "F", "red2": "F", "var1": "T", "var2": "T?", "from": ["base:enc", "query"]},
        "weights": {"class": "softmax_over_spatial", "from": "energy"},
        "att": {"class": "generic_attention", "weights": "weights", "base": "base:enc"},
        "norm": {"class": "layer_norm", "from": "att"},
        "p": {"from": "norm"},
    }
    return decoder(unit)


def batch(targets=True):
    rng = np.random.RandomState(0)
    found = {"data": (rng.randn(BATCH, FRAMES, 4).astype("float32"), np.array([FRAMES, 8, 5]))}
    if targets:
        found["classes"] = (rng.randint(1, LABELS, (BATCH, STEPS)), np.array([STEPS, 4, 3]))
    return found


def training(net):
    """Parameters, and the objective as a function of them."""
    model = tn.network(net, DATA, behavior_version=0)
    params, state = model.init(jax.random.key(0), batch())
    return params, lambda p: model.apply(p, state, None, batch(), train=True)[0].objective


def shapes_in_loops(function, *args):
    """The shapes of all arrays that loops of a function's program compute, carry or read."""
    found = []

    def walk(jaxpr, inside):
        for eqn in jaxpr.eqns:
            loops = eqn.primitive.name in ("scan", "while")
            if inside or loops:
                found.extend(v.aval.shape for v in (*eqn.invars, *eqn.outvars))
            for value in jax.tree.leaves(list(eqn.params.values()), is_leaf=lambda v: hasattr(v, "eqns")):
                inner = getattr(value, "jaxpr", value)
                if hasattr(inner, "eqns"):
                    walk(inner, inside or loops)

    walk(jax.make_jaxpr(function)(*args).jaxpr, False)
    return found


def test_a_transformer_decoder_in_training_has_no_loop():
    params, objective = training(transformer())
    assert not shapes_in_loops(jax.grad(objective), params)


def test_what_all_steps_of_a_decoder_share_is_computed_outside():
    params, objective = training(attending())
    program = jax.make_jaxpr(jax.grad(objective))(params)
    loops = [eqn for eqn in program.eqns if eqn.primitive.name == "scan"]
    assert loops
    for eqn in loops:
        inner = eqn.params["jaxpr"].jaxpr
        assert not [v for e in inner.eqns for v in (*e.invars, *e.outvars) if LABELS in v.aval.shape]
        carried = [v.aval.shape for v in inner.invars[eqn.params["num_consts"] :][: eqn.params["num_carry"]]]
        assert not {p.shape for p in jax.tree.leaves(params) if p.ndim > 1} & set(carried)
        assert (BATCH, FRAMES, FEATURES) not in carried


@pytest.mark.parametrize("net", [attending, transformer])
def test_a_search_copies_nothing_of_the_encoder_for_its_hypotheses(net):
    model = tn.network(net(), DATA, behavior_version=0)
    flags = {"train": False, "losses": False, "search": True}
    given = batch(targets=False)
    params, state = model.init(jax.random.key(0), given, **flags)

    def search(params, given):
        return model.apply(params, state, None, given, layers=["decision"], **flags)[0].outputs["decision"].data

    shapes = shapes_in_loops(search, params, given)
    assert any(BEAM in s for s in shapes) and any({FRAMES, FEATURES} <= set(s) for s in shapes)
    copies = [s for s in shapes if {FRAMES, FEATURES} <= set(s) and BEAM in s]
    assert not copies


def test_rematerialised_steps_give_the_same_chunk_by_chunk():
    plain, saving = training(attending()), training(attending(remat=2))
    programs = [jax.jit(jax.value_and_grad(f)).lower(p).compile() for p, f in (plain, saving)]
    found, again = (program(plain[0]) for program in programs)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), found, again)
    texts = [str(jax.make_jaxpr(jax.grad(f))(plain[0])) for _, f in (plain, saving)]
    assert ["length=3" in text for text in texts] == [False, True]  # three chunks of two steps


@pytest.mark.parametrize("remat", ["yes", -1, 0.5])
def test_no_number_of_steps_is_refused(remat):
    with pytest.raises(tn.TenureError, match="number of steps"):
        training(attending(remat=remat))
