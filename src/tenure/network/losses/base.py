"""What a loss sees of a layer, and what it gives."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from tenure.network import ops, sizes
from tenure.network.dims import Dim
from tenure.network.errors import NetworkError
from tenure.network.losses.frames import wrong
from tenure.network.output import Output
from tenure.network.tensor import Tensor


class LossError(NetworkError):
    """A loss that cannot be computed from this output and this target."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class LossValue:
    """A loss as computed.

    Attributes:
      loss: the sum over frames or sequences; None if it is only reported.
      error: likewise, what is reported beside it (wrong frames, edits); None if there is none.
      norm_factor: what makes means of sums.
      scale: its weight in the objective.
      normalized: whether the objective takes the mean.
      frames: the loss and the error of each frame, [B, …]; None where they are no sums over frames.
    """

    loss: Any
    error: Any
    norm_factor: Any
    scale: float = dataclasses.field(default=1.0, metadata={"static": True})
    normalized: bool = dataclasses.field(default=False, metadata={"static": True})
    frames: tuple[Any, Any] = (None, None)

    @property
    def total(self) -> Any:
        """The term of the objective."""
        if self.loss is None or not self.scale:
            return jnp.zeros(())
        return self.loss * self.scale * (self.norm_factor if self.normalized else 1)


@dataclasses.dataclass(frozen=True)
class View:
    """A layer's output and its target, with axes that stand for each other at the same places.

    Attributes:
      output: with the features last.
      logits: the output before a softmax, likewise, or None.
      activation: the name of the output's activation, if known.
      before: the output before its activation, whatever that is.
      target: with the features last, or None.
      training: whether this pass is for training.
      whole: all that the layer gives.
      layer: the layer itself.
      summed: what `total` has summed so far.
    """

    output: Tensor
    logits: jax.Array | None
    activation: str | None
    before: jax.Array | None
    target: Tensor | None
    training: bool
    whole: Output
    layer: Any
    summed: list[jax.Array] = dataclasses.field(default_factory=list, compare=False)

    @property
    def frames(self) -> tuple[Dim, ...]:
        """The output's dims without the features."""
        return self.output.dims if self.output.feature_axis is None else self.output.dims[:-1]

    @functools.cached_property
    def labels(self) -> jax.Array:
        """The target's array.

        Raises:
          LossError: there is no target.
        """
        if self.target is None:
            raise LossError("this loss needs a target", ways=["'target': 'classes'", "feed the target"])
        return self.target.data

    @property
    def classes(self) -> int:
        """How many classes the target has. Where it does not say, and the output has a feature for each frame: how many those are.

        Raises:
          LossError: nothing says it.
        """
        assert self.target is not None
        dim, features = self.target.feature_or_sparse_dim, self.output.feature_dim
        if dim is not None and dim.root.size is None and features is not None and features.is_dynamic:
            return self.output.shape[self.output.feature_axis or 0]
        if dim is None or dim.root.size is None:
            raise LossError("the target has no classes", ways=["declare it:  {'dim': 10, 'sparse': True}"])
        return dim.root.size

    def mask(self, dims: Sequence[Dim], shape: Sequence[int]) -> jax.Array | None:
        """Which entries of an array with these dims count; None if all do."""
        keeps = []
        for axis, dim in enumerate(dims):
            if dim.root.is_plain_batch and (rows := sizes.current().rows) is not None:
                keeps.append(jnp.arange(shape[axis]).reshape([-1 if i == axis else 1 for i in range(len(dims))]) < rows)
            lengths = sizes.current().lengths(dim) if dim.is_dynamic else None
            if lengths is not None and all(any(d == e for e in dims) for d in lengths.dims):
                positions = jnp.arange(shape[axis]).reshape([-1 if i == axis else 1 for i in range(len(dims))])
                keeps.append(positions < ops.aligned(lengths, dims))
        return functools.reduce(jnp.logical_and, keeps) if keeps else None

    def total(self, values: jax.Array) -> jax.Array:
        """The sum of an array whose first axes are the frames; what does not count is left out."""
        keep = self.mask(self.frames, values.shape)
        if keep is not None:
            values = jnp.where(keep.reshape(keep.shape + (1,) * (values.ndim - keep.ndim)), values, 0)
        self.summed.append(values)
        return jnp.sum(values.astype(jnp.float32))

    def over_sequences(self, values: jax.Array) -> jax.Array:
        """The sum of an array [B] over the sequences that count."""
        rows = sizes.current().rows
        return jnp.sum(values if rows is None else jnp.where(jnp.arange(len(values)) < rows, values, 0))

    def sequences(self, x: Tensor) -> tuple[jax.Array, jax.Array]:
        """A tensor as [B, T, …], and the lengths [B].

        Raises:
          LossError: it is no batch of sequences.
        """
        if x.batch_axis is None or x.time_axis is None:
            raise LossError(f"a batch of sequences is needed, not {x!r}")
        first = x.move_axis(x.time_axis, 0).batch_first()
        return first.data, lengths_of(first)


