"""What Haiku shares or counts by accident is right here, and each has its switch back."""

from __future__ import annotations

import logging
import threading
from typing import Any

import haiku
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
import tenure.haiku as hk
from tenure.core import traces
from tenure.core.errors import CachedTransformError, DeclaredTwiceError, RequestConflictError, UndeclaredError

KEY = jax.random.PRNGKey(0)
X = jnp.ones((2, 4))


class Twice(hk.Module):
    def __call__(self) -> Any:
        first = hk.get_parameter("w", [3], init=jnp.zeros)
        return first, hk.get_parameter("w", [3], init=jnp.ones)


def test_a_second_request_with_another_initialiser_is_an_error() -> None:
    model = hk.transform(lambda: Twice()())
    with pytest.raises(
        RequestConflictError, match=r"asked for twice[\s\S]*first[\s\S]*test_ownership.py:[\s\S]*second"
    ):
        model.init(None)


def test_a_second_request_is_ignored_as_in_haiku() -> None:
    with hk.ownership.context(second_request="haiku"):
        params = hk.transform(lambda: Twice()()).init(None)
    assert params["twice"]["w"].tolist() == [0, 0, 0]


def _built_in_jit(x: jax.Array) -> jax.Array:
    layer = jax.jit(lambda x: hk.Linear(4)(x))
    return layer(layer(x))


def test_a_module_in_a_raw_jit_is_an_error() -> None:
    with pytest.raises(CachedTransformError, match=r"jax\.jit"):
        hk.transform(_built_in_jit).init(KEY, X)


def test_a_module_in_a_raw_jit_is_shared_as_in_haiku() -> None:
    with hk.ownership.haiku():
        params = hk.transform(_built_in_jit).init(KEY, X)
    assert list(params) == ["linear"]


def _forced_in_a_stack(m: Any) -> Any:
    def program(x: jax.Array) -> jax.Array:
        x = m.Linear(4, name=m.experimental.force_name("shared"))(x)
        return m.layer_stack(2)(lambda x: m.Linear(4, name=m.experimental.force_name("shared"))(x))(x)

    return program


def test_a_forced_name_is_one_parameter_in_a_layer_stack_too() -> None:
    assert len(haiku.transform(_forced_in_a_stack(haiku)).init(KEY, X)) == 2  # what Haiku does
    model = hk.transform(_forced_in_a_stack(hk))
    params = model.init(KEY, X)
    assert list(params) == ["shared"]
    w, b = params["shared"]["w"], params["shared"]["b"]
    expected = X
    for _ in range(3):
        expected = expected @ w + b
    assert jnp.allclose(model.apply(params, None, X), expected)


def test_a_forced_name_in_a_layer_stack_as_in_haiku() -> None:
    with hk.ownership.context(forced_names_in_stacks="haiku"):
        ours = hk.transform(_forced_in_a_stack(hk)).init(KEY, X)
    theirs = haiku.transform(_forced_in_a_stack(haiku)).init(KEY, X)
    assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), ours, theirs))


def _used_twice(m: Any) -> Any:
    class User(m.Module):
        def __init__(self, table: Any, name: str | None = None):
            super().__init__(name=name)
            self.table = table

        def __call__(self, x: jax.Array) -> jax.Array:
            return self.table(x)

    def program(x: jax.Array) -> jax.Array:
        table = m.Linear(4, name="table")
        return User(table, name="a")(x) + User(table, name="b")(x)

    return program


def _counted(m: Any) -> list[int]:
    table = m.experimental.tabulate(_used_twice(m), columns=["params_size"], tabulate_kwargs={"tablefmt": "plain"})
    return [int(row.replace(",", "")) for row in table(X).splitlines()[1:]]


def test_tabulate_counts_a_shared_parameter_once() -> None:
    assert _counted(haiku) == [20, 20, 20, 20]  # a, the table, b, the table again
    assert _counted(hk) == [0, 20, 0, 20]
    with hk.ownership.context(tabulate_shared="haiku"):
        assert _counted(hk) == _counted(haiku)


