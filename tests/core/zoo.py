"""Models that share parameters in every way there is. Each maps x of shape (2, 4) to the same shape."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

import tenure as tn


def normal(shape, dtype):
    return jax.random.normal(tn.next_rng_key(), shape, dtype) / 2


class Dense(tn.Module):
    """`x @ w + b`."""

    def __init__(self, size, with_bias=True, w_init=normal, name=None):
        super().__init__(name=name)
        self.size, self.with_bias, self.w_init = size, with_bias, w_init

    def __call__(self, x):
        x = x @ tn.get_parameter("w", (x.shape[-1], self.size), x.dtype, self.w_init)
        return x + tn.get_parameter("b", (self.size,), x.dtype, jnp.zeros) if self.with_bias else x


class Attention(tn.Module):
    """One matrix for queries, keys and values, as RETURNN's self-attention has it."""

    def __init__(self, name=None):
        super().__init__(name=name)

    def __call__(self, x):
        n = x.shape[-1]
        q, k, v = jnp.split(x @ tn.get_parameter("QKV", (n, 3 * n), x.dtype, normal), 3, -1)
        return jax.nn.softmax(q @ k.swapaxes(-1, -2)) @ v


class Mlp(tn.Module):
    """Two layers, built by the constructor: their names have a method segment, `mlp/~/first`."""

    def __init__(self, name=None):
        super().__init__(name=name)
        self.first, self.second = Dense(5, name="first"), Dense(4, name="second")

    def __call__(self, x):
        return self.second(jnp.tanh(self.first(x)))


class Coder(tn.Module):
    """One module with two methods on one parameter."""

    def w(self):
        return tn.get_parameter("w", (4, 6), init=normal)

    def encode(self, x):
        return x @ self.w()

    def decode(self, x):
        return x @ self.w().T


class Common(tn.Module):
    @property
    def w(self):
        return tn.get_parameter("w", (4, 4), init=normal)

    def __call__(self, x):
        return x @ self.w


class UsesCommon(tn.Module):
    def __init__(self, common, name=None):
        super().__init__(name=name)
        self.common = common

    def __call__(self, x):
        return self.common(x) + x @ self.common.w * tn.get_parameter("scale", (), init=jnp.ones)


class Borrower(tn.Module):
    def __call__(self, x):
        return x @ tn.borrow("shared")


class Transposer(tn.Module):
    def __call__(self, x):
        return x @ tn.borrow("shared", "transpose")


class Declarer(tn.Module):
    def __init__(self, name=None):
        super().__init__(name=name)
        tn.declare("shared", (4, 6), init=normal)
        self.down, self.up = Borrower(), Transposer()

    def __call__(self, x):
        return self.up(jnp.tanh(self.down(x)))


def by_object(x):
    embed = Dense(6, name="embed")
    return Dense(4, share={"w": embed.ref("w").T}, name="head")(embed(x))


def by_string(x):
    hidden = Dense(6, name="embed")(x)
    return Dense(4, share={"w": "embed/w | transpose"}, name="head")(hidden)


def plain(x):
    return Dense(4, name="head")(Dense(6, name="embed")(x))


def transitive(x):
    source = Dense(6, name="source_embed")
    target = Dense(6, name="target_embed", share={"w": "source_embed/w"})
    output = Dense(4, name="output_prob", share={"w": "target_embed/w | transpose"})
    return output(source(x) + target(x))


def forward_reference(x):
    head = Dense(4, name="head", share={"w": "embed/w | transpose"})
    y = head(jnp.concatenate([x, x[:, :2]], 1))
    return y + Dense(6, name="embed")(x)[:, :4]


def forward_chain(x):
    a = Dense(4, name="a", share={"w": "b/w | transpose"})(x)
    b = Dense(4, name="b", share={"w": "c/w | transpose"})(a)
    return Dense(4, name="c")(b)


def layer_loop(x):
    a = Dense(4, name="a", share={"b": "b/b"})
    b = Dense(4, name="b", share={"w": "a/w"})
    return a(b(a(x)))


def given(x):
    u = tn.get_parameter("u", (4, 2), init=normal)
    v = tn.get_parameter("v", (2, 4), init=normal)
    first = Dense(4, name="low_rank", share={"w": u @ v})(x)
    return Dense(4, name="again", share={"w": "low_rank/w | transpose"})(first)


def whole_module(x):
    first = Dense(4, name="first")
    return Dense(4, share=first, name="second")(first(x))


def whole_compound(x):
    return Mlp(name="two", share="one")(Mlp(name="one")(x))


def missing_is_owned(x):
    first = Dense(4, with_bias=False, name="first")
    return Dense(4, share={"*": ["first", None]}, name="second")(first(x))


