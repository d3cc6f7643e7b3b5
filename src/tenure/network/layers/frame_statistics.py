"""Statistics of a softmax layer's frames, beside its loss."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from tenure.network.layer import Layer, layer
from tenure.network.losses.align import view
from tenure.network.losses.base import View
from tenure.network.losses.frames import cross_entropy, wrong
from tenure.network.losses.framewise import CrossEntropy
from tenure.network.losses.registry import target_of
from tenure.network.output import Output
from tenure.network.tensor import Tensor


@layer("framewise_statistics")
class FramewiseStatistics(Layer):
    """Cross entropy, wrong frames and a histogram of the true label's probability, of the layer in `from`.

    Each is a sub-layer: `batch_loss_ce`, `batch_frame_error`, `batch_true_label_prob_histogram`, `batch_loss_perplexity`
    and `batch_seq_length`, and each again with `_sil` and `_no_sil`, over the frames whose label is silence, or is not.
    The output itself is 0. Sums over batches are the training program's.

    Input [B, T, labels] of a softmax layer with target [B, T]; output and sub-layers are scalars, the histogram [bins].
    """

    def forward(self, sources: Any, *, sil_label_idx: int, histogram_num_bins: int = 20) -> Output:
        key = self.node.sources[0]
        source = self.run.layers.get(key)
        out = self.given(key)
        target = target_of(source) if source is not None else None
        if source is None or target is None or not target.sparse or out.activation != "softmax":
            raise self.error("from", self.node.get("from"), "a softmax layer with a target of classes is needed")
        seen = view(source, out, target, CrossEntropy())
        silence = seen.labels == sil_label_idx
        found: dict[str, Tensor] = {}
        for suffix, of in (("", None), ("_sil", silence), ("_no_sil", ~silence)):
            found |= {name + suffix: x for name, x in self._over(seen, of, histogram_num_bins).items()}
        return Output(Tensor(jnp.zeros((), jnp.int32), ()), subs={name: Output(x) for name, x in found.items()})

    def _over(self, seen: View, of: Any, bins: int) -> dict[str, Tensor]:
        """The statistics over some of the frames."""
        keep = seen.mask(seen.frames, seen.labels.shape)
        keep = jnp.ones(seen.labels.shape, bool) if keep is None else jnp.broadcast_to(keep, seen.labels.shape)
        keep = keep if of is None else keep & of
        count = jnp.sum(keep)
        assert seen.logits is not None
        log_probs = jax.nn.log_softmax(seen.logits)
        losses = cross_entropy(log_probs, seen.labels)
        probs = jnp.exp(-losses)
        bin_of = jnp.clip(jnp.round(probs * bins).astype(jnp.int32), 0, bins - 1)

        def mean(x: jax.Array) -> jax.Array:
            x = x.astype(jnp.float32)
            shown = jnp.where(keep.reshape(*keep.shape, *[1] * (x.ndim - keep.ndim)), x, 0)
            return jnp.sum(shown, axis=tuple(range(keep.ndim))) / count

        loss = mean(losses)
        histogram = mean(jax.nn.one_hot(bin_of, bins))
        return {
            "batch_seq_length": Tensor(count.astype(jnp.int32), ()),
            "batch_loss_ce": Tensor(loss, ()),
            "batch_loss_perplexity": Tensor(jnp.exp(loss), ()),
            "batch_frame_error": Tensor(mean(wrong(seen.logits, seen.labels)), ()),
            "batch_true_label_prob_histogram": Tensor(histogram, (self.new_dim("bins", bins),)),
        }
