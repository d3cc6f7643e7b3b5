"""Losses of whole sequences, and of batches."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from tenure.core.run.rng import next_rng_key
from tenure.network import versions
from tenure.network.losses import clusters, ctc, decode, sampled
from tenure.network.losses.base import Loss, LossError, View
from tenure.network.losses.bleu import bleu
from tenure.network.losses.edit_distance import distances
from tenure.network.losses.frames import cross_entropy
from tenure.network.tf.elementwise import safe_log


def _logits(view: View, in_log_space: bool) -> tuple[jax.Array, jax.Array]:
    """What the softmax before CTC's loss is applied to [B, T, N], and the frames [B]."""
    if view.target is None or not view.target.sparse:
        raise LossError("CTC needs a target of classes", ways=["'target': 'classes'"])
    if view.output.feature_axis is None or view.output.shape[-1] != view.classes + 1:
        raise LossError(
            f"the output {view.output!r} has not the target's {view.classes} classes and one for the blank",
            ways=[f"'n_out': {view.classes + 1}"],
        )
    raw = view.output.data
    if not in_log_space:
        raw = view.before if view.activation in ("softmax", "exp") and view.before is not None else safe_log(raw)
    return view.sequences(view.output.like(raw))


def native_no_path(zero: bool | None, best: bool) -> ctc.NoPath:
    """What RETURNN's own implementation gives for a sequence without a path; `zero` is its `zero_infinity`."""
    if zero is None:
        zero = versions.at_least(versions.CTC_WITHOUT_PATH_IS_ZERO)
    return ctc.NoPath(0.0 if zero or not best else float("inf"), flat_gradient=not zero)


@dataclasses.dataclass(frozen=True)
class Ctc(Loss):
    """Connectionist temporal classification; the blank is the last class.

    Attributes:
      target_collapse_repeated: make runs of equal labels in the target one.
      auto_clip_target_len: take no more labels than there are frames, less one.
      output_in_log_space: whether the output are log probabilities.
      beam_width: of the search that the error comes from outside of training; 1 for greedy decoding.
      ctc_opts: "ctc_merge_repeated", "preprocess_collapse_repeated", "ignore_longer_outputs_than_inputs"; with
        `use_native` "label_loop", "logits_normalize", "blank_index", "zero_infinity".
      use_native: RETURNN's own implementation: a sequence without a path has loss zero.
      use_viterbi: the best path instead of all.
    """

    target_collapse_repeated: bool = False
    auto_clip_target_len: bool = False
    output_in_log_space: bool = False
    beam_width: int = 100
    ctc_opts: Mapping[str, Any] | None = None
    use_native: bool = False
    use_viterbi: bool = False

    aligned: ClassVar[bool] = False

    def _labels(self, view: View, frames: jax.Array) -> tuple[jax.Array, jax.Array]:
        assert view.target is not None
        labels, lengths = view.sequences(view.target)
        if self.auto_clip_target_len:
            lengths = jnp.minimum(lengths, jnp.maximum(frames - 1, 0))
        opts = self.ctc_opts or {}
        if self.target_collapse_repeated or opts.get("preprocess_collapse_repeated"):
            labels, lengths = decode.without_repeats(labels, lengths)
        return labels, lengths

    def value(self, view: View) -> jax.Array:
        """The sum over sequences."""
        logits, frames = _logits(view, self.output_in_log_space)
        labels, lengths = self._labels(view, frames)
        opts = dict(self.ctc_opts or {})
        loop = opts.get("label_loop", opts.get("ctc_merge_repeated", True))
        topology = ctc.Topology(opts.get("blank_index", -1) % logits.shape[-1], True if loop is None else bool(loop))
        losses = ctc.loss(
            logits,
            frames,
            labels,
            lengths,
            topology,
            normalized=not opts.get("logits_normalize", True),
            best=self.use_viterbi,
            no_path=self._no_path(opts),
        )
        return view.over_sequences(losses)

    def _no_path(self, opts: Mapping[str, Any]) -> ctc.NoPath:
        if not (self.use_native or self.use_viterbi):
            return ctc.NoPath(ignore_longer=bool(opts.get("ignore_longer_outputs_than_inputs")))
        return native_no_path(opts.get("zero_infinity"), self.use_viterbi)

    def error(self, view: View) -> jax.Array:
        """How many labels have to be edited in what is decoded."""
        logits, frames = _logits(view, self.output_in_log_space)
        labels, lengths = self._labels(view, frames)
        blank = logits.shape[-1] - 1
        if self.beam_width > 1 and not view.training:
            found = decode.beam(logits, frames, blank, self.beam_width)
        else:
            found = decode.greedy(jax.lax.stop_gradient(logits), frames, blank)
        return view.over_sequences(distances(*found, labels, lengths)).astype(jnp.float32)