def into_compound(x):
    other = Dense(5, name="other")
    y = Mlp(name="mlp", share={"second/w": "other/w | transpose", "first/w": other.ref("w")})(x)
    return y + other(x)[:, :4]


def many_views(x):
    big = Dense(12, name="big")
    y = big(x)
    y = Dense(4, name="sliced", share={"w": "big/w | slice(2, 6, axis=1)", "b": "big/b | slice(0, 4)"})(y[:, :4])
    y = Dense(4, name="split", share={"w": "big/w | split(3, 1, axis=1) | scale(0.5)"})(y)
    y = Dense(4, name="shaped", share={"w": "big/w | einops('i (n o) -> (n i) o', n=3) | slice(0, 4)"})(y)
    y = Dense(4, name="joined", share={"w": "split/w | slice(0, 2) | concat('sliced/w | slice(2, 4)')"})(y)
    return Dense(4, name="row", share={"b": "big/w | index(1) | split(3, 2)"})(y)


def frozen_use(x):
    embed = Dense(4, name="embed")
    return Dense(4, share={"w": embed.ref("w") | "stop_gradient"}, name="head")(embed(x))


def callable_view(x):
    attention = Attention(name="self_att")
    linear = Dense(12, with_bias=False, name="linear", share={"w": attention.ref("QKV") | (lambda w: w)})
    return attention(x) + linear(x)[:, :4]


def methods(x):
    coder = Coder(name="coder")
    return coder.decode(jnp.tanh(coder.encode(x)))


def common_part(x):
    common = Common(name="common")
    return UsesCommon(common, name="a")(x) + UsesCommon(common, name="b")(common(x))


def declared(x):
    return Declarer(name="p")(x) + Declarer(name="q")(x)


def called_twice(x):
    block = tn.to_module(lambda x: jnp.tanh(Dense(4)(x)))("block")
    return block(block(x))


def in_scan(x):
    shared = Dense(4, name="shared")

    def step(carry, row):
        inner = Dense(4, name="inner", share={"b": shared.ref("b")})
        return jnp.tanh(shared(carry) + inner(row)), carry.sum()

    return tn.scan(step, shared(x), jnp.stack([x, x, x]))[0]


def in_stack(x):
    shared = Dense(4, name="shared")

    @tn.layer_stack(3)
    def layer(x):
        own = Dense(4, name="own")
        return jnp.tanh(own(x)) + Dense(4, share={"w": shared.ref("w"), "b": own.ref("b")}, name="tied")(x)

    y = layer(shared(x))
    return Dense(4, name="second_layer", share={"w": "layer_stack/own/w | index(1) | transpose"})(y)


def stack_in_stack(x):
    outside = Dense(4, name="outside")

    @tn.layer_stack(2, name="outer")
    def outer(x):
        middle = Dense(4, name="middle")

        @tn.layer_stack(3, name="inner")
        def inner(x):
            return Dense(4, share={"w": middle.ref("w"), "b": outside.ref("b")}, name="leaf")(x) + Dense(
                4, name="mine"
            )(x)

        return jnp.tanh(inner(middle(x)))

    return outer(outside(x))


def in_loops(x):
    shared = Dense(4, name="shared")
    x = tn.fori_loop(0, 2, lambda i, x: jnp.tanh(shared(x)), x)
    x = tn.while_loop(lambda c: c[0] < 2, lambda c: (c[0] + 1, jnp.tanh(shared(c[1]))), (0, x))[1]
    x = tn.cond(x.sum() > 0, lambda x: Dense(4, name="pos", share=shared)(x), lambda x: Dense(4, name="neg")(x), x)
    return tn.switch(1, [shared, lambda x: Dense(4, name="s", share={"w": "neg/w"})(x)], x)


def in_vmap_and_remat(x):
    shared = Dense(4, name="shared")
    x = tn.vmap(lambda row: Dense(4, name="rowwise", share={"w": shared.ref("w").T})(row))(x)
    x = tn.remat(lambda x: jnp.tanh(shared(x)))(x)
    return tn.jit(lambda x: Dense(4, name="jitted", share={"b": "rowwise/b"})(x))(x)


def staged(x):
    embed = Dense(6, name="embed", stages={"w": ["lora(2, freeze=False)", "weight_norm"]})
    tapped = Dense(
        4, name="tapped", share={"w": "embed/w@stored | transpose"}, stages={"w": [tn.on_use("weight_norm")]}
    )
    return Dense(4, share={"w": embed.ref("w").T}, name="head")(embed(x)) + tapped(embed(x))


def staged_stack(x):
    @tn.layer_stack(3)
    def layer(x):
        own = Dense(4, name="own", stages={"w": ["low_rank(2)", "standardise"]})
        return jnp.tanh(own(x)) + Dense(4, share={"w": own.ref("w").T}, name="tied")(x)

    return Dense(4, name="second_layer", share={"w": "layer_stack/own/w | index(1) | transpose"})(layer(x))