def _nested(m: Any) -> Any:
    class Deep(m.Module):
        def __call__(self, x: jax.Array) -> jax.Array:
            return m.BatchNorm(True, True, 0.9)(m.nets.MLP([3, 2])(x) + m.Linear(2)(x), is_training=True)

        def other(self, x: jax.Array, y: Any = None) -> Any:
            return {"out": m.Linear(1, name="last")(x), "y": y}

    def program(x: jax.Array) -> Any:
        deep = Deep()
        return deep(x), deep.other(x, y=(1, x))

    return program


def test_tables_without_sharing_are_dm_haiku_s() -> None:
    theirs, ours = (m.experimental.tabulate(_nested(m))(X) for m in (haiku, hk))
    assert ours == theirs


def test_settings_are_checked() -> None:
    with pytest.raises(ValueError, match="second_request"):
        hk.ownership.set(second_request="yes")


class Embed(hk.Module):
    def __call__(self, tokens: jax.Array) -> jax.Array:
        return hk.get_global_parameter("table")[tokens]


class Unembed(hk.Module):
    def __call__(self, x: jax.Array) -> jax.Array:
        return x @ hk.get_global_parameter("table", "transpose")


class Model(hk.Module):
    def __call__(self, tokens: jax.Array) -> jax.Array:
        hk.declare_global_parameter("table", [11, 4], init=hk.initializers.RandomNormal())
        return Unembed()(Embed()(tokens))


TOKENS = jnp.array([[1, 2]])


def test_a_global_parameter_has_one_owner() -> None:
    model = hk.transform(lambda tokens: Model()(tokens))
    params = model.init(KEY, TOKENS)
    assert jax.tree.map(jnp.shape, params) == {"model": {"table": (11, 4)}}
    table = params["model"]["table"]
    assert jnp.allclose(model.apply(params, None, TOKENS), table[TOKENS] @ table.T)
    ledger = model.plan(TOKENS).ledger
    assert ledger.users_of("model/table") == ("model/table", "model/embed/table", "model/unembed/table")
    grads = jax.grad(lambda p: model.apply(p, None, TOKENS).sum())(params)
    assert grads["model"]["table"].shape == (11, 4)


def test_global_parameters_are_known_inside_of_their_module_only() -> None:
    def program(tokens: jax.Array) -> jax.Array:
        Model()(tokens)
        return Embed()(tokens)

    with pytest.raises(UndeclaredError, match="table"):
        hk.transform(program).init(KEY, TOKENS)


def test_two_models_have_their_own() -> None:
    params = hk.transform(lambda tokens: Model()(tokens) + Model()(tokens)).init(KEY, TOKENS)
    assert list(params) == ["model", "model_1"]


def test_a_second_declaration_is_an_error() -> None:
    def program() -> None:
        hk.declare_global_parameter("table", [2], init=jnp.zeros)
        hk.declare_global_parameter("table", [2], init=jnp.zeros)

    with pytest.raises(DeclaredTwiceError):
        hk.transform(program).init(None)


def _language_model(tokens: jax.Array) -> jax.Array:
    x = hk.Embed(11, 4, name="embed")(tokens)
    return hk.Linear(11, with_bias=False, name="head")(x)


def test_ties_from_outside() -> None:
    model = hk.transform(_language_model, ties={"head/w": "embed/embeddings | transpose"})
    params = model.init(KEY, TOKENS)
    assert list(params) == ["embed"]
    table = params["embed"]["embeddings"]
    assert jnp.allclose(model.apply(params, None, TOKENS), table[TOKENS] @ table.T)
    assert jnp.array_equal(table, hk.transform(_language_model).init(KEY, TOKENS)["embed"]["embeddings"])


def test_share_in_the_program() -> None:
    def program(tokens: jax.Array) -> jax.Array:
        embed = hk.Embed(11, 4)
        head = hk.Linear(11, with_bias=False, share={"w": embed.ref("embeddings").T})
        return head(embed(tokens))

    model = hk.transform(program)
    params = model.init(KEY, TOKENS)
    assert list(params) == ["embed"]
    table = params["embed"]["embeddings"]
    assert jnp.allclose(jax.jit(model.apply)(params, None, TOKENS), table[TOKENS] @ table.T)