def lengths_of(x: Tensor) -> jax.Array:
    """How many frames count in each sequence [B], as integers."""
    assert x.time_dim is not None and x.batch_axis is not None and x.time_axis is not None
    batch, size = x.shape[x.batch_axis], x.shape[x.time_axis]
    found = sizes.current().lengths(x.time_dim)
    data = jnp.asarray(size, jnp.int32) if found is None else jnp.minimum(found.data, size)
    lengths, rows = jnp.broadcast_to(data.astype(jnp.int32), (batch,)), sizes.current().rows
    return lengths if rows is None else jnp.where(jnp.arange(batch) < rows, lengths, 0)


@dataclasses.dataclass(frozen=True)
class Loss:
    """A loss with its options.

    Attributes:
      scale: its weight in the objective; 0: not in the objective at all.
      use_normalized_loss: whether the objective takes the mean instead of the sum.
      custom_norm_factor: what makes means of sums, instead of 1 over the number of frames.
      custom_inv_norm_factor: a tensor whose sum is 1 over that.
      use_flatten_frames: has no effect here: what does not count is masked.
    """

    scale: float = dataclasses.field(default=1.0, kw_only=True)
    use_normalized_loss: bool = dataclasses.field(default=False, kw_only=True)
    custom_norm_factor: Any = dataclasses.field(default=None, kw_only=True)
    custom_inv_norm_factor: Any = dataclasses.field(default=None, kw_only=True)
    use_flatten_frames: bool = dataclasses.field(default=True, kw_only=True)

    layer_options: ClassVar[tuple[str, ...]] = ("custom_inv_norm_factor",)
    needs_target: ClassVar[bool] = True
    of_beams: ClassVar[bool] = False  # whether it sees the hypotheses of a search together, and not one by one
    aligned: ClassVar[bool] = True  # whether output and target have a frame for a frame

    def value(self, view: View) -> jax.Array | None:
        """The sum over frames or sequences; None if there is nothing to minimise."""
        raise NotImplementedError

    def error(self, view: View) -> jax.Array | None:
        """What is reported beside it; by default how many frames have another best class than the target."""
        if view.target is None or view.output.sparse or view.output.feature_axis is None:
            return None
        scores = view.output.data if view.logits is None else view.logits
        return view.total(wrong(scores, view.labels))

    def norm_factor(self, view: View) -> Any:
        """What makes means of sums: 1 over the number of frames, of the target where there is one."""
        if self.custom_inv_norm_factor is not None:
            return 1.0 / jnp.sum(self.custom_inv_norm_factor.data.astype(jnp.float32))
        if self.custom_norm_factor is not None:
            return jnp.asarray(self.custom_norm_factor, jnp.float32)
        return 1.0 / _count(view)


def _count(view: View) -> jax.Array:
    output, target = view.output, view.target
    beam = output.beam_dim
    hypotheses = 1 if beam is None else sizes.current().padded(beam)  # the target is that of all of them
    if output.batch_axis is not None and output.time_axis is not None:
        x = target if target is not None and target.time_axis is not None and target.batch_axis is not None else output
        if x.beam_dim is not None and x.time_dim is not None:
            lengths = sizes.current().lengths(x.time_dim)
            frames = jnp.asarray(x.data.size, jnp.float32) if lengths is None else jnp.sum(lengths.data)
            own = lengths is None or lengths.has(x.beam_dim)
            return frames.astype(jnp.float32) * (1 if own else hypotheses)
        return jnp.sum(lengths_of(x)).astype(jnp.float32) * hypotheses
    if output.batch_axis is not None:
        rows = sizes.current().rows if output.dims[output.batch_axis].root.is_plain_batch else None
        return jnp.asarray(output.shape[output.batch_axis] if rows is None else rows, jnp.float32) * hypotheses
    dynamic = [sizes.current().lengths(output.dims[i]) for i in output.dynamic_axes]
    found = [jnp.sum(n.data).astype(jnp.float32) for n in dynamic if n is not None]
    return functools.reduce(jnp.multiply, found, jnp.ones(()))
