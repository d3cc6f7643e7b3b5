"""Vector quantisation: each vector replaced by the nearest one of a code book."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from tenure.core.run.module import Module, Share, Stages
from tenure.core.run.naming import transparent
from tenure.core.run.parameters import get_parameter
from tenure.core.run.state import get_state, set_state
from tenure.functional.explicit_mesh import rows_of, summed_over_batch
from tenure.initializers import VarianceScaling
from tenure.nn import ExponentialMovingAverage


def _distances(vectors: jax.Array, codes: jax.Array) -> jax.Array:
    """Squared distances of vectors [N, D] to codes [D, K]: [N, K]."""
    squares = jnp.sum(jnp.square(vectors), 1, keepdims=True)
    return squares - 2 * jnp.matmul(vectors, codes) + jnp.sum(jnp.square(codes), 0, keepdims=True)


class _Quantizer(Module):
    """What both kinds do with a code book `embeddings` [D, K]."""

    embedding_dim: int
    num_embeddings: int
    cross_replica_axis: str | None

    @transparent
    def _nearest(self, inputs: jax.Array, embeddings: Any) -> tuple[jax.Array, dict[str, jax.Array]]:
        """The flat inputs, and which codes are nearest to them."""
        flat = jnp.reshape(inputs, [-1, self.embedding_dim])
        distances = _distances(flat, embeddings)
        indices = jnp.argmax(-distances, 1)
        encodings = jax.nn.one_hot(indices, self.num_embeddings, dtype=distances.dtype)
        indices = jnp.reshape(indices, inputs.shape[:-1])
        return flat, {"encodings": encodings, "encoding_indices": indices, "distances": distances}

    @transparent
    def _result(
        self, inputs: jax.Array, quantized: jax.Array, loss: jax.Array, found: dict[str, jax.Array]
    ) -> dict[str, jax.Array]:
        """The outputs; the gradient of the quantised vectors goes to the inputs."""
        quantized = inputs + lax.stop_gradient(quantized - inputs)
        average = jnp.mean(found["encodings"], 0)
        if self.cross_replica_axis:
            average = lax.pmean(average, axis_name=self.cross_replica_axis)
        perplexity = jnp.exp(-jnp.sum(average * jnp.log(average + 1e-10)))
        return {"quantize": quantized, "loss": loss, "perplexity": perplexity, **found}

    def quantize(self, encoding_indices: jax.Array) -> jax.Array:
        """The codes [..., D] of indices [...]."""
        codes = jnp.asarray(self.embeddings.swapaxes(1, 0))  # type: ignore[attr-defined]
        return rows_of(codes, encoding_indices)


class VectorQuantizer(_Quantizer):
    """A code book that is trained by gradients.

    Source: van den Oord et al. 2017, https://arxiv.org/abs/1711.00937.

    Owns `embeddings` [embedding_dim, num_embeddings].

    >>> import tenure as tn
    >>> model = tn.transform(lambda x: VectorQuantizer(4, 8, 0.25)(x, is_training=True))
    >>> params = model.init(jax.random.key(0), jnp.ones((2, 3, 4)))
    >>> model.apply(params, None, jnp.ones((2, 3, 4)))["quantize"].shape
    (2, 3, 4)
    """

    def __init__(
        self,
        embedding_dim: int,
        num_embeddings: int,
        commitment_cost: float,
        dtype: Any = jnp.float32,
        name: str | None = None,
        cross_replica_axis: str | None = None,
        *,
        share: Share = None,
        stages: Stages = None,
    ):
        """Describes the code book.

        Args:
          embedding_dim: the size of a code.
          num_embeddings: the number of codes.
          commitment_cost: the weight of the loss that moves inputs towards codes.
          dtype: of the codes.
          name: of the module.
          cross_replica_axis: the axis of a `pmap` over which the perplexity is computed.
        """
        super().__init__(name=name)
        self.embedding_dim = embedding_dim
        self.num_embeddings = num_embeddings
        self.commitment_cost = commitment_cost
        self.cross_replica_axis = cross_replica_axis
        self._embedding_shape = [embedding_dim, num_embeddings]
        self._embedding_dtype = dtype

    @property
    def embeddings(self) -> jax.Array:
        """The code book [embedding_dim, num_embeddings]."""
        init = VarianceScaling(distribution="uniform")
        return get_parameter("embeddings", self._embedding_shape, self._embedding_dtype, init=init)

    def __call__(self, inputs: jax.Array, is_training: bool) -> dict[str, jax.Array]:
        """Replaces vectors [..., embedding_dim] by codes.

        Args:
          inputs: the vectors.
          is_training: has no influence here.

        Returns:
          quantize [..., embedding_dim]: the codes. loss []: of this layer. perplexity []: of the codes' frequencies.
          encodings [N, num_embeddings] and encoding_indices [...]: which codes. distances [N, num_embeddings].
        """
        _, found = self._nearest(inputs, self.embeddings)
        quantized = self.quantize(found["encoding_indices"])
        towards_codes = jnp.mean(jnp.square(lax.stop_gradient(quantized) - inputs))
        towards_inputs = jnp.mean(jnp.square(quantized - lax.stop_gradient(inputs)))
        return self._result(inputs, quantized, towards_inputs + self.commitment_cost * towards_codes, found)


class VectorQuantizerEMA(_Quantizer):
    """A code book of moving averages of the vectors that each code replaces.

    Source: van den Oord et al. 2017, appendix A.1, https://arxiv.org/abs/1711.00937.

    Keeps the state `embeddings` [embedding_dim, num_embeddings], and two moving averages.

    >>> import tenure as tn
    >>> model = tn.transform_with_state(lambda x: VectorQuantizerEMA(4, 8, 0.25, decay=0.9)(x, is_training=True))
    >>> params, state = model.init(jax.random.key(0), jnp.ones((2, 3, 4)))
    >>> params, state["vector_quantizer_ema"]["embeddings"].shape
    ({}, (4, 8))
    """

    def __init__(
        self,
        embedding_dim: int,
        num_embeddings: int,
        commitment_cost: float,
        decay: float,
        epsilon: float = 1e-5,
        dtype: Any = jnp.float32,
        cross_replica_axis: str | None = None,
        name: str | None = None,
        *,
        share: Share = None,
        stages: Stages = None,
    ):
        """Describes the code book.

        Args:
          embedding_dim: the size of a code.
          num_embeddings: the number of codes.
          commitment_cost: the weight of the loss that moves inputs towards codes.
          decay: of the moving averages.
          epsilon: keeps codes apart that nothing is near to.
          dtype: of the codes.
          cross_replica_axis: the axis of a `pmap` over which the averages are taken.
          name: of the module.

        Raises:
          ValueError: a decay outside of [0, 1].
        """
        super().__init__(name=name)
        if not 0 <= decay <= 1:
            raise ValueError("decay must be in range [0, 1]")
        self.embedding_dim = embedding_dim
        self.num_embeddings = num_embeddings
        self.decay = decay
        self.commitment_cost = commitment_cost
        self.epsilon = epsilon
        self.cross_replica_axis = cross_replica_axis
        self._embedding_shape = [embedding_dim, num_embeddings]
        self._dtype = dtype
        self._ema_cluster_size = ExponentialMovingAverage(decay=decay, name="ema_cluster_size")
        self._ema_dw = ExponentialMovingAverage(decay=decay, name="ema_dw")

    @property
    def embeddings(self) -> jax.Array:
        """The code book [embedding_dim, num_embeddings]."""
        init = VarianceScaling(distribution="uniform")
        return get_state("embeddings", self._embedding_shape, self._dtype, init=init)

    @property
    def ema_cluster_size(self) -> ExponentialMovingAverage:
        """The average of how many vectors each code replaces."""
        self._ema_cluster_size.initialize([self.num_embeddings], self._dtype)
        return self._ema_cluster_size

    @property
    def ema_dw(self) -> ExponentialMovingAverage:
        """The average of the sum of the vectors that each code replaces."""
        self._ema_dw.initialize(self._embedding_shape, self._dtype)
        return self._ema_dw

    def __call__(self, inputs: jax.Array, is_training: bool) -> dict[str, jax.Array]:
        """Replaces vectors [..., embedding_dim] by codes.

        Args:
          inputs: the vectors.
          is_training: whether the code book follows them.

        Returns:
          As `VectorQuantizer`.
        """
        flat, found = self._nearest(inputs, self.embeddings)
        quantized = self.quantize(found["encoding_indices"])
        loss = jnp.mean(jnp.square(lax.stop_gradient(quantized) - inputs))
        if is_training:
            self._follow(flat, found["encodings"])
        return self._result(inputs, quantized, self.commitment_cost * loss, found)

    @transparent
    def _follow(self, flat: jax.Array, encodings: jax.Array) -> None:
        def everywhere(x: jax.Array) -> jax.Array:
            return lax.psum(x, axis_name=self.cross_replica_axis) if self.cross_replica_axis else x

        sizes = self.ema_cluster_size(everywhere(jnp.sum(encodings, axis=0)))
        sums = self.ema_dw(everywhere(summed_over_batch(flat.T, encodings)))
        total = jnp.sum(sizes)
        sizes = (sizes + self.epsilon) / (total + self.num_embeddings * self.epsilon) * total
        set_state("embeddings", sums / jnp.reshape(sizes, [1, -1]))
