"""Losses that are sums over frames."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from tenure.network import ops
from tenure.network.losses import frames
from tenure.network.losses.base import Loss, LossError, View
from tenure.network.tf import activation
from tenure.network.tf.elementwise import safe_log


@dataclasses.dataclass(frozen=True)
class CrossEntropy(Loss):
    """Cross entropy with classes or distributions.

    Attributes:
      input_type: "prob", or "logits" if the output is to go through a softmax first.
      focal_loss_factor: less weight for what is right already; 0 for none.
      label_smoothing: the probability that goes to other classes.
      label_smoothing_gaussian: whether neighbours get more of it.
      safe_log_opts: "eps", the least probability.
      use_fused: compute from the softmax's input where there is one.
      fake_upper_bound: what the loss is reported to be at most; the gradient does not change.
      debug_dump: has no effect.
    """

    input_type: str = "prob"
    focal_loss_factor: float = 0.0
    label_smoothing: float = 0.0
    label_smoothing_gaussian: bool = False
    safe_log_opts: Mapping[str, Any] | None = None
    use_fused: bool = True
    fake_upper_bound: float | None = None
    debug_dump: bool = False

    def __post_init__(self) -> None:
        if self.input_type not in ("prob", "logits"):
            raise LossError(f"input_type {self.input_type!r} is neither 'prob' nor 'logits'")

    def value(self, view: View) -> jax.Array:
        """The sum over frames."""
        target, logits = view.labels, view.output.data if self.input_type == "logits" else view.logits
        fused = logits is not None and (self.use_fused or self.input_type == "logits")
        scores: Any = logits if fused else safe_log(view.output.data, **(self.safe_log_opts or {}))
        entropy = frames.softmax_cross_entropy if fused else frames.cross_entropy
        self._check(view, scores)
        if view.target is not None and not view.target.sparse:
            loss = entropy(scores, target)
        elif self.label_smoothing:
            soft = frames.smoothed_targets(target, view.classes, self.label_smoothing, self.label_smoothing_gaussian)
            loss = entropy(scores, soft) - frames.smoothing_floor(view.classes, self.label_smoothing)
        else:
            loss = entropy(scores, target)
        if self.focal_loss_factor:
            probs = jax.nn.softmax(logits) if logits is not None else view.output.data
            loss = frames.focal(loss, frames.pick(probs, target), self.focal_loss_factor)
        if self.fake_upper_bound is not None:
            loss = frames.bounded(loss, self.fake_upper_bound)
        return view.total(loss)

    def _check(self, view: View, scores: jax.Array) -> None:
        if view.output.feature_axis is None or scores.shape[-1] != view.classes:
            raise LossError(
                f"the output {view.output!r} has not the target's {view.classes} classes",
                ways=[f"'n_out': {view.classes}", "take another target"],
            )


@dataclasses.dataclass(frozen=True)
class BinaryCrossEntropy(Loss):
    """Cross entropy of each entry by itself; the output are logits.

    Attributes:
      pos_weight: the weight of entries that are 1 in the target.
    """

    pos_weight: float | None = None

    def value(self, view: View) -> jax.Array:
        """The sum over frames of the mean over features."""
        if view.output.feature_axis is not None and view.labels.shape != view.output.shape:
            raise LossError(
                f"'bin_ce' needs a target for each of the features of {view.output!r}", ways=["a dense target"]
            )
        loss = frames.binary_cross_entropy(view.output.data, view.labels, self.pos_weight)
        return view.total(loss) / _features(view)

    def error(self, view: View) -> jax.Array:
        """How many entries are on the wrong side of one half, as a share of the features."""
        wrong = (view.output.data > 0) != (view.labels.astype(jnp.float32) > 0.5)
        return view.total(wrong.astype(jnp.float32)) / _features(view)


def _features(view: View) -> int:
    return 1 if view.output.feature_axis is None else view.output.shape[-1]


@dataclasses.dataclass(frozen=True)
class GenericCrossEntropy(Loss):
    """Cross entropy of an activation `y` that is normalised first.

    Its gradient by the activation's input is by definition `(y - target)` times the gradient of all `log y`.
    """

    def value(self, view: View) -> jax.Array:
        """The sum over frames."""
        if view.before is None or not isinstance(view.activation, str):
            raise LossError("'generic_ce' needs a layer with a named activation")
        act = activation(view.activation)
        keep = view.mask(view.frames, view.before.shape)
        before = view.before if keep is None else jnp.where(keep[..., None], view.before, 0)
        y, pull = jax.vjp(lambda x: jnp.log(act(x)), before)
        probs = jnp.exp(y) / jnp.sum(jnp.exp(y), axis=-1, keepdims=True)
        gradient = pull(jnp.ones_like(y))[0] * (probs - jax.nn.one_hot(view.labels, view.classes))
        carrier = view.total(jnp.sum(before * jax.lax.stop_gradient(gradient), axis=-1))
        total = view.total(frames.cross_entropy(jnp.log(jnp.maximum(probs, 1e-20)), view.labels))
        return jax.lax.stop_gradient(total) + carrier - jax.lax.stop_gradient(carrier)


def _dense_target(view: View) -> jax.Array:
    labels = view.labels
    assert view.target is not None
    return _fitting(view, jax.nn.one_hot(labels, view.classes) if view.target.sparse else labels)


def _dense_only(view: View, name: str) -> jax.Array:
    labels = view.labels
    if view.target is not None and view.target.sparse:
        raise LossError(f"'{name}' needs a dense target, not classes", ways=["'loss': 'mse' takes classes"])
    return _fitting(view, labels)


def _fitting(view: View, target: jax.Array) -> jax.Array:
    sizes = [x.shape[-1] for x in (view.output.data, target) if x.ndim]
    if len({n for n in sizes if n != 1}) > 1:
        raise LossError(
            f"the output {view.output!r} has {sizes[0]} features, and its target {sizes[1]}",
            ways=[f"'n_out': {sizes[1]}", "take another target"],
        )
    return target


@dataclasses.dataclass(frozen=True)
class MeanSquaredError(Loss):
    """The mean over features of the squared difference; classes count as one-hot vectors."""

    def value(self, view: View) -> jax.Array:
        """The sum over frames."""
        return view.total(jnp.mean(jnp.square(view.output.data - _dense_target(view)), axis=-1))


@dataclasses.dataclass(frozen=True)
class L1(Loss):
    """The absolute difference, summed over features."""

    def value(self, view: View) -> jax.Array:
        """The sum over frames."""
        return view.total(jnp.abs(_dense_only(view, "l1") - view.output.data))


@dataclasses.dataclass(frozen=True)
class MeanL1(Loss):
    """The absolute difference, the mean over features."""

    def value(self, view: View) -> jax.Array:
        """The sum over frames."""
        return view.total(jnp.mean(jnp.abs(_dense_only(view, "mean_l1") - view.output.data), axis=-1))


@dataclasses.dataclass(frozen=True)
class AsIs(Loss):
    """The output is the loss.

    Attributes:
      as_error: whether it is only reported.
    """

    as_error: bool = False

    needs_target: ClassVar[bool] = False
    aligned: ClassVar[bool] = False

    def _sum(self, view: View) -> jax.Array:
        data = view.output.data.astype(jnp.float32)
        keep = view.mask(view.output.dims, data.shape)
        return jnp.sum(data if keep is None else jnp.where(keep, data, 0))

    def value(self, view: View) -> jax.Array | None:
        """The sum of the output."""
        return None if self.as_error else self._sum(view)

    def error(self, view: View) -> jax.Array | None:
        """The sum of the output, if it is only reported."""
        return self._sum(view) if self.as_error else None


@dataclasses.dataclass(frozen=True)
class ViaLayer(Loss):
    """A loss whose value and gradient other layers define.

    Attributes:
      error_signal_layer: its output is the gradient.
      align_layer: the gradient is the output minus this.
      loss_wrt_to_act_in: whether the gradient is that of the input of the activation; its name may be given as a check.
    """

    error_signal_layer: Any = None
    align_layer: Any = None
    loss_wrt_to_act_in: bool | str = False

    layer_options: ClassVar[tuple[str, ...]] = (*Loss.layer_options, "error_signal_layer", "align_layer")
    needs_target: ClassVar[bool] = False

    def value(self, view: View) -> jax.Array:
        """The other layer's loss, with that gradient."""
        source = self.error_signal_layer if self.error_signal_layer is not None else self.align_layer
        if source is None:
            raise LossError("'via_layer' needs 'error_signal_layer' or 'align_layer'")
        if isinstance(self.loss_wrt_to_act_in, str) and self.loss_wrt_to_act_in != view.activation:
            raise LossError(f"the activation is {view.activation!r}, not {self.loss_wrt_to_act_in!r}")
        wrt = view.before if self.loss_wrt_to_act_in else view.output.data
        if wrt is None or source.extra is None:
            raise LossError("'via_layer' needs a layer that computes a loss, such as 'fast_bw'")
        signal = ops.aligned(source.tensor, view.output.dims)
        if self.error_signal_layer is None:
            signal = view.output.data - signal
        keep = view.mask(view.frames, wrt.shape)
        signal = signal if keep is None else jnp.where(keep[..., None], signal, 0)
        carrier = jnp.sum(wrt * jax.lax.stop_gradient(signal))
        return jax.lax.stop_gradient(jnp.sum(source.extra)) + carrier - jax.lax.stop_gradient(carrier)

    def error(self, view: View) -> jax.Array | None:
        """Wrong frames, if there is a target."""
        return None if view.target is None else super().error(view)
