"""Initial values as dictionaries write them: a number, a name, or a call with numbers."""

from __future__ import annotations

import ast
import functools
import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tenure import initializers as init
from tenure.core.errors import brief, nearest
from tenure.network import own_initializers as own
from tenure.network.errors import OptionError


def _scaling(mode: str, distribution: str, scale: float = 1.0) -> Callable[..., Any]:
    return lambda seed=None, dtype=None: init.VarianceScaling(scale, mode, distribution)


def _variance_scaling(
    scale: float = 1.0,
    mode: str = "fan_in",
    distribution: str = "truncated_normal",
    seed: Any = None,
    dtype: Any = None,
) -> Any:
    if distribution == "untruncated_normal":
        distribution = "normal"
    elif distribution == "normal":  # TensorFlow 1 cuts it off
        distribution = "truncated_normal"
    return init.VarianceScaling(scale, mode, distribution)


def _uniform(minval: float = -0.05, maxval: float = 0.05, seed: Any = None, dtype: Any = None) -> Any:
    return init.RandomUniform(minval, maxval)


def _normal(mean: float = 0.0, stddev: float = 1.0, seed: Any = None, dtype: Any = None) -> Any:
    return init.RandomNormal(stddev, mean)


def _truncated(mean: float = 0.0, stddev: float = 1.0, seed: Any = None, dtype: Any = None) -> Any:
    return init.TruncatedNormal(stddev, mean)


def _constant(value: Any = 0, dtype: Any = None) -> Any:
    return init.Constant(value)


_NAMES: dict[str, Callable[..., Any]] = {
    "zeros": lambda dtype=None: init.Constant(0),
    "ones": lambda dtype=None: init.Constant(1),
    "constant": _constant,
    "random_uniform": _uniform,
    "uniform": _uniform,
    "random_normal": _normal,
    "normal": _normal,
    "truncated_normal": _truncated,
    "variance_scaling": _variance_scaling,
    "uniform_unit_scaling": lambda factor=1.0, seed=None, dtype=None: init.UniformScaling(factor),
    "orthogonal": lambda gain=1.0, seed=None, dtype=None: init.Orthogonal(gain),
    "identity": lambda gain=1.0, dtype=None: init.Identity(gain),
    "glorot_uniform": _scaling("fan_avg", "uniform"),
    "xavier": _scaling("fan_avg", "uniform"),
    "glorot_normal": _scaling("fan_avg", "truncated_normal"),
    "he_uniform": _scaling("fan_in", "uniform", 2.0),
    "he_normal": _scaling("fan_in", "truncated_normal", 2.0),
    "lecun_uniform": _scaling("fan_in", "uniform"),
    "lecun_normal": _scaling("fan_in", "truncated_normal"),
    "random_uniform_abs": own.random_uniform_abs,
    "variance_scaling_non_zero": own.VarianceScalingNonZero,
    "load_txt_file": lambda filename, dtype=None: own.TextFile(filename),
    "gammatone_filterbank": own.GammatoneFilterbank,
}
_CAMEL = {
    "Zeros": "zeros",
    "Ones": "ones",
    "Constant": "constant",
    "RandomUniform": "random_uniform",
    "RandomNormal": "random_normal",
    "TruncatedNormal": "truncated_normal",
    "VarianceScaling": "variance_scaling",
    "Orthogonal": "orthogonal",
    "Identity": "identity",
    "GlorotUniform": "glorot_uniform",
    "GlorotNormal": "glorot_normal",
    "HeNormal": "he_normal",
    "HeUniform": "he_uniform",
    "LecunNormal": "lecun_normal",
    "LecunUniform": "lecun_uniform",
    "UniformUnitScaling": "uniform_unit_scaling",
    "GammatoneFilterbankInitializer": "gammatone_filterbank",
    "VarianceScalingNonZero": "variance_scaling_non_zero",
    "LoadTxtFileInitializer": "load_txt_file",
}


def initializer(value: Any) -> Callable[..., Any]:
    """The initialiser that a dictionary describes.

    Args:
      value: a number, an array, a name ("glorot_uniform"), a call ("random_normal_initializer(stddev=0.1)"),
        a dict with "class", or a callable `(shape, dtype) -> array`.

    Raises:
      OptionError: it is none of these.

    >>> initializer("random_normal_initializer(mean=0.0, stddev=0.1)")
    RandomNormal(stddev=0.1, mean=0.0)
    >>> initializer(0)
    Constant(constant=0)
    """
    if isinstance(value, bool) or value is None:
        raise _unknown(value)
    if isinstance(value, (int, float, np.ndarray, np.generic)):
        return init.Constant(value)
    if isinstance(value, Mapping):
        arguments = {k: v for k, v in value.items() if k != "class"}
        return _make(value.get("class"), (), arguments, value)
    if isinstance(value, str):
        return _parse(value)
    if callable(value):
        return value
    raise _unknown(value)


@functools.lru_cache(maxsize=1024)
def _parse(text: str) -> Callable[..., Any]:
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        if isinstance(tree, ast.Call):
            name = tree.func.attr if isinstance(tree.func, ast.Attribute) else getattr(tree.func, "id", None)
            arguments = {k.arg: _number(k.value) for k in tree.keywords if k.arg}
            return _make(name, tuple(_number(a) for a in tree.args), arguments, text)
        if isinstance(tree, (ast.Name, ast.Attribute)):
            return _make(tree.id if isinstance(tree, ast.Name) else tree.attr, (), {}, text)
        return init.Constant(_number(tree))
    except (SyntaxError, ValueError, TypeError, ArithmeticError, RecursionError, MemoryError):
        raise _unknown(text) from None


def _make(name: Any, args: tuple[Any, ...], arguments: dict[str, Any], written: Any) -> Callable[..., Any]:
    short = _CAMEL.get(str(name), str(name)).removesuffix("_initializer")
    if short not in _NAMES:
        raise _unknown(written, nearest(short, _NAMES))
    try:
        inspect.signature(_NAMES[short]).bind(*args, **arguments)
        return _NAMES[short](*args, **arguments)
    except (TypeError, ValueError):
        raise _unknown(written) from None


_ARITHMETIC: dict[type, Callable[..., Any]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
}


def _number(tree: ast.expr) -> Any:
    """A literal, or arithmetic of numbers, square roots and logarithms."""
    if isinstance(tree, ast.BinOp) and type(tree.op) in _ARITHMETIC:
        return _ARITHMETIC[type(tree.op)](_number(tree.left), _number(tree.right))
    if isinstance(tree, ast.Call):
        name = tree.func.attr if isinstance(tree.func, ast.Attribute) else getattr(tree.func, "id", "")
        if name in ("sqrt", "log", "exp"):
            return getattr(math, name)(*(_number(a) for a in tree.args))
    return ast.literal_eval(tree)


def _unknown(value: Any, near: Any = ()) -> OptionError:
    return OptionError(
        f"{brief(value)} does not describe initial values",
        near=near,
        ways=["a number", "a name: 'glorot_uniform', 'orthogonal', 'zeros'", "'random_normal_initializer(stddev=0.1)'"],
    )