def test_low_rank_adaptation_of_a_program() -> None:
    plain = hk.transform(_language_model)
    adapted = hk.transform(_language_model, stages={"head/w": ["lora(2)"]})
    params, new = plain.init(KEY, TOKENS), adapted.init(KEY, TOKENS)
    assert set(new["head"]) == {"w", "w.lora.down", "w.lora.up"}
    assert jnp.array_equal(new["head"]["w"], params["head"]["w"])
    assert jnp.array_equal(adapted.apply(new, None, TOKENS), plain.apply(params, None, TOKENS))
    moved = {**new, "head": {**new["head"], "w.lora.up": new["head"]["w.lora.up"] + 1, "w.lora.down": jnp.ones((4, 2))}}
    assert not jnp.allclose(adapted.apply(moved, None, TOKENS), plain.apply(params, None, TOKENS))


def test_a_state_that_depends_on_a_borrowed_value() -> None:
    """The initial value of the state is computed from the tied weight, not from a stand-in."""

    def program(tokens: jax.Array) -> jax.Array:
        out = _language_model(tokens)
        hk.set_state("last", out)
        return out

    model = hk.transform_with_state(program, ties={"head/w": "embed/embeddings | transpose"})
    params, state = model.init(KEY, TOKENS)
    table = params["embed"]["embeddings"]
    assert jnp.allclose(state["~"]["last"], table[TOKENS] @ table.T)


def test_a_parameter_that_depends_on_a_borrowed_state() -> None:
    """The parameter's first value is computed from what the state's owner has, through the view."""

    def program(x: jax.Array) -> jax.Array:
        hk.set_state("a", x)
        with hk.name_scope("m"):
            b = hk.get_state("b", (2,), init=jnp.zeros)
            return hk.get_parameter("w", (2,), init=lambda shape, dtype: 2 * b)

    model = hk.transform_with_state(program, ties={"m/b": "~/a | scale(3)"})
    params, state = model.init(None, jnp.arange(2.0))
    assert params["m"]["w"].tolist() == [0, 6] and state["~"].keys() == {"a"} and "m" not in state


def test_init_computes_no_forward_pass() -> None:
    """What the values do not depend on is not run, so its effects are not seen either."""
    seen = []

    def program(x: jax.Array) -> jax.Array:
        out = hk.Linear(3)(x)
        return jax.pure_callback(lambda x: (seen.append(1), x)[1], jax.ShapeDtypeStruct(out.shape, out.dtype), out)

    hk.transform(program).init(KEY, X)
    assert not seen


def test_a_program_that_looks_at_values_runs_as_it_is() -> None:
    def program(x: jax.Array) -> jax.Array:
        layer = hk.Linear(3 if x.sum() > 0 else 2)
        return layer(x)

    assert hk.transform(program).init(KEY, X)["linear"]["w"].shape == (4, 3)
    assert hk.transform(program).plan(X).ledger.count() == 15


def test_side_effects_happen_once() -> None:
    log: list[str] = []

    def program(x: jax.Array) -> jax.Array:
        layer = hk.Linear(3)
        log.append(layer.module_name)
        return layer(x)

    hk.transform(program).init(KEY, X)
    assert log == ["linear"]


def test_threads_transform_at_once() -> None:
    model = hk.transform(_language_model)
    expected = model.init(KEY, TOKENS)
    found: list[Any] = []

    def work() -> None:
        params = hk.transform(_language_model).init(KEY, TOKENS)
        found.append(model.apply(params, None, TOKENS))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert all(jnp.array_equal(out, model.apply(expected, None, TOKENS)) for out in found)


def test_no_tracer_outlives_its_trace() -> None:
    model = hk.transform_with_state(lambda x: hk.BatchNorm(True, True, 0.9)(hk.nets.MLP([3])(x), True))
    with jax.checking_leaks():
        model.plan(X)  # here the trial run that init tries first says what it leaks
        params, state = model.init(KEY, X)
        jax.jit(model.apply)(params, state, None, X)
        jax.jit(model.init)(KEY, X)