@dataclasses.dataclass(frozen=True)
class EditDistance(Loss):
    """Edits between output and target labels; only reported.

    Attributes:
      label_map: label → label, or None for those that do not count, applied to both.
      ctc_decode: whether the output are probabilities to decode.
      output_in_log_space: whether these are log probabilities.
      debug_print: has no effect.
    """

    label_map: Mapping[int, int | None] | None = None
    ctc_decode: bool = False
    output_in_log_space: bool = False
    debug_print: bool = False

    aligned: ClassVar[bool] = False

    def value(self, view: View) -> None:
        """Nothing to minimise."""

    def error(self, view: View) -> jax.Array:
        """The edits of all sequences."""
        if view.target is None or not view.target.sparse:
            raise LossError("'edit_distance' needs a target of classes", ways=["'target': 'classes'"])
        if self.ctc_decode:
            logits, frames = _logits(view, self.output_in_log_space)
            found = decode.beam(logits, frames, logits.shape[-1] - 1)
        elif view.output.sparse:
            found = view.sequences(view.output)
        else:
            raise LossError("'edit_distance' needs an output of classes", ways=["'ctc_decode': True"])
        target = view.sequences(view.target)
        return view.over_sequences(distances(*self._mapped(*found), *self._mapped(*target))).astype(jnp.float32)

    def _mapped(self, labels: jax.Array, lengths: jax.Array) -> tuple[jax.Array, jax.Array]:
        if not self.label_map:
            return labels, lengths
        table = {int(k): -1 if v is None else int(v) for k, v in self.label_map.items()}
        lookup = jnp.asarray([table.get(i, i) for i in range(max(table) + 1)], jnp.int32)
        mapped = jnp.where(labels < len(lookup), lookup[jnp.clip(labels, 0, len(lookup) - 1)], labels)
        return decode.packed(mapped, (mapped >= 0) & (jnp.arange(labels.shape[1]) < lengths[:, None]))


@dataclasses.dataclass(frozen=True)
class Bleu(Loss):
    """The BLEU score of output labels with the target as reference, negative; only reported."""

    aligned: ClassVar[bool] = False

    def value(self, view: View) -> None:
        """Nothing to minimise."""

    def error(self, view: View) -> jax.Array:
        """Minus the scores of all sequences."""
        if view.target is None or not view.target.sparse or not view.output.sparse:
            raise LossError(
                f"'bleu' compares labels with labels, and the output is {view.output!r}",
                ways=["take the labels:  {'class': 'reduce', 'mode': 'argmax', 'axis': 'F', …}", "'target': 'classes'"],
            )
        return -view.over_sequences(bleu(*view.sequences(view.output), *view.sequences(view.target)))