@dataclasses.dataclass(frozen=True)
class Entry:
    """One way to share: the model, and who must own what.

    Attributes:
      function: the model.
      users: owner → all its users.
      ties: from outside.
      given: slots that hold a computed value.
    """

    function: Callable[[jax.Array], jax.Array]
    users: dict[str, set[str]]
    ties: dict[str, Any] | None = None
    given: frozenset[str] = frozenset()
    serialisable: bool = True


HEAD = {"embed/w": {"head/w"}}
ZOO: dict[str, Entry] = {
    "by object": Entry(by_object, HEAD),
    "by string": Entry(by_string, HEAD),
    "by ties": Entry(plain, HEAD, {"head/w": "embed/w | transpose"}),
    "ties over share": Entry(by_string, {}, {"head/w": tn.own}),
    "a chain by ties": Entry(
        transitive,
        {"output_prob/w": {"source_embed/w", "target_embed/w"}},
        {"output_prob/w": tn.own, "source_embed/w": "output_prob/w | transpose"},
    ),
    "transitive": Entry(transitive, {"source_embed/w": {"target_embed/w", "output_prob/w"}}),
    "forward reference": Entry(forward_reference, HEAD),
    "forward chain": Entry(forward_chain, {"c/w": {"a/w", "b/w"}}),
    "loop of layers": Entry(layer_loop, {"a/w": {"b/w"}, "b/b": {"a/b"}}),
    "given": Entry(given, {"low_rank/w": {"again/w"}}, given=frozenset({"low_rank/w"})),
    "whole module": Entry(whole_module, {"first/w": {"second/w"}, "first/b": {"second/b"}}),
    "whole compound": Entry(
        whole_compound, {f"one/~/{n}": {f"two/~/{n}"} for n in ("first/w", "first/b", "second/w", "second/b")}
    ),
    "missing is owned": Entry(missing_is_owned, {"first/w": {"second/w"}}),
    "into a compound": Entry(into_compound, {"other/w": {"mlp/~/first/w", "mlp/~/second/w"}}),
    "many views": Entry(
        many_views, {"big/w": {"sliced/w", "split/w", "shaped/w", "joined/w", "row/b"}, "big/b": {"sliced/b"}}
    ),
    "frozen use": Entry(frozen_use, HEAD),
    "callable view": Entry(callable_view, {"self_att/QKV": {"linear/w"}}, serialisable=False),
    "two methods": Entry(methods, {}),
    "a common part": Entry(common_part, {}),
    "declared": Entry(declared, {f"{m}/shared": {f"{m}/~/borrower/shared", f"{m}/~/transposer/shared"} for m in "pq"}),
    "called twice": Entry(called_twice, {}),
    "in scan": Entry(in_scan, {"shared/b": {"inner/b"}}),
    "in stack": Entry(
        in_stack,
        {
            "shared/w": {"layer_stack/tied/w"},
            "layer_stack/own/b": {"layer_stack/tied/b"},
            "layer_stack/own/w": {"second_layer/w"},
        },
    ),
    "stack in stack": Entry(
        stack_in_stack, {"outer/middle/w": {"outer/inner/leaf/w"}, "outside/b": {"outer/inner/leaf/b"}}
    ),
    "in loops": Entry(in_loops, {"shared/w": {"pos/w"}, "shared/b": {"pos/b"}, "neg/w": {"s/w"}}),
    "staged": Entry(staged, {"embed/w": {"head/w", "tapped/w"}}),
    "staged in stack": Entry(staged_stack, {"layer_stack/own/w": {"layer_stack/tied/w", "second_layer/w"}}),
    "in vmap and remat": Entry(in_vmap_and_remat, {"shared/w": {"rowwise/w"}, "rowwise/b": {"jitted/b"}}),
}


def _scanned(f):
    return lambda x: tn.scan(lambda carry, _: (f(carry), ()), x, None, length=2)[0]


AROUND: dict[str, Callable[[Callable[..., Any]], Callable[..., Any]]] = {
    "as is": lambda f: f,
    "tn.jit": lambda f: lambda x: tn.jit(f)(x),
    "tn.vmap": lambda f: lambda x: tn.vmap(f)(jnp.stack([x, 2 * x])).sum(0),
    "tn.scan": _scanned,
    "tn.remat": lambda f: lambda x: tn.remat(f)(x),
    "stack": lambda f: lambda x: tn.layer_stack(2)(f)(x),
    "scan of remat of vmap": lambda f: _scanned(tn.remat(lambda x: tn.vmap(f)(jnp.stack([x, 2 * x])).sum(0))),
    "jit of stack of remat": lambda f: lambda x: tn.jit(tn.layer_stack(2, name="around")(tn.remat(f)))(x),
}
