"""Vectors for integer ids."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tenure.core.run.module import Module, Share, Stages
from tenure.core.run.parameters import get_parameter
from tenure.core.run.profile import library
from tenure.functional.explicit_mesh import rows_of
from tenure.initializers import Initializer, TruncatedNormal
from tenure.nn.axis_names import named


class EmbedLookupStyle(enum.Enum):
    """How `Embed` finds the rows: a gather, or a matrix product with one-hot vectors.

    >>> [style.name for style in EmbedLookupStyle]
    ['ARRAY_INDEX', 'ONE_HOT']
    """

    ARRAY_INDEX = 1
    ONE_HOT = 2


class Embed(Module):
    """Row `id` of a matrix `embeddings` [vocabulary, dimensions].

    A classifier that has the same matrix borrows it, transposed; there is no special method for it:

    >>> import tenure as tn
    >>> from tenure import nn
    >>> def model(tokens):
    ...     embed = nn.Embed(11, 4)
    ...     return nn.Linear(11, with_bias=False, share={"w": embed.ref("embeddings").T})(embed(tokens))
    >>> params = tn.transform(model).init(jax.random.key(0), jnp.zeros((2, 3), int))
    >>> jax.tree.map(jnp.shape, params)
    {'embed': {'embeddings': (11, 4)}}
    """

    def __init__(
        self,
        vocab_size: int | None = None,
        embed_dim: int | None = None,
        embedding_matrix: np.ndarray | jax.Array | None = None,
        w_init: Initializer | None = None,
        lookup_style: str | EmbedLookupStyle = "ARRAY_INDEX",
        name: str | None = None,
        precision: jax.lax.PrecisionLike = jax.lax.Precision.HIGHEST,
        *,
        share: Share = None,
        stages: Stages = None,
    ):
        """Describes the matrix.

        Args:
          vocab_size: the number of ids.
          embed_dim: the number of dimensions.
          embedding_matrix: initial values, instead of both sizes and of `w_init`.
          w_init: by default a truncated normal distribution with standard deviation 1.
          lookup_style: an `EmbedLookupStyle` or its name.
          name: of the module.
          precision: of the matrix product, where lookup is one.

        Raises:
          ValueError: sizes are missing, less than 1, or differ from those of `embedding_matrix`.
        """
        super().__init__(name=name)
        if embedding_matrix is not None:
            matrix = jnp.asarray(embedding_matrix)
            _check_size("vocab_size", vocab_size, matrix.shape, 0)
            _check_size("embed_dim", embed_dim, matrix.shape, 1)
            vocab_size, embed_dim = matrix.shape
            w_init = _Given(embedding_matrix)
        if vocab_size is None or embed_dim is None:
            raise ValueError(
                f"{library()}.Embed must be supplied either with an `embedding_matrix`, or with `vocab_size` and `embed_dim`"
            )
        for what, size in (("vocab_size", vocab_size), ("embed_dim", embed_dim)):
            if isinstance(size, (int, float)) and size < 1:
                raise ValueError(
                    f"{library()}.Embed: {what} is a number of at least 1, not {size}: there would be no vectors"
                )
        self.vocab_size = vocab_size
        self.embed_dim = embed_dim
        self.lookup_style = lookup_style
        self.precision = precision
        self.w_init = w_init or TruncatedNormal()

    @property
    def embeddings(self) -> jax.Array:
        """The matrix [vocabulary, dimensions], owned or borrowed."""
        return get_parameter(
            "embeddings", (self.vocab_size, self.embed_dim), init=self.w_init, axes=named("vocab", "embed")
        )

    def __call__(
        self,
        ids: jax.Array | Sequence[int],
        lookup_style: str | EmbedLookupStyle | None = None,
        precision: jax.lax.PrecisionLike = None,
    ) -> jax.Array:
        """Maps ids [...] to vectors [..., dimensions]; an id beyond the vocabulary gives NaN.

        Args:
          ids: integers in [0, vocab_size).
          lookup_style: instead of the constructor's.
          precision: instead of the constructor's.

        Raises:
          ValueError: the ids are not integers.
          AttributeError: there is no lookup style of that name.
        """
        ids = jnp.asarray(ids)
        if not jnp.issubdtype(ids.dtype, jnp.integer):
            raise ValueError(
                f"{library()}.Embed's __call__ method must take an array of integer dtype but was called with an array of "
                f"{ids.dtype}: ids are rows of a table"
            )
        style = _style(lookup_style or self.lookup_style)
        if style is EmbedLookupStyle.ARRAY_INDEX:
            return rows_of(jnp.asarray(self.embeddings), ids)
        if style is EmbedLookupStyle.ONE_HOT:
            rows = jax.nn.one_hot(ids, self.vocab_size)
            return jnp.dot(rows, self.embeddings, precision=self.precision if precision is None else precision)
        raise NotImplementedError(f"{library()}.Embed cannot look up by {style!r}")


def _style(style: str | EmbedLookupStyle) -> EmbedLookupStyle:
    if not isinstance(style, str):
        return style
    if style.upper() not in EmbedLookupStyle.__members__:
        raise AttributeError(f"lookup_style is one of {', '.join(EmbedLookupStyle.__members__)}, not {style!r}")
    return EmbedLookupStyle[style.upper()]


class _Given:
    """The initialiser that returns an array as it is. It is made one when it is asked for, so that no trace's stays."""

    def __init__(self, value: Any):
        self.value = value

    def __call__(self, shape: Any, dtype: Any) -> jax.Array:
        return jnp.asarray(self.value)


def _check_size(name: str, size: int | None, shape: tuple[int, ...], axis: int) -> None:
    if size and shape[axis] != size:
        raise ValueError(f"an `embedding_matrix` of shape {shape} was supplied but the `{name}` is {size}")
