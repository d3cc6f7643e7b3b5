"""The tree of names, and activations by name."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from tenure.core.errors import brief, nearest
from tenure.network.array_methods import TensorShape
from tenure.network.expressions import Expression, parse
from tenure.network.tf import algebra, control, distributions, elementwise, random, reductions, selecting, shapes
from tenure.network.tf.static import DType, UnknownTensorFlowError, on_jax

Function = Callable[..., Any]


_VARIABLE = "a layer {'class': 'variable', 'shape': […]} has a parameter; give it to the expression as a further source"
_CONV = "a layer {'class': 'conv', 'n_out': …, 'filter_size': …}, whose 'filter' may be another layer"
_WAYS = {
    **dict.fromkeys(("convolution", "conv1d", "conv2d", "conv3d", "depthwise_conv2d", "conv2d_transpose"), _CONV),
    "get_variable": _VARIABLE,
    "Variable": _VARIABLE,
    "py_function": "`jax.pure_callback` in a layer class of your own: `@tenure.network.registry.layer('name')`",
    "numpy_function": "`jax.pure_callback` in a layer class of your own: `@tenure.network.registry.layer('name')`",
    "gradients": "a layer {'class': 'gradient', 'y': …, 'x': …}",
    "GradientTape": "a layer {'class': 'gradient', 'y': …, 'x': …}",
    "py_func": "`jax.pure_callback` in a layer class of your own: `@tenure.network.registry.layer('name')`",
    "Session": "there are no graphs and sessions: functions compute at once",
}


def unknown_name(path: str, known: Mapping[str, Any]) -> UnknownTensorFlowError:
    """The error of a name that is not mapped."""
    last = path.rsplit(".", 1)[-1]
    own = [_WAYS[last]] if last in _WAYS else []
    return UnknownTensorFlowError(
        f"{path!r} has no counterpart here",
        near=nearest(last, known),
        ways=own or ["write it with the functions that are mapped", "use a layer class that does it"],
    )


class Namespace:
    """A module of TensorFlow: attributes are what is mapped.

    >>> Namespace("tf", {"abs": abs}).abs(-3)
    3
    """

    def __init__(self, path: str, members: Mapping[str, Any]):
        """A module at `path` with these members."""
        self._path = path
        self._members = dict(members)

    def __expression_names__(self) -> frozenset[str]:
        """What expressions may read: everything; `__getattr__` refuses."""
        return _Everything()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self._members:
            raise unknown_name(f"{self._path}.{name}", self._members)
        return self._members[name]

    def __contains__(self, name: object) -> bool:
        return name in self._members

    def names(self) -> tuple[str, ...]:
        """What is mapped."""
        return tuple(self._members)

    def __repr__(self) -> str:
        return f"⟨{self._path}⟩"


class Silent(Namespace):
    """A module of functions that write somewhere, and do nothing here: `tf.summary`."""

    def __init__(self, path: str):
        """A module at `path`."""
        super().__init__(path, {})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return control.nothing

    def __contains__(self, name: object) -> bool:
        return True


class _Everything(frozenset[str]):
    """The names of a namespace, which answers for itself what is not there."""

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and not name.startswith("_")


_DTYPES = "bool float16 bfloat16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 complex64 complex128"
_NN_ONLY = [
    "bias_add",
    "dropout",
    "embedding_lookup",
    "l2_loss",
    "l2_normalize",
    "log_softmax",
    "moments",
    "sigmoid_cross_entropy_with_logits",
    "softmax",
    "softmax_cross_entropy_with_logits",
    "softmax_cross_entropy_with_logits_v2",
    "softplus",
    "sparse_softmax_cross_entropy_with_logits",
    "top_k",
]


def _linalg(functions: Mapping[str, Function]) -> dict[str, Function]:
    """`tf.linalg`."""
    own = {"band_part": "matrix_band_part", "diag": "matrix_diag"}
    names = ("einsum", "matmul", "norm", "eye", "tensordot", "l2_normalize")
    return {name: functions[own.get(name, name)] for name in (*names, *own)}


_BITWISE: dict[str, Function] = {
    "bitwise_and": on_jax(jnp.bitwise_and),
    "bitwise_or": on_jax(jnp.bitwise_or),
    "bitwise_xor": on_jax(jnp.bitwise_xor),
    "invert": on_jax(jnp.bitwise_not),
    "left_shift": on_jax(jnp.left_shift),
    "right_shift": on_jax(jnp.right_shift),
}


def _tree() -> Namespace:
    functions = {**elementwise.table(), **reductions.table(), **shapes.table(), **algebra.table(), **control.table()}
    functions |= selecting.table()
    functions |= {
        "dropout": random.dropout,
        "truncated_normal": random.truncated_normal,
        "random_shuffle": random.shuffle,
    }
    functions |= {"random_normal": random.normal, "random_uniform": random.uniform, "multinomial": random.categorical}
    nn = {name: functions[name] for name in (*_NN_ONLY, "sigmoid", "tanh")} | elementwise.ACTIVATIONS
    draws = ("normal", "uniform", "truncated_normal", "shuffle", "categorical")
    top: dict[str, Any] = {
        **functions,
        **{name: DType(name) for name in _DTYPES.split()},
        "bitwise": Namespace("tf.bitwise", _BITWISE),
        "debugging": Namespace("tf.debugging", {k: v for k, v in functions.items() if k.startswith("assert")}),
        "distributions": Namespace("tf.distributions", distributions.TABLE),
        "linalg": Namespace("tf.linalg", _linalg(functions)),
        "math": Namespace("tf.math", {**functions, **nn}),
        "newaxis": None,
        "nn": Namespace("tf.nn", nn),
        "print": control.nothing,
        "random": Namespace("tf.random", {name: getattr(random, name) for name in draws}),
        "summary": Silent("tf.summary"),
        "Tensor": jax.Array,
        "TensorShape": TensorShape,
        "to_float": lambda x, name=None: elementwise.cast(x, "float32"),
        "to_int32": lambda x, name=None: elementwise.cast(x, "int32"),
    }
    v1 = Namespace("tf.compat.v1", top)
    top["compat"] = Namespace("tf.compat", {"v1": v1, "v2": v1})
    return Namespace("tf", top)


tf = _tree()


def _own_name(name: str) -> Function | None:
    name = {"neg": "negative"}.get(name, name)
    for space in (tf.nn, tf, tf.math):
        if name in space and callable(getattr(space, name)):
            return getattr(space, name)
    return elementwise.OWN.get(name)


class UnknownActivationError(UnknownTensorFlowError):
    """An activation that is neither a known name nor an expression."""


@functools.cache
def activation(text: str | None) -> Function:
    """An activation as dictionaries write it.

    Args:
      text: a name (`"relu"`); arithmetic on names and numbers (`"2 * sigmoid"`); an expression of `x` that calls something
        (`"tf.nn.relu(x) ** 2"`); None, "none", "identity" and "" are the identity.

    Returns:
      A function of one array.

    Raises:
      UnknownActivationError: no such name.
      ExpressionError: it cannot be read.

    >>> activation("2 * square")(3)
    18
    """
    if text is None or text in ("", "none", "identity"):
        return lambda x: x
    if not isinstance(text, str):
        raise UnknownActivationError(f"{brief(text)} is not the name of an activation")
    if "(" in text:
        expression = parse(text)
        return lambda x: expression({"x": x, "tf": tf, **elementwise.OWN})
    found = _own_name(text)
    if found is not None:
        return found
    if any(sign in text for sign in "+-*/"):
        return _arithmetic(parse(text))
    known = [*elementwise.ACTIVATIONS, *elementwise.OWN, *elementwise.table()]
    raise UnknownActivationError(
        f"{brief(text)} is no activation that is known",
        near=nearest(text, known),
        ways=["a name: 'relu'", "arithmetic on names: '2 * sigmoid'", "an expression of x: 'tf.nn.relu(x) ** 2'"],
    )


def _arithmetic(expression: Expression) -> Function:
    """Names in it stand for their values at `x`."""
    functions = {name: activation(name) for name in sorted(expression.names())}
    return lambda x: expression({name: function(x) for name, function in functions.items()})


ACTIVATIONS = tuple(sorted({*elementwise.ACTIVATIONS, *elementwise.OWN, "softmax", "log_softmax", "sigmoid", "tanh"}))
