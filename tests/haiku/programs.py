"""Programs that run with either library: each is a function of the library."""

from __future__ import annotations

from types import ModuleType, SimpleNamespace
from typing import Any

import haiku
import jax
import numpy as np

import tenure.haiku

from ..nn.cases import CASES, IMAGE, SEQUENCE, Case, X, floats

LIBRARIES: dict[str, ModuleType] = {"haiku": haiku, "tenure": tenure.haiku}


def _case(name: str, function: Any, *inputs: Any) -> Case:
    return Case(name, function, inputs)


def _multiply(m: Any, x: Any) -> Any:
    """Keys in the forward pass, between layers."""
    a = m.Linear(3)(x)
    noise = jax.random.normal(m.next_rng_key(), a.shape)
    keys = m.next_rng_keys(2)
    return m.Linear(2)(a + noise) + jax.random.normal(keys[1], (2,))


NETS = [
    _case("mlp, dropout", lambda m, x: m.nets.MLP([5, 3])(x, 0.5, m.next_rng_key()), X),
    _case("resnet 18", lambda m, x: m.nets.ResNet18(5, {"decay_rate": 0.9})(x, True), floats(1, 16, 16, 3)),
    _case("resnet 50 v2", lambda m, x: m.nets.ResNet50(5, resnet_v2=True)(x, True), floats(1, 16, 16, 3)),
    _case("mobilenet", lambda m, x: m.nets.MobileNetV1((1, 2), (8, 16), 5)(x, True), floats(1, 16, 16, 3)),
    _case("vq", lambda m, x: m.nets.VectorQuantizer(8, 4, 0.25)(x, True), SEQUENCE),
    _case("vq, averages", lambda m, x: m.nets.VectorQuantizerEMA(8, 4, 0.25, 0.9)(x, True), SEQUENCE),
    _case("vq, averages, test", lambda m, x: m.nets.VectorQuantizerEMA(8, 4, 0.25, 0.9)(x, False), SEQUENCE),
]
LAYERS = [
    _case("depthwise 1d", lambda m, x: m.DepthwiseConv1D(2, 3)(x), SEQUENCE),
    _case("depthwise 2d", lambda m, x: m.DepthwiseConv2D(2, 3, stride=2)(x), IMAGE),
    _case("depthwise 2d, channels first", lambda m, x: m.DepthwiseConv2D(2, 3, data_format="NCHW")(x), IMAGE),
    _case("depthwise 3d", lambda m, x: m.DepthwiseConv3D(1, 2, with_bias=False)(x), floats(1, 3, 3, 3, 2)),
    _case("separable", lambda m, x: m.SeparableDepthwiseConv2D(2, 3)(x), IMAGE),
    _case("spectral norm", lambda m, x: m.SpectralNorm(n_steps=3)(x), X),
    _case("spectral norm, image", lambda m, x: m.SpectralNorm()(x, update_stats=False), IMAGE),
    _case("multinomial", lambda m, x: m.multinomial(m.next_rng_key(), x, 3), X),
    _case("sn tree", lambda m, x: m.SNParamsTree(ignore_regex=".*b")({"a": {"w": x, "b": x[0]}}), X),
    _case("ema tree", lambda m, x: m.EMAParamsTree(0.9)({"a": {"w": x, "b": x[0]}}), X),
    _case("keys", _multiply, X),
]


def _recurrent(m: Any, x: Any) -> Any:
    core = m.LSTM(4)
    return m.dynamic_unroll(core, x, core.initial_state(5), time_major=True)


def _stacked(m: Any, x: Any) -> Any:
    def layer(x: Any) -> Any:
        return m.dropout(m.next_rng_key(), 0.3, x + m.Linear(8)(m.LayerNorm(-1, True, True)(x)))

    return m.layer_stack(3)(layer)(x)


def _scanned(m: Any, x: Any) -> Any:
    linear = m.Linear(8)
    return m.scan(lambda c, x: (c + linear(x) * jax.random.normal(m.next_rng_key()), c), x[0] * 0, x)


def _looped(m: Any, x: Any) -> Any:
    linear = m.Linear(6)
    return m.fori_loop(0, 3, lambda i, x: linear(x), x)


def _branching(m: Any, x: Any) -> Any:
    lin = m.Linear(8)
    x = lin(x)
    return m.cond(x.sum() > 0, lambda x: lin(x) + jax.random.normal(m.next_rng_key()), lambda x: x, x)


def _mapped(m: Any, x: Any) -> Any:
    split = not m.running_init()
    return m.vmap(lambda x: m.dropout(m.next_rng_key(), 0.5, m.Linear(3)(x)), split_rng=split)(x)


def _lifted(m: Any, x: Any) -> Any:
    inner = m.transform(lambda x: m.nets.MLP([4, 2])(x))
    keys = jax.random.split(m.next_rng_key(), 3) if m.running_init() else None
    params = m.lift(jax.vmap(inner.init, (0, None)), name="members")(keys, x)
    return jax.vmap(inner.apply, (0, None, None))(params, None, x)


def _stateful(m: Any, x: Any) -> Any:
    count = m.get_state("count", [], init=jax.numpy.zeros)
    m.set_state("count", count + x.mean())
    for _ in range(2):
        x = m.remat(lambda x: m.BatchNorm(True, True, 0.9)(x, True))(x)
    return x + count


TRANSFORMED = [
    _case("unrolled lstm", _recurrent, SEQUENCE),
    _case("layer stack", _stacked, SEQUENCE),
    _case("scan", _scanned, SEQUENCE),
    _case("cond", _branching, SEQUENCE),
    _case("vmap", _mapped, SEQUENCE),
    _case("lift", _lifted, X),
    _case("state and remat", _stateful, X),
    _case("grad", lambda m, x: m.grad(lambda x: (m.Linear(3)(x) ** 2).sum())(x), X),
    _case("fori loop", _looped, X),
    _case("map", lambda m, x: m.map(m.Linear(3), x), X),
]
PROGRAMS: list[Case] = [*CASES, *LAYERS, *NETS, *TRANSFORMED]
Library = ModuleType | SimpleNamespace
__all__ = ["LIBRARIES", "PROGRAMS", "np"]
