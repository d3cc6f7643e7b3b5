"""One small program for each mistake: `CASES[name]` is (the error's type, a function that makes the mistake).

The messages name lines of this file, so add at its end, and rewrite the snapshots after an edit further up.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

import tenure as tn
from tenure.core import errors
from tenure.surgery import ties

CASES, TOKENS = {}, jnp.zeros((2, 3), int)
X = jnp.ones((2, 4))


def mistake(error):
    """Decorator: calling the function raises that type of error."""

    def register(function):
        CASES[function.__name__] = error, function
        return function

    return register


def normal(shape, dtype):
    return jax.random.normal(tn.next_rng_key(), shape, dtype)


class Embed(tn.Module):
    def __init__(self, vocab, size, name=None):
        super().__init__(name=name)
        self.vocab, self.size = vocab, size

    def __call__(self, ids):
        return tn.get_parameter("w", (self.vocab, self.size), init=normal, axes=("vocab", "embed"))[ids]


class Linear(tn.Module):
    def __init__(self, size, with_bias=True, dtype=jnp.float32, axes=None, name=None):
        super().__init__(name=name)
        self.size, self.with_bias, self.dtype, self.axes = size, with_bias, dtype, axes

    def __call__(self, x):
        w = tn.get_parameter("w", (x.shape[-1], self.size), self.dtype, normal, axes=self.axes)
        return x @ w + tn.get_parameter("b", (self.size,), init=jnp.zeros) if self.with_bias else x @ w


def lm(share=None, **options):
    """A language model whose head may share."""

    def run(tokens):
        embed = Embed(11, 4, name="embed")
        head = Linear(11, name="head", share=share, **options)
        return head(embed(tokens))

    return run


def plan(function, x=TOKENS, ties=None):
    return tn.transform(function, ties=ties).plan(x)


@mistake(errors.UnknownOwnerError)
def no_owner():
    plan(lm(share={"w": "embd/w | transpose"}))


@mistake(errors.UnknownOwnerError)
def no_owner_in_ties():
    plan(lm(), ties={"head/w": "embed/weight | transpose"})


@mistake(errors.UnknownOwnerError)
def no_owner_in_concat():
    plan(lm(), ties={"head/w": "embed/w | concat('embd/w') | transpose"})


@mistake(errors.UnusedTieError)
def typo_in_tie():
    plan(lm(), ties={"heed/w": "embed/w | transpose"})


@mistake(errors.UnusedTieError)
def typo_in_share():
    plan(lm(share={"W": "embed/w | transpose"}))


@mistake(errors.UnusedTieError)
def tie_never_used():
    plan(lm(with_bias=False), ties={"head/b": "embed/w | index(0)"})


@mistake(errors.UnusedTieError)
def tie_of_a_module_never_used():
    plan(lm(), ties={"decoder/*": "embed"})


@mistake(errors.UnknownViewError)
def typo_in_view():
    plan(lm(share={"w": "embed/w | transpos"}))


@mistake(errors.ViewSyntaxError)
def typo_in_argument_of_view():
    plan(lm(), ties={"head/w": "embed/w | slice(0, 4, axes=1)"})


@mistake(errors.ViewSyntaxError)
def missing_argument_of_view():
    plan(lm(), ties={"head/w": "embed/w | split(3)"})


@mistake(errors.ViewSyntaxError)
def open_bracket():
    plan(lm(), ties={"head/w": "embed/w | slice(0, 4"})


@mistake(errors.ViewSyntaxError)
def pattern_of_einops():
    plan(lm(), ties={"head/w": "embed/w | einops('v d -> d')"})


@mistake(errors.PathSyntaxError)
def malformed_reference():
    plan(lm(share={"w": "embed//w"}))


@mistake(errors.PathSyntaxError)
def malformed_tie():
    plan(lm(), ties={"head w": "embed/w"})


@mistake(errors.PathSyntaxError)
def tie_to_a_number():
    plan(lm(), ties={"head/w": 3})


@mistake(errors.PathSyntaxError)
def tie_written_twice():
    plan(lm(), ties={"head/w": "embed/w | transpose", "/head/w": tn.own})


@mistake(errors.PathSyntaxError)
def share_is_no_dict():
    plan(lm(share=3))


@mistake(errors.PathSyntaxError)
def module_name():
    plan(lambda x: Linear(3, name="my layer")(x), X)


@mistake(errors.ViewShapeError)
def shape_lacks_transpose():
    plan(lm(share={"w": "embed/w"}))


@mistake(errors.ViewShapeError)
def shape_lacks_transpose_in_ties():
    plan(lm(), ties={"head/w": "embed/w"})


@mistake(errors.ViewShapeError)
def shape_of_a_stack():
    def model(x):
        x = tn.layer_stack(3)(lambda x: Linear(4, name="layer")(x))(x)
        return Linear(4, name="last", share={"w": "layer_stack/layer/w"})(x)

    plan(model, X)


@mistake(errors.ViewShapeError)
def shape_lacks_slice():
    plan(lambda x: Linear(2, name="small", share={"w": "big/w"})(x) + Linear(6, name="big")(x)[:, :2], X)


@mistake(errors.ViewShapeError)
def shape_lacks_reshape():
    def model(x):
        tn.get_parameter("flat", (8,), init=normal)
        return Linear(2, name="small", share={"w": "/~/flat"})(x)

    plan(model, X)


@mistake(errors.ViewShapeError)
def shape_that_no_view_gives():
    plan(lambda x: Linear(7, name="a", share={"w": "b/w"})(x) + Linear(1, name="b")(x), X)


@mistake(errors.ViewShapeError)
def view_that_does_not_fit():
    plan(lm(), ties={"head/w": "embed/w | permute(2, 0, 1)"})


@mistake(errors.ViewShapeError)
def index_out_of_bounds():
    plan(lm(), ties={"head/b": "embed/w | index(11)"})


@mistake(errors.ViewShapeError)
def concat_that_does_not_fit():
    plan(lm(), ties={"head/w": "embed/w | transpose | concat('head/b')"})


@mistake(errors.ViewShapeError)
def opaque_function_fails():
    plan(lm(share={"w": tn.Ref.parse("embed/w") | (lambda w: w @ w)}))


@mistake(errors.ViewShapeError)
def dtype_of_the_owner():
    plan(lm(share={"w": "embed/w | transpose"}, dtype=jnp.bfloat16))


@mistake(errors.ViewShapeError)
def given_shape():
    plan(lm(share={"w": np.zeros((11, 4), np.float32)}))


@mistake(errors.GivenTooLateError)
def given_too_late():
    def model(x):
        first = Linear(4, name="first", share={"w": "second/w"})(x)
        return Linear(4, name="second", share={"w": jnp.ones((4, 4))})(first)

    plan(model, X)


@mistake(errors.NotSerialisableError)
def opaque_as_data():
    (tn.Ref.parse("embed/w") | np.flip).to_json()


@mistake(errors.NotSerialisableError)
def opaque_from_its_print():
    tn.Ref.parse(str(tn.Ref.parse("embed/w") | np.flip))


@mistake(errors.CycleError)
def cycle():
    plan(lm(share={"w": "embed/w | transpose"}), ties={"embed/w": "head/w | transpose"})


@mistake(errors.CycleError)
def cycle_of_one():
    plan(lm(), ties={"embed/w": "embed/w | scale(2)"})


@mistake(errors.UndeclaredError)
def borrow_without_declaration():
    class Head(tn.Module):
        def __call__(self, x):
            return x @ tn.borrow("globl_embed").T

    class Parent(tn.Module):
        def __call__(self, x):
            tn.declare("global_embed", (11, 4), init=normal)
            return Head()(x)

    plan(lambda x: Parent()(x), X)


@mistake(errors.UndeclaredError)
def borrow_with_nothing_declared():
    class Head(tn.Module):
        def __call__(self, x):
            return x @ tn.borrow("global_embed").T

    plan(lambda x: Head()(x), X)


@mistake(errors.DeclaredTwiceError)
def two_declarations():
    class Parent(tn.Module):
        def __call__(self, x):
            tn.declare("global_embed", (11, 4), init=normal)
            tn.declare("global_embed", (11, 4), init=normal)
            return x

    plan(lambda x: Parent()(x), X)


@mistake(errors.ViewShapeError)
def borrow_through_a_view_that_does_not_fit():
    class Parent(tn.Module):
        def __call__(self, x):
            tn.declare("global_embed", (11, 4), init=normal)
            return self.use(x)

        def use(self, x):
            with tn.name_scope("use"):
                return x @ tn.borrow("global_embed", "split(3, 0)").T

    plan(lambda x: Parent()(x), X)


@mistake(errors.PathConflictError)
def two_instances():
    def model(x):
        a = Linear(4, name=tn.force_name("shared"))
        b = Linear(4, name=tn.force_name("shared"))
        return a(x) + b(x)

    plan(model, X)


@mistake(errors.PathConflictError)
def numbered_name_taken():
    plan(lambda x: [Linear(4, name="layer"), Linear(4, name="layer"), Linear(4, name="layer_1")], X)


@mistake(errors.RequestConflictError)
def two_shapes():
    def model(x):
        tn.get_parameter("w", (4,), init=jnp.zeros)
        return tn.get_parameter("w", (5,), init=jnp.zeros)

    plan(model, X)


@mistake(errors.RequestConflictError)
def two_dtypes():
    def model(x):
        tn.get_parameter("w", (4,), init=jnp.zeros)
        return tn.get_parameter("w", (4,), jnp.bfloat16, jnp.zeros)

    plan(model, X)


@mistake(errors.RequestConflictError)
def two_initialisers():
    def model(x):
        tn.get_parameter("w", (4,), init=jnp.zeros)
        return tn.get_parameter("w", (4,), init=jnp.ones)

    plan(model, X)


@mistake(errors.OutsideTransformError)
def parameter_outside_transform():
    tn.get_parameter("w", (4,), init=jnp.zeros)


@mistake(errors.OutsideTransformError)
def module_outside_transform():
    Linear(4)


@mistake(errors.LeakedTracerError)
def tracer_leaked():
    kept = []

    def model(x):
        w = tn.get_parameter("w", (4,), init=jnp.ones) * x
        if kept:
            return w + kept[0]
        kept.append(w)
        return w

    transformed = tn.transform(model)
    transformed.apply(transformed.init(0, X), None, X)


@mistake(errors.LeakedTracerError)
def state_set_inside_jit():
    def model(x):
        @jax.jit
        def count(x):
            tn.set_state("count", x.sum())
            return x

        return count(x)

    tn.transform_with_state(model).plan(X)


@mistake(errors.CachedTransformError)
def module_inside_jit():
    def model(x):
        @jax.jit
        def layer(x):
            return Linear(4)(x)

        return layer(x)

    plan(model, X)


@mistake(errors.CachedTransformError)
def module_inside_scan():
    def model(x):
        def step(x, _):
            return Linear(4)(x), None

        return jax.lax.scan(step, x, None, length=3)[0]

    plan(model, X)


@mistake(errors.CachedTransformError)
def module_inside_checkpoint():
    def model(x):
        return jax.checkpoint(lambda x: Linear(4)(x))(x)

    plan(model, X)


def trained(share=None):
    model = tn.transform(lm(share=share))
    return model, model.init(0, TOKENS)


@mistake(errors.MissingParameterError)
def parameter_missing_in_apply():
    model, params = trained()
    params["haed"] = params.pop("head")
    model.apply(params, None, TOKENS)


@mistake(errors.MissingParameterError)
def owner_missing_in_apply():
    model, params = trained({"w": "embed/w | transpose"})
    model.apply({"head": params["head"]}, None, TOKENS)


@mistake(errors.ParameterShapeError)
def shape_in_apply():
    model, params = trained()
    params["head"]["w"] = params["head"]["w"].T
    model.apply(params, None, TOKENS)


@mistake(errors.BorrowedInParamsError)
def leaf_for_a_borrower_in_apply():
    model, params = trained({"w": "embed/w | transpose"})
    params["head"]["w"] = params["embed"]["w"].T
    model.apply(params, None, TOKENS)


@mistake(errors.MissingParameterError)
def params_are_no_params():
    model, _ = trained()
    model.apply(TOKENS, None)


@mistake(errors.ForbiddenSlotError)
def forbidden_slot():
    plan(lm(share={"w": "embed/w | transpose", "*": tn.forbid}))


@mistake(errors.MissingParameterError)
def no_initialiser():
    tn.transform(lambda x: tn.get_parameter("w", (4,))).init(0, X)


@mistake(errors.TenureError)
def initialiser_makes_another_shape():
    tn.transform(lambda x: tn.get_parameter("w", (4,), init=lambda shape, dtype: jnp.zeros(3))).init(0, X)


@mistake(errors.RuleError)
def mask_for_a_borrower():
    plan(lm(share={"w": "embed/w | transpose"})).ledger.mask("head/w")


@mistake(errors.RuleError)
def label_for_nothing():
    plan(lm()).ledger.labels({"haed/*": "slow", "embed/w": "fast"})


@mistake(errors.RuleError)
def sharding_of_an_unknown_axis():
    mesh = jax.make_mesh((1,), ("model",), axis_types=(jax.sharding.AxisType.Auto,))
    plan(lm()).ledger.shardings(mesh, {"vocb": "model"})


@mistake(errors.RuleError)
def sharding_over_an_unknown_mesh_axis():
    mesh = jax.make_mesh((1,), ("model",), axis_types=(jax.sharding.AxisType.Auto,))
    plan(lm()).ledger.shardings(mesh, {"vocab": "modle"})


@mistake(errors.RuleError)
def placement_without_a_stage():
    plan(lm(share={"w": "embed/w | transpose"})).ledger.placement({"first": "embed/**"})


@mistake(errors.UnknownSlotError)
def owner_of_an_unknown_slot():
    plan(lm()).ledger.owner_of("heed/w")


@mistake(errors.UnknownSlotError)
def owner_of_a_concat():
    def model(x):
        return (
            Linear(2, name="a")(x),
            Linear(2, name="b")(x),
            Linear(4, name="c", share={"w": "a/w | concat('b/w', axis=1)"})(x),
        )

    plan(model, X).ledger.owner_of("c/w")


@mistake(errors.NonEmptyStateError)
def state_under_transform():
    tn.transform(lambda x: tn.get_state("count", (), init=jnp.zeros)).init(0, X)


@mistake(errors.MissingParameterError)
def state_missing():
    tn.transform_with_state(lambda x: tn.get_state("count")).init(0, X)


@mistake(errors.StateError)
def state_created_in_a_loop():
    def model(x):
        def step(x, _):
            tn.set_state("total", x.sum())
            return x, None

        return tn.scan(step, x, None, length=3)[0]

    tn.transform_with_state(model).apply({}, {}, None, X)


@mistake(errors.NoInverseError)
def state_set_through_a_view_without_inverse():
    class Mean(tn.Module):
        def __call__(self, x, size):
            mean = tn.get_state("mean", (size,), init=jnp.zeros)
            tn.set_state("mean", mean + 1)

    def model(x):
        Mean(name="all")(x, 4)
        Mean(name="half", share={"mean": "all/mean | slice(0, 2)"})(x, 2)

    model = tn.transform_with_state(model)
    model.apply(*model.init(0, X), None, X)


@mistake(errors.MissingRNGError)
def key_missing_in_apply():
    tn.transform(lambda x: x + jax.random.normal(tn.next_rng_key(), x.shape)).apply({}, None, X)


@mistake(errors.MissingRNGError)
def key_missing_in_init():
    tn.transform(lm()).init(None, TOKENS)


@mistake(errors.UnknownOwnerError)
def ambiguous_address():
    class Coder(tn.Module):
        def encode(self, x):
            return Linear(4, name="inner")(x)

        def decode(self, x):
            return Linear(4, name="inner")(x)

    def model(x):
        coder = Coder()
        return coder.decode(coder.encode(x)) + Linear(4, name="last", share={"w": "coder/inner/w"})(x)

    plan(model, X)


@mistake(errors.AxesError)
def number_of_axes():
    plan(lm(axes=("embed",)))


@mistake(errors.AxesError)
def axes_that_disagree():
    plan(lm(share={"w": "embed/w | transpose"}, axes=("model", "vocab")))


@mistake(errors.TenureError)
def reference_as_value():
    def model(tokens):
        embed = Embed(11, 4, name="embed")
        return embed(tokens) @ jnp.asarray(embed.ref("w").T)

    plan(model)


@mistake(errors.TenureError)
def constructor_without_super():
    class Bare(tn.Module):
        def __init__(self, size):
            self.size = size

    plan(lambda x: Bare(3), X)


@mistake(errors.ViewSyntaxError)
def view_registered_under_a_name_that_is_taken():
    tn.views.register("transpose", lambda x: x)


@mistake(errors.UnknownOwnerError)
def no_owner_for_a_whole_module():
    plan(lambda x: Linear(4, name="a", share={"*": "bb"})(x) + Linear(4, name="b")(x), X)


@mistake(errors.TieValueError)
def two_values_for_a_tie():
    model = tn.transform(lm())
    ties.tie(model.plan(TOKENS), model.init(0, TOKENS), {"head/w": "embed/w | transpose"})


@mistake(errors.UnknownSlotError)
def untie_an_owner():
    model = tn.transform(lm())
    ties.untie(model.plan(TOKENS), model.init(0, TOKENS), "head/w")


def staged(stages=None, share=None, use=None, **options):
    def model(tokens):
        embed = Embed(11, 4, name="embed")
        head = Linear(11, with_bias=False, share=share or {"w": "embed/w | transpose"}, stages=use, name="head")
        return head(embed(tokens))

    return tn.transform(model, stages=stages, **options)


@mistake(errors.BorrowerStageError)
def stage_on_a_borrower_that_its_owner_lacks():
    staged(use={"w": ["noise(0.1)"]}).plan(TOKENS)


@mistake(errors.BorrowerStageError)
def stage_on_a_borrower_with_another_option():
    staged({"embed/w": ["noise(0.05)"]}, use={"w": ["noise(0.1)"]}).plan(TOKENS)


@mistake(errors.BorrowerStageError)
def stage_on_a_borrower_that_taps_before_it():
    staged({"embed/w": ["noise(0.1)"]}, {"w": "embed/w@weight | transpose"}, {"w": ["noise(0.1)"]}).plan(TOKENS)


@mistake(errors.UnknownStageError)
def unknown_stage():
    staged({"**/w": ["nois(0.1)"]}).plan(TOKENS)


@mistake(errors.StageSyntaxError)
def unknown_option_of_a_stage():
    staged({"**/w": [["noise", {"sdt": 0.1}]]}).plan(TOKENS)


@mistake(errors.StageSyntaxError)
def stages_that_are_no_list():
    plan(lambda x: tn.get_parameter("w", (2, 2), init=jnp.zeros, stages=0.05))


@mistake(errors.StageOrderError)
def noise_before_norm():
    staged({"embed/w": ["noise(0.1)", "weight_norm"]}).plan(TOKENS)


@mistake(errors.StageOrderError)
def two_stages_of_one_name():
    staged({"embed/w": ["noise(0.1)", "noise(0.2)"]}).plan(TOKENS)


@mistake(errors.StageShapeError)
def stage_that_does_not_fit():
    staged({"embed/w": ["low_rank(7)"]}).plan(TOKENS)


@mistake(errors.StageShapeError)
def symmetric_matrix_that_is_not_square():
    staged({"**/w": ["symmetric"]}).plan(TOKENS)


@mistake(errors.UnusedStageError)
def stages_that_select_nothing():
    staged({"embd/w": ["noise(0.1)"]}).plan(TOKENS)


@mistake(errors.UnusedStageError)
def stages_of_a_module_that_select_nothing():
    staged(use={"v": ["noise(0.1)"]}).plan(TOKENS)


@mistake(errors.RuleError)
def stages_for_a_borrower():
    staged({"head/w": ["noise(0.1)"]}).plan(TOKENS)


@mistake(errors.PathSyntaxError)
def unknown_tap():
    staged(share={"w": "embed/w@wieght | transpose"}).plan(TOKENS)


@mistake(errors.MergeError)
def merge_of_one_use():
    model = staged({"head/w": [tn.on_use("lora(2)")]})
    tn.merge(model.plan(TOKENS), model.init(0, TOKENS), "head/w")


@mistake(errors.MergeError)
def merge_on_a_borrower():
    model = staged({"embed/w": ["lora(2)"]})
    tn.merge(model.plan(TOKENS), model.init(0, TOKENS), "head/w")


@mistake(errors.NoInverseError)
def weight_that_no_stored_value_gives():
    model = staged({"embed/w": ["low_rank(1)"]})
    tn.assign(model.plan(TOKENS), model.init(0, TOKENS), {"embed/w": jnp.eye(11, 4)})


@mistake(errors.NoInverseError)
def weight_for_a_stage_without_a_way_back():
    model = staged({"embed/w": ["standardise"]})
    tn.assign(model.plan(TOKENS), model.init(0, TOKENS), {"embed/w": jnp.eye(11, 4)})


@mistake(errors.RuleError)
def weight_for_a_borrower():
    model = staged({"embed/w": ["lora(2)"]})
    tn.assign(model.plan(TOKENS), model.init(0, TOKENS), {"head/w": jnp.eye(4, 11)})


@mistake(errors.MissingRNGError)
def noise_without_a_key():
    model = staged({"embed/w": ["noise(0.1)"]})
    model.apply(model.init(0, TOKENS), None, TOKENS)


@mistake(errors.ParameterShapeError)
def params_that_a_stage_does_not_store():
    model = staged({"embed/w": ["low_rank(2)"]})
    params = model.init(0, TOKENS)
    model.apply({**params, "embed": {**params["embed"], "w": jnp.zeros((11, 4))}}, None, TOKENS)


@mistake(errors.UnknownStageError)
def adapter_that_there_is_not():
    model = staged({"embed/w": ["lora(2, switchable=True, name='french')"]})
    tn.activate(model.plan(TOKENS), model.init(0, TOKENS), "frensh")


@mistake(errors.NonEmptyStateError)
def stage_with_state_under_transform():
    staged({"embed/w": ["ema(0.9)"]}).init(0, TOKENS)


@mistake(errors.RuleError)
def mask_of_a_stage_that_keeps_nothing():
    staged({"embed/w": ["lora(2)"]}).plan(TOKENS).ledger.mask("@lorra")


@mistake(errors.UnknownLeafError)
def adapted_params_for_the_plain_model():
    adapted, plain = staged({"embed/w": ["lora(2)"]}), staged({})
    plain.apply(adapted.init(0, TOKENS), None, TOKENS)


@mistake(errors.UnknownLeafError)
def params_with_a_leaf_that_nobody_asks_for():
    model = staged({})
    params = model.init(0, TOKENS)
    model.apply({**params, "embed": {**params["embed"], "ww": jnp.zeros(2)}}, None, TOKENS)


@mistake(errors.LayerStackError)
def stack_of_a_fraction_of_a_layer():
    plan(lambda x: tn.layer_stack(2.5)(lambda x: x)(x))


@mistake(errors.LayerStackError)
def layer_that_gives_another_shape():
    plan(lambda x: tn.layer_stack(2)(lambda x: x[:1])(x))


@mistake(errors.CachedTransformError)
def key_in_a_raw_scan():
    plan(lambda x: jax.lax.scan(lambda c, _: (c, tn.next_rng_key()), 0, None, 3)[1])


@mistake(errors.RuleError)
def sharding_that_does_not_divide():
    mesh = jax.sharding.AbstractMesh((4,), ("model",))
    plan(lm()).ledger.shardings(mesh, {"embed/w": "model"})


@mistake(errors.RuleError)
def mask_that_says_neither_true_nor_false():
    plan(lm()).ledger.mask(lambda row: row.path)


@mistake(errors.StateError)
def lanes_with_states_of_their_own():
    def f(x):
        return tn.vmap(lambda x: tn.set_state("last", x.sum()))(x)

    tn.transform_with_state(f).init(0, jnp.ones((2, 3)))


@mistake(errors.OptimizerStateError)
def untie_with_a_state_that_has_no_counterpart():
    model = tn.transform(lambda x: Linear(4, name="a")(x) + Linear(4, name="b", share={"w": "a/w"})(x))
    params = model.init(0, X)
    ties.untie(model.plan(X), params, "b/w", {"in a row": jax.tree.leaves(params)})


@mistake(errors.ParameterDtypeError)
def initialiser_that_makes_integers():
    tn.transform(lambda: tn.get_parameter("w", (2,), init=lambda shape, dtype: jnp.zeros(shape, int))).init(None)


@mistake(errors.ParameterDtypeError)
def params_of_integers():
    model = tn.transform(lm())
    params = model.init(0, TOKENS)
    model.apply({**params, "embed": {"w": params["embed"]["w"].astype(int)}}, None, TOKENS)


@mistake(errors.ParameterDtypeError)
def params_as_lists():
    model = tn.transform(lm())
    model.apply({**model.init(0, TOKENS), "embed": {"w": [[1.0]]}}, None, TOKENS)


@mistake(errors.MissingParameterError)
def params_as_flax_has_them():
    model = tn.transform(lm())
    model.apply({"params": model.init(0, TOKENS), "batch_stats": {}}, None, TOKENS)


@mistake(errors.MissingParameterError)
def params_without_an_adapter():
    params = tn.transform(lm()).init(0, TOKENS)
    staged({"embed/w": ["lora(2)"]}).apply(params, None, TOKENS)


@mistake(errors.TenureError)
def initialiser_that_is_a_number():
    tn.transform(lambda: tn.get_parameter("w", (2,), init=3)).init(None)


@mistake(errors.StageShapeError)
def stage_that_skips_what_it_is_asked_for():
    tn.transform(lm(), stages={"head/b": ["lora(2)"]}).plan(TOKENS)


@mistake(errors.TreeError)
def mask_of_half_the_params():
    tn.partition({"embed": {"w": X}, "head": {"w": X}}, {"embed": {"w": True}})


class Matryoshka(tn.Module):
    def __init__(self, depth, name=None):
        super().__init__(name=name)
        self.depth = depth

    def __call__(self, x):
        return Matryoshka(self.depth - 1)(x) if self.depth else x


@mistake(errors.NestingError)
def modules_nested_a_thousand_deep():
    plan(lambda x: Matryoshka(1000)(x))


@mistake(errors.ViewSyntaxError)
def reference_indexed_with_a_list():
    tn.Ref.parse("embed/w")[[1, 2]]


@mistake(errors.UnplannedShareError)
def shared_for_some_shapes_only():
    def f(x):
        one = tn.nn.Linear(3, name="one")
        return tn.nn.Linear(3, name="two", share={"w": one.ref("w")} if len(x) > 2 else None)(one(x))

    model = tn.transform(f)
    model.apply(model.init(0, jnp.ones((2, 3))), None, jnp.ones((4, 3)))


@mistake(errors.UnboundAxisError)
def axis_that_nobody_maps():
    model = tn.transform(lambda x: jax.lax.pmean(x, "devices"))
    model.apply(model.init(0, X), None, X)


@mistake(errors.ShardingError)
def sum_over_what_is_spread():
    mesh = jax.sharding.AbstractMesh((2,), ("data",), axis_types=(jax.sharding.AxisType.Explicit,))
    spread = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(None, "data"))
    model = tn.transform(lambda x: tn.nn.Linear(3)(x))
    params = model.init(0, X)
    rows = jax.sharding.PartitionSpec("data")
    with jax.sharding.use_abstract_mesh(mesh):
        params = jax.tree.map(lambda w: jax.ShapeDtypeStruct(w.shape, w.dtype), params)
        params["linear"]["w"] = params["linear"]["w"].update(sharding=jax.sharding.NamedSharding(mesh, rows))
        x = jax.ShapeDtypeStruct((3, X.shape[-1]), X.dtype, sharding=spread)
        jax.eval_shape(model.apply, params, None, x)