def test_one_module_class_for_both_front_ends() -> None:
    assert issubclass(hk.Linear, hk.Module) and hk.Module is tn.Module
    params = tn.transform(lambda x: hk.Linear(3)(x)).init(KEY, X)
    assert params["linear"]["w"].shape == (4, 3)


def test_the_first_init_may_be_inside_of_a_jit() -> None:
    """Whether a trace is around is not remembered from the first call."""
    traces._untraced.cache_clear()
    model = hk.transform(_language_model)
    inside = jax.jit(lambda key: model.init(key, TOKENS))(KEY)
    outside = model.init(KEY, TOKENS)
    assert jax.tree.all(jax.tree.map(lambda a, b: bool(jnp.allclose(a, b)), inside, outside))


def test_a_function_of_which_all_is_needed_runs_as_it_is_the_next_time() -> None:
    """Batch norm's first average is that of the first batch, with the bits of operations run one by one."""
    dm_haiku = pytest.importorskip("haiku")
    seen: list[str] = []

    def program(library: Any, x: jax.Array) -> jax.Array:
        seen.append(type(x).__name__)
        return library.BatchNorm(True, True, 0.9)(library.Linear(50)(x), True)

    theirs, ours = (m.transform_with_state(lambda x, m=m: program(m, x)) for m in (dm_haiku, hk))
    x = jax.random.normal(KEY, (9, 40))
    expected = theirs.init(KEY, x)
    for _ in range(2):
        seen.clear()
        found = ours.init(KEY, x)
        assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), found, expected))
    assert seen == ["ArrayImpl"]
    assert ours.init.plan(x).ledger.count() == 2150


def test_a_function_that_prints_prints_values_and_once(capsys: pytest.CaptureFixture[str]) -> None:
    def program(x: jax.Array) -> jax.Array:
        print("x is", x.sum())
        return hk.Linear(3)(x)

    hk.transform(program).init(KEY, jnp.ones((1, 4)))
    hk.transform(lambda x: hk.Linear(3)(x)).init(KEY, jnp.ones((1, 4)))
    print("and then")
    assert capsys.readouterr().out == "x is 4.0\nand then\n"


def test_a_function_that_logs_logs_values_and_once(caplog: pytest.LogCaptureFixture) -> None:
    def program(x: jax.Array) -> jax.Array:
        logging.getLogger("program").warning("x is %s", x.sum())
        return hk.Linear(3)(x)

    hk.transform(program).init(KEY, jnp.ones((1, 4)))
    assert [record.getMessage() for record in caplog.records] == ["x is 4.0"]


def test_numpy_inputs_stay_numpy() -> None:
    """Their types promote by numpy's rules, and a program may ask what they are."""
    x = np.ones((2, 3), np.int16)

    def program(m: Any, x: Any) -> Any:
        scale = m.get_parameter("scale", x.shape[-1:], (x[0] * 1).dtype, init=jnp.ones)
        size = 2 if isinstance(x, np.ndarray) else 3
        return m.Linear(size)(jnp.asarray(x, jnp.float32)) * scale.sum()

    theirs, ours = (m.transform(lambda x, m=m: program(m, x)).init(KEY, x) for m in (haiku, hk))
    assert jax.tree.map(lambda a: (a.shape, a.dtype), ours) == jax.tree.map(lambda a: (a.shape, a.dtype), theirs)


def test_globals_that_init_sets_are_values() -> None:
    def program(x: jax.Array) -> jax.Array:
        global _kept
        _kept = hk.Linear(3)(x)
        return _kept

    hk.transform(program).init(KEY, X)
    assert not isinstance(_kept, jax.core.Tracer)


_kept: Any = None


def test_other_threads_may_print_during_init(capsys: pytest.CaptureFixture[str]) -> None:
    def program(x: jax.Array) -> jax.Array:
        thread = threading.Thread(target=print, args=("elsewhere",))
        thread.start()
        thread.join()
        return hk.Linear(3)(x)

    hk.transform(program).init(KEY, jnp.ones((1, 4)))
    assert capsys.readouterr().out == "elsewhere\n"