@dataclasses.dataclass(frozen=True)
class DeepClustering(Loss):
    """Deep clustering: Hershey et al. 2016, https://arxiv.org/abs/1508.04306.

    Attributes:
      embedding_dimension: the size of an embedding.
      nr_of_sources: how many sources there are.
    """

    embedding_dimension: int = 0
    nr_of_sources: int = 0

    aligned: ClassVar[bool] = False

    def value(self, view: View) -> jax.Array:
        """The sum over sequences."""
        assert view.target is not None
        output, lengths = view.sequences(view.output)
        target, _ = view.sequences(view.target)
        keep = jnp.arange(output.shape[1]) < lengths[:, None]
        pieces = clusters.deep_clustering(output, target, keep, self.embedding_dimension, self.nr_of_sources)
        return view.over_sequences(pieces)

    def error(self, view: View) -> None:
        """None."""


@dataclasses.dataclass(frozen=True)
class Triplet(Loss):
    """Triplet loss of outputs [B, 3 F] with targets [B, 3].

    Attributes:
      margin: of cosine distances.
      multi_view_training: whether there are two views of each.
    """

    margin: float = 0.0
    multi_view_training: bool = False

    aligned: ClassVar[bool] = False

    def value(self, view: View) -> jax.Array:
        """The sum over pairs."""
        if view.target is None or not view.target.sparse or view.output.ndim != 2:
            raise LossError(f"'triplet_loss' needs [batch, features] and classes, not {view.output!r}")
        return clusters.triplets(view.output.data, view.labels, self.margin, self.multi_view_training)

    def error(self, view: View) -> None:
        """None."""

    def norm_factor(self, view: View) -> Any:
        """1 over the number of pairs per sequence, times the batch."""
        return 1.0 / ((2.0 if self.multi_view_training else 1.0) * 9.0 * view.output.shape[0])


@dataclasses.dataclass(frozen=True)
class Sampling(Loss):
    """Sampled softmax, or noise contrastive estimation.

    Attributes:
      num_sampled: how many classes stand for all.
      num_splits: has no effect: one sample serves the batch.
      sampler: "log_uniform" (classes sorted by frequency) or "uniform".
      nce_loss: noise contrastive estimation instead.
      use_full_softmax: all classes.
      remove_accidental_hits: leave out a sampled class that is the true one; by default not with `nce_loss`.
      sampler_args: has no effect.
      nce_log_norm_term: a constant log normaliser.
    """

    num_sampled: int = 128
    num_splits: int = 1
    sampler: str = "log_uniform"
    nce_loss: bool = False
    use_full_softmax: bool = False
    remove_accidental_hits: bool | None = None
    sampler_args: Mapping[str, Any] | None = None
    nce_log_norm_term: float = 0.0

    def value(self, view: View) -> jax.Array:
        """The sum over frames."""
        if self.use_full_softmax:
            if view.logits is None:
                raise LossError("'use_full_softmax' needs a softmax layer")
            return view.total(cross_entropy(jax.nn.log_softmax(view.logits), view.labels))
        layer = view.layer
        weights, bias = layer.params.get("W"), layer.params.get("b")
        if weights is None or bias is None or weights.shape[0] != view.classes:
            raise LossError(
                f"'sampling_loss' needs a layer with 'W' [{view.classes}, …] and 'b'",
                ways=["'use_transposed_weights': True in a linear layer"],
            )
        source = layer.source(dropout=True).feature_last()
        inputs = jnp.transpose(source.data, [source.dims.index(d) for d in (*view.frames, source.dims[-1])])
        inputs = inputs[tuple(slice(0, n) for n in view.output.shape[: len(view.frames)])]
        drawn = sampled.sample(next_rng_key(), sampled.noise(self.sampler, view.classes), self.num_sampled)
        hits = not self.nce_loss if self.remove_accidental_hits is None else self.remove_accidental_hits
        true, other = sampled.logits_of(weights, bias, inputs, view.labels, drawn, hits)
        if self.nce_loss:
            return view.total(sampled.noise_contrastive(true, other, self.nce_log_norm_term))
        return view.total(sampled.sampled_softmax(true, other))
