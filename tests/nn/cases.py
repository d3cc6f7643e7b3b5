"""Every layer that dm-haiku has too: how to build and call it with either library, and on what."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tenure import initializers, nets, nn

TENURE = SimpleNamespace(**{name: getattr(nn, name) for name in nn.__all__})
TENURE.nets, TENURE.initializers, TENURE.pad = nets, initializers, nn.padding


@dataclasses.dataclass(frozen=True)
class Case:
    """`function(library, *inputs)` runs inside a transform; `library` is dm-haiku or looks like it."""

    name: str
    function: Callable[..., Any]
    inputs: tuple[Any, ...]


def floats(*shape: int, dtype: Any = np.float32, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.5, 1.0, shape).astype(dtype)


def ints(high: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, high, shape).astype(np.int32)


CASES: list[Case] = []


def case(name: str, function: Callable[..., Any], *inputs: Any) -> None:
    CASES.append(Case(name, function, inputs))


X = floats(4, 6)
SEQUENCE = floats(2, 5, 8)
IMAGE = floats(2, 7, 6, 4)

case("linear", lambda m, x: m.Linear(3)(x), X)
case("linear, no bias", lambda m, x: m.Linear(3, with_bias=False)(x), X)
case("linear, one example", lambda m, x: m.Linear(3)(x), X[0])
case("linear, three axes, named", lambda m, x: m.Linear(3, name="head")(x), SEQUENCE)
case("linear, bfloat16", lambda m, x: m.Linear(3)(x), X.astype(jnp.bfloat16))
case("linear, precision", lambda m, x: m.Linear(3)(x, precision=jax.lax.Precision.HIGHEST), X)
case("two linears", lambda m, x: m.Linear(3)(m.Linear(5)(x)), X)
for dims in (None, [-1], [1], [1, 2], []):
    case(f"bias {dims}", lambda m, x, dims=dims: m.Bias(bias_dims=dims)(x), IMAGE)
case("bias, multiplier", lambda m, x: m.Bias()(x, multiplier=-2), X)

case("embed", lambda m, i: m.Embed(11, 4)(i), ints(11, 2, 5))
case("embed, one hot", lambda m, i: m.Embed(11, 4, lookup_style="one_hot")(i), ints(11, 2, 5))
case("embed, scalar", lambda m, i: m.Embed(11, 4)(i), ints(11))
case("embed, matrix", lambda m, i: m.Embed(embedding_matrix=floats(11, 4))(i), ints(11, 3))
case("embed, projection by hand", lambda m, i: (e := m.Embed(11, 4))(i) @ e.embeddings.T, ints(11, 3))

for axis, param_axis in ((-1, None), ((1, 2), (1, 2)), (slice(1, None), None), (slice(1, None), -1), ([-1, -2], 1)):
    case(
        f"layer norm {axis} {param_axis}",
        lambda m, x, a=axis, p=param_axis: m.LayerNorm(a, True, True, param_axis=p)(x),
        IMAGE,
    )
case("layer norm, fast variance", lambda m, x: m.LayerNorm(-1, True, True, use_fast_variance=True)(x), X)
case("layer norm, neither", lambda m, x: m.LayerNorm(-1, False, False)(x), X)
case("layer norm, at call", lambda m, x: m.LayerNorm(-1, False, False)(x, scale=x[:1], offset=x[0]), X)
case("layer norm, bfloat16", lambda m, x: m.LayerNorm(-1, True, True)(x), X.astype(jnp.bfloat16))
for data_format in ("channels_last", "NCHW"):
    case(
        f"instance norm {data_format}", lambda m, x, d=data_format: m.InstanceNorm(True, True, data_format=d)(x), IMAGE
    )
for axis, param_axis in ((-1, None), ((1, 2), (1, 2)), (slice(1, None), None)):
    case(f"rms norm {axis}", lambda m, x, a=axis, p=param_axis: m.RMSNorm(a, param_axis=p)(x), IMAGE)
case("rms norm, no scale", lambda m, x: m.RMSNorm(-1, create_scale=False)(x), X)
for data_format in ("channels_last", "channels_first"):
    for axis in (slice(1, None), slice(2, None), (1, 2, 3)):
        groups = 2 if data_format == "channels_last" else 7
        case(
            f"group norm {data_format} {axis}",
            lambda m, x, d=data_format, a=axis, g=groups: m.GroupNorm(g, a, data_format=d)(x),
            IMAGE,
        )
case("group norm, at call", lambda m, x: m.GroupNorm(2, create_scale=False)(x, scale=x[0, 0, 0]), IMAGE)


def batch_norm(m: Any, x: Any, *flags: Any, **options: Any) -> Any:
    return m.BatchNorm(True, True, 0.9, **options)(x, *flags)


def batch_norm_twice(m: Any, x: Any) -> Any:
    norm = m.BatchNorm(True, False, 0.9)
    return norm(x, True), norm(2 * x, True), norm(x, False), norm(x, False, test_local_stats=True)


case("batch norm", lambda m, x: batch_norm(m, x, True), IMAGE)
case("batch norm, channels first", lambda m, x: batch_norm(m, x, True, data_format="NCHW"), IMAGE)
case("batch norm, axes", lambda m, x: batch_norm(m, x, True, axis=[0, 1]), IMAGE)
case("batch norm, local statistics", lambda m, x: batch_norm(m, x, True, True), X)
case("batch norm, train and test", batch_norm_twice, X)
case("batch norm, bfloat16", lambda m, x: batch_norm(m, x, True), X.astype(jnp.bfloat16))
case("moving average", lambda m, x: m.ExponentialMovingAverage(0.9)(x), X)
case("moving average, biased", lambda m, x: m.ExponentialMovingAverage(0.9, zero_debias=False)(x), X)
case("moving average, kept", lambda m, x: (e := m.ExponentialMovingAverage(0.5))(x) + e(x, update_stats=False), X)


def warm_up(m: Any, x: Any) -> Any:
    average = m.ExponentialMovingAverage(0.9, zero_debias=False, warmup_length=2)
    return [average(x * i) for i in range(4)], average.average


case("moving average, warm-up", warm_up, X)

for padding in ("SAME", "VALID", (1, 2), [(1, 0), (0, 3)]):
    case(f"conv2d {padding}", lambda m, x, p=padding: m.Conv2D(3, 3, padding=p)(x), IMAGE)
case("conv2d, causal", lambda m, x: m.Conv2D(3, (2, 3), rate=2, padding=m.pad.causal)(x), IMAGE)
case("conv2d, padding functions", lambda m, x: m.Conv2D(3, 3, padding=[m.pad.full, m.pad.same])(x), IMAGE)
case("conv2d, stride and rate", lambda m, x: m.Conv2D(3, 3, stride=(2, 1), rate=[1, 2])(x), IMAGE)
case("conv2d, channels first", lambda m, x: m.Conv2D(3, 3, data_format="NCHW")(x), IMAGE)
case("conv2d, groups", lambda m, x: m.Conv2D(6, 3, feature_group_count=2)(x), IMAGE)
case("conv2d, mask", lambda m, x: m.Conv2D(2, 1, mask=np.eye(4, 2)[None, None], with_bias=False)(x), IMAGE)
case("conv2d, one example", lambda m, x: m.Conv2D(3, 3)(x), IMAGE[0])
case("conv1d", lambda m, x: m.Conv1D(3, 3)(x), SEQUENCE)
case("conv1d, channels first", lambda m, x: m.Conv1D(3, 3, stride=2, data_format="NCW")(x), SEQUENCE)
case("conv3d", lambda m, x: m.Conv3D(3, 2, padding="VALID")(x), floats(1, 4, 4, 4, 2))
case("convnd", lambda m, x: m.ConvND(1, 3, 2, with_bias=False)(x), SEQUENCE)
for padding in ("SAME", "VALID", [(1, 1), (0, 2)]):
    case(f"conv2d transpose {padding}", lambda m, x, p=padding: m.Conv2DTranspose(3, 3, stride=2, padding=p)(x), IMAGE)
case("conv2d transpose, shape", lambda m, x: m.Conv2DTranspose(3, 3, 2, output_shape=(13, 12))(x), IMAGE)
case(
    "conv2d transpose, valid shape",
    lambda m, x: m.Conv2DTranspose(3, 3, 2, output_shape=(15, 14), padding="VALID")(x),
    IMAGE,
)
case("conv2d transpose, first", lambda m, x: m.Conv2DTranspose(3, (2, 3), data_format="NCHW")(x), IMAGE)
case("conv1d transpose", lambda m, x: m.Conv1DTranspose(3, 3, 2, with_bias=False)(x), SEQUENCE)
case("conv3d transpose", lambda m, x: m.Conv3DTranspose(2, 2)(x), floats(1, 3, 3, 3, 2))
case("conv transpose, mask", lambda m, x: m.ConvNDTranspose(1, 2, 1, mask=np.eye(2, 8)[None])(x), SEQUENCE[0])

for pool in ("max_pool", "avg_pool"):
    for padding in ("SAME", "VALID"):
        case(f"{pool} {padding}", lambda m, x, f=pool, p=padding: getattr(m, f)(x, (3, 2, 1), (2, 1, 1), p), IMAGE)
case("max pool, layer", lambda m, x: m.MaxPool((2, 2, 1), (2, 2, 1), "SAME")(x), IMAGE)
case("avg pool, layer", lambda m, x: m.AvgPool((1, 2, 2, 1), 1, "SAME")(x), IMAGE)


def attention(m: Any, q: Any, kv: Any = None, mask: Any = None, **options: Any) -> Any:
    kv = q if kv is None else kv
    options = {"w_init": m.initializers.VarianceScaling(2.0)} | options
    return m.MultiHeadAttention(2, 4, **options)(q, kv, kv, mask)


case("attention", attention, SEQUENCE)
case("attention, mask", lambda m, x: attention(m, x, mask=jnp.tril(jnp.ones((1, 1, 5, 5)))), SEQUENCE)
case("attention, other keys", attention, SEQUENCE, floats(2, 3, 6))
case("attention, sizes", lambda m, x: attention(m, x, value_size=3, model_size=5, with_bias=False), SEQUENCE)
case("attention, no batch", lambda m, x: attention(m, x, mask=jnp.ones((1, 5, 5), bool)), SEQUENCE[0])
case("attention, two batches", attention, SEQUENCE[None])
case("attention, bfloat16", attention, SEQUENCE.astype(jnp.bfloat16))
case("attention, biases", lambda m, x: attention(m, x, b_init=m.initializers.Constant(0.5), name="a"), SEQUENCE)


def mlp_and_reverse(m: Any, x: Any) -> Any:
    mlp = m.nets.MLP([5, 3], activate_final=True)
    y = mlp(x)
    return mlp.reverse()(y)


case("mlp", lambda m, x: m.nets.MLP([5, 3])(x), X)
case("mlp, options", lambda m, x: m.nets.MLP([5, 3], with_bias=False, activation=jnp.tanh, name="f")(x), X)
case("mlp, dropout", lambda m, x: m.nets.MLP([50, 3])(x, 0.5, jax.random.PRNGKey(1)), X)
case("mlp, reverse", mlp_and_reverse, X)
case("dropout", lambda m, x: m.dropout(jax.random.PRNGKey(1), 0.3, x), X)
case("dropout, broadcast", lambda m, x: m.dropout(jax.random.PRNGKey(1), np.float16(0.3), x, (0, -1)), IMAGE)
case("dropout, traced rate", lambda m, x, rate: m.dropout(jax.random.PRNGKey(1), rate, x), X, np.float32(0.3))
case("sequential", lambda m, x: m.Sequential([m.Linear(5), jax.nn.relu, m.Linear(3)])(x, precision=None), X)
case("sequential of nothing", lambda m, x: m.Sequential([])(x), X)
case("reshape", lambda m, x: m.Reshape((-1, 2, 4))(x), IMAGE)
case("reshape, keep two", lambda m, x: m.Reshape((3, 8), preserve_dims=2)(x), IMAGE)
case("reshape, replace two", lambda m, x: m.Reshape((-1, 3), preserve_dims=-2)(x), IMAGE)
case("reshape, too few", lambda m, x: m.Reshape((3,), preserve_dims=4)(x), IMAGE)
case("flatten", lambda m, x: m.Flatten()(x), IMAGE)
case("flatten, last two", lambda m, x: m.Flatten(-2)(x), IMAGE)
case(
    "batch apply", lambda m, x, y: m.BatchApply(lambda a, *, b: (m.Linear(3)(a) * b[0], a))(x, b=y), SEQUENCE, X[0, :3]
)
case("batch apply, three", lambda m, x: m.BatchApply(m.Linear(3), 3)(x), IMAGE)
case("expand apply", lambda m, x: m.expand_apply(m.Linear(3), axis=0)(x), X[0])
case("one hot", lambda m, i: m.one_hot(i, 4, jnp.int8), ints(6, 2, 5))


def unroll(m: Any, core: Any, xs: Any, how: str = "dynamic_unroll", batch: int | None = 2, **options: Any) -> Any:
    return getattr(m, how)(core, xs, core.initial_state(batch), **options)


TIME = floats(5, 2, 3)
case("vanilla rnn", lambda m, x: unroll(m, m.VanillaRNN(4), x), TIME)
case("vanilla rnn, one bias", lambda m, x: unroll(m, m.VanillaRNN(4, double_bias=False), x), TIME)
case("lstm", lambda m, x: unroll(m, m.LSTM(4), x), TIME)
case("lstm, static", lambda m, x: unroll(m, m.LSTM(4), x, "static_unroll"), TIME)
case("lstm, batch first", lambda m, x: unroll(m, m.LSTM(4), x, time_major=False), TIME.swapaxes(0, 1))
case("lstm, static, batch first", lambda m, x: unroll(m, m.LSTM(4), x, "static_unroll", time_major=False), SEQUENCE)
case("lstm, no batch", lambda m, x: unroll(m, m.LSTM(4), x, batch=None), TIME[:, 0])
case("gru", lambda m, x: unroll(m, m.GRU(4), x), TIME)
case("gru, backwards", lambda m, x: unroll(m, m.GRU(4), x, reverse=True, unroll=2), TIME)
case("gru, all states", lambda m, x: unroll(m, m.GRU(4), x, return_all_states=True), TIME)
case("conv1d lstm", lambda m, x: unroll(m, m.Conv1DLSTM([4], 3, 2), x), floats(3, 2, 4, 2))
case("conv2d lstm", lambda m, x: unroll(m, m.Conv2DLSTM([4, 4], 3, 2), x), floats(3, 2, 4, 4, 2))
case("conv3d lstm", lambda m, x: unroll(m, m.Conv3DLSTM([2, 2, 2], 3, 2), x), floats(2, 2, 2, 2, 2, 2))
case("identity core", lambda m, x: unroll(m, m.IdentityCore(), x), TIME)
RESETS = np.array([[0, 0], [0, 1], [1, 0], [0, 0], [1, 1]], bool)
case("reset core", lambda m, x, r: unroll(m, m.ResetCore(m.LSTM(4)), (x, r)), TIME, RESETS)
case(
    "reset core, parts",
    lambda m, x, r: unroll(m, m.ResetCore(m.LSTM(4)), (x, m.LSTMState(r, jnp.zeros_like(r)))),
    TIME,
    RESETS,
)
case("deep rnn", lambda m, x: unroll(m, m.DeepRNN([m.LSTM(4), jax.nn.relu, m.GRU(3)]), x), TIME)
case("skip rnn", lambda m, x: unroll(m, m.deep_rnn_with_skip_connections([m.LSTM(4), m.GRU(3)]), x), TIME)

#: What is a ValueError (or another type) in both libraries.
BAD: list[Case] = [
    Case("linear, scalar", lambda m: m.Linear(3)(np.float32(1)), ()),
    Case("bias, batch", lambda m: m.Bias(bias_dims=[0])(X), ()),
    Case("bias, axis", lambda m: m.Bias(bias_dims=[2])(X), ()),
    Case("bias, one axis", lambda m: m.Bias()(X[0]), ()),
    Case("bias, shape", lambda m: m.Bias(output_size=(7,))(X), ()),
    Case("embed, floats", lambda m: m.Embed(3, 4)(X), ()),
    Case("embed, nothing", lambda m: m.Embed(3), ()),
    Case("embed, vocabulary", lambda m: m.Embed(3, embedding_matrix=X), ()),
    Case("embed, dimensions", lambda m: m.Embed(embed_dim=3, embedding_matrix=X), ()),
    Case("embed, style", lambda m: m.Embed(3, 4, lookup_style="hash")(ints(3, 2)), ()),
    Case("layer norm, axis", lambda m: m.LayerNorm("x", True, True), ()),
    Case("layer norm, scale_init", lambda m: m.LayerNorm(-1, False, True, scale_init=jnp.ones), ()),
    Case("layer norm, offset_init", lambda m: m.LayerNorm(-1, True, False, offset_init=jnp.ones), ()),
    Case("layer norm, scale", lambda m: m.LayerNorm(-1, True, True)(X, scale=X), ()),
    Case("layer norm, offset", lambda m: m.LayerNorm(-1, True, True)(X, offset=X), ()),
    Case("rms norm, axis", lambda m: m.RMSNorm("x"), ()),
    Case("rms norm, scale_init", lambda m: m.RMSNorm(-1, create_scale=False, scale_init=jnp.ones), ()),
    Case("group norm, groups", lambda m: m.GroupNorm(3)(IMAGE), ()),
    Case("group norm, rank", lambda m: [(g := m.GroupNorm(2))(IMAGE), g(X)], ()),
    Case("group norm, scale_init", lambda m: m.GroupNorm(2, create_scale=False, scale_init=jnp.ones), ()),
    Case("batch norm, scale_init", lambda m: m.BatchNorm(False, True, 0.9, scale_init=jnp.ones), ()),
    Case("batch norm, groups", lambda m: m.BatchNorm(0, 0, 0.9, cross_replica_axis_index_groups=[[0]]), ()),
    Case("batch norm, scale", lambda m: m.BatchNorm(True, True, 0.9)(X, True, scale=X), ()),
    Case("batch norm, format", lambda m: m.BatchNorm(True, True, 0.9, data_format="HW"), ()),
    Case("moving average, warm-up", lambda m: m.ExponentialMovingAverage(0.9, False, -1), ()),
    Case("moving average, both", lambda m: m.ExponentialMovingAverage(0.9, True, 1), ()),
    Case("conv, rank", lambda m: m.Conv2D(3, 3)(X), ()),
    Case("conv, spatial", lambda m: m.ConvND(0, 3, 3), ()),
    Case("conv, kernel", lambda m: m.Conv2D(3, [1, 2, 3]), ()),
    Case("conv, padding", lambda m: m.Conv2D(3, 3, padding=[(0, 0)] * 3), ()),
    Case("conv, groups", lambda m: m.Conv2D(3, 3, feature_group_count=3)(IMAGE), ()),
    Case("conv, mask", lambda m: m.Conv2D(3, 3, mask=X)(IMAGE), ()),
    Case("conv transpose, rank", lambda m: m.Conv2DTranspose(3, 3)(X), ()),
    Case("conv transpose, spatial", lambda m: m.ConvNDTranspose(0, 3, 3), ()),
    Case("conv transpose, pairs", lambda m: m.Conv1DTranspose(3, 3, output_shape=3, padding=[(1, 1)]), ()),
    Case("conv transpose, shape", lambda m: m.Conv1DTranspose(3, 3, output_shape=9)(SEQUENCE), ()),
    Case("conv transpose, valid", lambda m: m.Conv1DTranspose(3, 3, output_shape=9, padding="VALID")(SEQUENCE), ()),
    Case("conv transpose, mask", lambda m: m.Conv1DTranspose(3, 3, mask=X)(SEQUENCE), ()),
    Case("pool, padding", lambda m: m.max_pool(IMAGE, (2, 2, 1), (1, 1, 1), "FULL"), ()),
    Case("attention, no init", lambda m: m.MultiHeadAttention(2, 4), ()),
    Case("attention, mask", lambda m: attention(m, SEQUENCE, mask=jnp.ones((5, 5))), ()),
    Case("mlp, b_init", lambda m: m.nets.MLP([3], with_bias=False, b_init=jnp.ones), ()),
    Case("mlp, no key", lambda m: m.nets.MLP([3])(X, 0.5), ()),
    Case("mlp, no rate", lambda m: m.nets.MLP([3])(X, rng=jax.random.PRNGKey(0)), ()),
    Case("mlp, reverse", lambda m: m.nets.MLP([3]).reverse(), ()),
    Case("dropout, rate", lambda m: m.dropout(jax.random.PRNGKey(0), 1.0, X), ()),
    Case("dropout, axis", lambda m: m.dropout(jax.random.PRNGKey(0), 0.5, X, [7]), ()),
    Case("reshape, keep none", lambda m: m.Reshape((3,), 0), ()),
    Case("reshape, two", lambda m: m.Reshape((-1, -1)), ()),
    Case("batch apply", lambda m: m.BatchApply(lambda x: x)(X[0]), ()),
    Case("expand apply", lambda m: m.expand_apply(lambda x: x, axis=1), ()),
    Case("lstm, rank", lambda m: unroll(m, m.LSTM(4), TIME[None]), ()),
    Case("gru, rank", lambda m: unroll(m, m.GRU(4), TIME[None]), ()),
    Case("reset core", lambda m: unroll(m, m.ResetCore(m.GRU(4)), (TIME, RESETS[:, :1])), ()),
    Case("skip rnn", lambda m: m.deep_rnn_with_skip_connections([m.LSTM(4), jax.nn.relu]), ()),
    Case("variance, scale", lambda m: m.initializers.VarianceScaling(-1.0), ()),
    Case("variance, mode", lambda m: m.initializers.VarianceScaling(mode="fan"), ()),
    Case("variance, distribution", lambda m: m.initializers.VarianceScaling(distribution="flat"), ()),
    Case("orthogonal", lambda m: m.initializers.Orthogonal()((3,), np.float32), ()),
    Case("identity", lambda m: m.initializers.Identity()((3,), np.float32), ()),
]
