"""Texts in functions of configs: words of a vocabulary, joined to texts, of which a hash is kept; and what merges hypotheses by them.

A layer whose `out_type` says `"dtype": "string"` gives hashes, [batch · beam] of 32 bits. The hash of a joined text follows from those of its
parts (Karp and Rabin, "Efficient randomized pattern-matching algorithms", 1987), so equal texts are equal however they were put together; other
texts are taken for equal once in four thousand million comparisons.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tenure.network.tf.static import UnknownTensorFlowError

BASE, MASK = 0x8DA6B343, 0xFFFFFFFF
_BYTES = [int.from_bytes(hashlib.blake2b(bytes([b]), digest_size=4).digest(), "little") for b in range(256)]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Words:
    """Texts in an array of any shape, which `+` joins to what stands before: texts, or the hashes that a layer gives.

    Attributes:
      hashes: of the texts, uint32.
      shifts: what the hash of a text ahead is multiplied by, uint32.

    >>> hello = Words.of(["hel", "he"]) + Words.of(["lo", "llo"])
    >>> bool(hello.hashes[0] == hello.hashes[1] == Words.of("hello").hashes)
    True
    """

    hashes: Any
    shifts: Any

    __array_ufunc__ = None  # numpy's arrays leave `+` to this class

    @classmethod
    def of(cls, texts: Any) -> Words:
        """Texts as they are written: str or bytes, or lists of them."""
        array = np.asarray(texts, dtype=object)
        pairs = [_hash(text) for text in array.reshape(-1)]
        hashes, shifts = (jnp.asarray(np.array(x, np.uint32).reshape(array.shape)) for x in zip(*pairs, strict=True))
        return cls(hashes, shifts)

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of the axes."""
        return tuple(jnp.shape(self.hashes))

    def map(self, function: Callable[..., Any], *others: Words) -> Words:
        """What moves entries, done with these and others alike."""
        return Words(
            function(self.hashes, *(w.hashes for w in others)), function(self.shifts, *(w.shifts for w in others))
        )

    def __add__(self, other: Any) -> Words:
        other = other if isinstance(other, Words) else Words.of(other)
        return Words(self.hashes * other.shifts + other.hashes, self.shifts * other.shifts)

    def __radd__(self, ahead: Any) -> Any:
        if isinstance(ahead, str | bytes):
            return Words.of(ahead) + self
        if jnp.asarray(ahead).dtype != jnp.uint32:
            raise TypeError(f"words are joined to texts, not to numbers: {jnp.asarray(ahead).dtype}")
        return jnp.asarray(ahead) * self.shifts + self.hashes


def _hash(text: Any) -> tuple[int, int]:
    value, shift = 0, 1
    for byte in text.encode() if isinstance(text, str) else bytes(text):
        value, shift = (value * BASE + _BYTES[byte]) & MASK, shift * BASE & MASK
    return value, shift


def choose(condition: Any, x: Any, y: Any) -> Any:
    """`x` where the condition holds, else `y`, for arrays and for words."""
    if not isinstance(x, Words) and not isinstance(y, Words):
        return jnp.where(condition, x, y)
    x, y = (w if isinstance(w, Words) else Words.of(w) for w in (x, y))
    return x.map(lambda a, b: jnp.where(condition, a, b), y)


def merge(texts: Any, scores: Any, labels: Any = None) -> jax.Array:
    """Hypotheses of equal texts as one: the best of them gets the logarithm of the sum of all, the others minus infinity.

    Args:
      texts: hashes [batch, beam].
      scores: logarithms of probabilities, [batch, beam].
      labels: are not looked at.

    Returns:
      scores [batch, beam].

    >>> merge(jnp.array([[7, 8, 7]]), jnp.log(jnp.array([[0.25, 0.125, 0.5]])))
    Array([[      -inf, -2.0794415, -0.2876821]], dtype=float32)
    """
    texts, scores = jnp.asarray(texts), jnp.asarray(scores)
    same = texts[:, :, None] == texts[:, None, :]
    own, others, place = scores[:, :, None], scores[:, None, :], jnp.arange(scores.shape[1])
    better = (others > own) | ((others == own) & (place < place[:, None]))
    total = jax.nn.logsumexp(jnp.where(same, others, -jnp.inf), axis=-1)
    return jnp.where(jnp.any(same & better, axis=-1), -jnp.inf, total)


OPERATORS = {"GetFilteredScore": ("get_filtered_score", ("prev_str", "scores", "labels", "new_scores"), merge)}
"""Operators that published configs write in C++: TensorFlow's name → Python's, its inputs and output, and the function here."""


class OpCodeCompiler:
    """RETURNN's compiler of TensorFlow operators in C++. No C++ is run here: operators that are known by their name, inputs and outputs are functions.

    Raises:
      UnknownTensorFlowError: on use of an operator that is not known.
    """

    def __init__(self, base_name: Any = None, code_version: Any = None, code: str = "", **options: Any):
        self._operators = re.findall(r'REGISTER_OP\(\s*"(\w+)"', code) or [str(base_name)]
        self._values = tuple(re.findall(r'\.(?:Input|Output)\(\s*"(\w+)\s*:', code))

    def load_tf_module(self) -> SimpleNamespace:
        """The operators, as TensorFlow's module has them."""
        module = {}
        for operator in self._operators:
            name, values, function = OPERATORS.get(operator, ("", (), None))
            if function is None or values != self._values:
                raise UnknownTensorFlowError(
                    f"the operator '{operator}' is written in C++ for TensorFlow, which cannot be built here",
                    ways=["write the operation with jax.numpy in a layer class of your own"],
                )
            module[name] = function
        return SimpleNamespace(**module)
