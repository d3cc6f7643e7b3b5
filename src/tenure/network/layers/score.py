"""Layers that measure: losses as outputs, edit distances, alignments."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from tenure.network import ops, sizes
from tenure.network.dims import Dim
from tenure.network.graph import Graph, Node
from tenure.network.layer import Layer, layer
from tenure.network.losses import ctc, frames
from tenure.network.losses.align import view
from tenure.network.losses.base import LossError, View, lengths_of
from tenure.network.losses.edit_distance import distances
from tenure.network.losses.registry import LOSSES
from tenure.network.losses.sequences import native_no_path
from tenure.network.output import Output
from tenure.network.tensor import Tensor
from tenure.network.tf.elementwise import safe_log


def batch_time(layer: Layer, option: str, x: Tensor) -> Tensor:
    """A tensor as [B, T, …], with the features last."""
    if x.batch_axis is None or x.time_axis is None:
        raise layer.error(option, layer.node.get(option), f"a batch of sequences is needed, not {x!r}")
    return x.feature_last().move_axis(x.time_axis if x.feature_axis != 0 else x.time_axis - 1, 0).batch_first()


@layer("sparse_softmax_cross_entropy_with_logits")
class SparseSoftmaxCrossEntropy(Layer):
    """The cross entropy of classes with a softmax over one axis.

    `logits` [B, …, labels], `targets` [B, …], output [B, …].
    """

    def forward(self, *, logits: Tensor, targets: Tensor, axis: Any = None) -> Tensor:
        at = logits.feature_axis if axis is None else self.axis(logits, axis, allow_int=False)
        if at is None:
            raise self.error("logits", self.node.get("logits"), f"{logits!r} has no feature dim", ["'axis': a Dim"])
        if not jnp.issubdtype(targets.dtype, jnp.integer):
            raise self.error("targets", self.node.get("targets"), "classes are needed")
        size = None if targets.sparse_dim is None else targets.sparse_dim.root.size
        if size is not None and size != logits.shape[at]:
            raise self.error("targets", self.node.get("targets"), f"{size} classes, and {logits.shape[at]} logits")
        x = logits.move_axis(at, -1)
        labels = jnp.broadcast_to(ops.aligned(targets, x.dims[:-1]), x.shape[:-1])
        loss = frames.cross_entropy(jax.nn.log_softmax(x.data), labels)
        rest = [i for i in range(logits.ndim) if i != at]
        return Tensor(
            loss,
            x.dims[:-1],
            None,
            None if logits.time_axis is None or logits.time_axis == at else rest.index(logits.time_axis),
            None if logits.feature_axis in (None, at) else rest.index(logits.feature_axis),
        )


@layer("ctc_loss")
class CtcLoss(Layer):
    """Connectionist temporal classification, a number for each sequence.

    `logits` [B, T, labels], `targets` [B, N], output [B].
    Source: Graves et al. 2006, "Connectionist temporal classification".
    """

    def forward(
        self,
        *,
        logits: Tensor,
        targets: Tensor,
        logits_normalized: bool = False,
        blank_index: int = -1,
        max_approx: bool = False,
        label_loop: bool = True,
    ) -> Tensor:
        x, y = batch_time(self, "logits", logits), batch_time(self, "targets", targets)
        n = x.shape[-1]
        if y.sparse_dim is None or y.sparse_dim.root.size not in (n, n - 1) or not -n <= blank_index < n:
            raise self.error("targets", self.node.get("targets"), f"{targets!r} does not fit the logits {logits!r}")
        loss = ctc.loss(
            x.data,
            lengths_of(dataclasses.replace(x, time_axis=1)),
            y.data,
            lengths_of(dataclasses.replace(y, time_axis=1)),
            ctc.Topology(blank_index % n, label_loop),
            normalized=logits_normalized,
            best=max_approx,
            no_path=native_no_path(None, max_approx),
        )
        return Tensor(loss, (x.dims[0],))


@layer("forced_align")
class ForcedAlign(Layer):
    """The best alignment: the class of each frame, [T, B]; `x/scores` are its log probabilities.

    Input [B, T, labels], `align_target` [B, N], output [T, B].
    Source: Viterbi 1967.
    """

    def forward(
        self,
        source: Tensor,
        *,
        align_target: Tensor,
        topology: str,
        input_type: str,
        blank_idx: int = -1,
        blank_included: bool = False,
    ) -> Output:
        if topology not in ("ctc", "rna"):
            raise self.error("topology", topology, "there are 'ctc' and 'rna'")
        x, y = batch_time(self, "from", source), batch_time(self, "align_target", align_target)
        n = x.shape[-1]
        if (
            y.sparse_dim is None
            or y.sparse_dim.root.size != (n if blank_included else n - 1)
            or not -n <= blank_idx < n
        ):
            raise self.error("align_target", self.node.get("align_target"), f"{align_target!r} does not fit {source!r}")
        path, scores = ctc.best_path(
            log_probs_of(self, x.data, input_type),
            lengths_of(dataclasses.replace(x, time_axis=1)),
            y.data,
            lengths_of(dataclasses.replace(y, time_axis=1)),
            ctc.Topology(blank_idx % n, topology == "ctc"),
        )
        out = Tensor(path.T.astype(jnp.int32), (x.dims[1], x.dims[0]), x.dims[2], 0)
        return Output(out, subs={"scores": Output(Tensor(scores, (x.dims[0],)))})


def log_probs_of(layer: Layer, data: jax.Array, input_type: str) -> jax.Array:
    """Log probabilities, from these or from probabilities."""
    if input_type not in ("log_prob", "prob"):
        raise layer.error("input_type", input_type, "there are 'log_prob' and 'prob'")
    return data if input_type == "log_prob" else safe_log(data)


@layer("fast_bw")
class FastBaumWelch(Layer):
    """The soft alignment [T, B, N], for the loss `via_layer`.

    Input [B, T, labels], target [B, N].
    Source: Baum et al. 1970, the forward-backward algorithm; for networks Hannun et al. 2014, https://arxiv.org/abs/1408.2873.
    """

    more_options = ("sprint_opts",)

    @classmethod
    def link(cls, graph: Graph, node: Node) -> None:
        """The target is among the network's inputs."""
        if node.get("align_target") == "ctc":
            name = node.get("align_target_key") or node.get("target") or graph.default_target
            node.refs["align_target_key"] = graph.refer(node, "align_target_key", f"data:{name}")

    def forward(
        self,
        source: Tensor,
        *,
        align_target: str,
        align_target_key: Any = None,
        ctc_opts: Mapping[str, Any] | None = None,
        input_type: str = "log_prob",
        tdp_scale: float = 1.0,
        am_scale: float = 1.0,
        min_prob: float = 0.0,
        staircase_seq_len_source: Any = None,
    ) -> Output:
        if align_target != "ctc":
            raise self.error(
                "align_target",
                align_target,
                "its automata come from a running RASR (Sprint) process, which is not part of this program",
                ["'align_target': 'ctc', with 'ctc_opts' for the topology"],
            )
        self.unsupported("no RASR (Sprint) process is started here", sprint_opts=self.node.get("sprint_opts"))
        self.unsupported(
            "alignments along a staircase are not available", staircase_seq_len_source=staircase_seq_len_source
        )
        x = batch_time(self, "from", source)
        y = batch_time(self, "align_target_key", self.fill(self.node.refs["align_target_key"]))
        opts = dict(ctc_opts or {})
        unknown = {*opts} - {"blank_idx", "label_loop", "ctc_merge_repeated"}
        if unknown:
            raise self.error(
                "ctc_opts", ctc_opts, f"there is no {min(map(str, unknown))!r}", ["'blank_idx', 'label_loop'"]
            )
        blank = opts.get("blank_idx", x.shape[-1] - 1)
        loop = opts.get("label_loop", opts.get("ctc_merge_repeated", True))
        scores = log_probs_of(self, x.data, input_type)
        if min_prob > 0:
            scores = jnp.maximum(scores, jnp.log(min_prob))
        lengths = [lengths_of(dataclasses.replace(t, time_axis=1)) for t in (x, y)]
        soft, total = ctc.soft_alignment(
            scores * am_scale, lengths[0], y.data, lengths[1], ctc.Topology(blank % x.shape[-1], bool(loop))
        )
        possible = total > ctc.IMPOSSIBLE / 2
        dims = (x.dims[1], x.dims[0], x.dims[2])
        out = Tensor(jnp.swapaxes(jax.lax.stop_gradient(soft), 0, 1), dims, None, 0, 2)
        return Output(out, extra=jnp.where(possible, -total, 0.0))


@layer("edit_distance")
class EditDistance(Layer):
    """How many edits turn one sequence of labels into another, for each sequence.

    `a` [B, M], `b` [B, N] of labels, output [B], integers.
    Source: Levenshtein 1966, "Binary codes capable of correcting deletions, insertions, and reversals".
    """

    def forward(
        self, *, a: Tensor, b: Tensor, a_spatial_dim: Dim | None = None, b_spatial_dim: Dim | None = None
    ) -> Tensor:
        both = [self._last(x, dim, name) for x, dim, name in ((a, a_spatial_dim, "a"), (b, b_spatial_dim, "b"))]
        frame = max(both, key=lambda x: x.ndim)
        dims = frame.dims[:-1]
        shape = frame.shape[:-1]
        flat = []
        for x in both:
            data = jnp.broadcast_to(ops.aligned(x, (*dims, x.dims[-1])), (*shape, x.shape[-1]))
            lengths = sizes.current().lengths(x.dims[-1])
            count: Any = x.shape[-1] if lengths is None else ops.aligned(lengths, dims)
            flat += [data.reshape(-1, x.shape[-1]), jnp.broadcast_to(count, shape).reshape(-1)]
        return Tensor(distances(*flat).reshape(shape), dims)

    def _last(self, x: Tensor, dim: Dim | None, name: str) -> Tensor:
        at = x.time_axis if dim is None else self.axis(x, dim)
        if at is None:
            raise self.error(name, self.node.get(name), f"{x!r} has no time dim")
        return x.move_axis(at, -1)


@layer("loss")
class LossLayer(Layer):
    """A loss as an output, a number for each frame, or each sequence; `x/error` is what would be reported beside it.

    Input [B, T, F], target [B, T] or [B, T, F], output [B, T], or [B] for losses of sequences.
    """

    more_options = ("loss_opts_",)

    @classmethod
    def link(cls, graph: Graph, node: Node) -> None:
        """The target is a layer (`layer:x`) or one of the network's inputs."""
        name = node.get("target_")
        loss = LOSSES.get(str(node.get("loss_")))
        if name is None and loss is not None and loss.needs_target:
            name = graph.default_target
        if isinstance(name, str):
            ref = name.removeprefix("layer:") if name.startswith("layer:") else f"data:{name}"
            node.refs["target_"] = graph.refer(node, "target_", ref)

    def forward(self, sources: Sequence[Tensor], *, loss_: str, target_: Any = None, use_error: bool = False) -> Output:
        if loss_ not in LOSSES:
            raise self.error("loss_", loss_, "there is no such loss", [", ".join(LOSSES)])
        loss = LOSSES[loss_](**(self.node.get("loss_opts_") or {}))
        target = self.fill(self.node.refs["target_"]) if "target_" in self.node.refs else None
        seen = view(self, self.given(self.node.sources[0]), target, loss)
        kept = Unreduced(**{f.name: getattr(seen, f.name) for f in dataclasses.fields(seen)})
        found = {"loss": loss.value(kept), "error": loss.error(kept)}
        subs = {
            k: Output(Tensor(v, kept.frames)) for k, v in found.items() if v is not None and v.ndim == len(kept.frames)
        }
        wanted = "error" if use_error else "loss"
        if wanted not in subs:
            raise self.error("loss_", loss_, f"it has no {wanted} for each frame")
        return Output(subs[wanted].tensor, subs=subs)


@dataclasses.dataclass(frozen=True)
class Unreduced(View):
    """A view whose sums keep a number for each frame."""

    def total(self, values: jax.Array) -> jax.Array:
        """One number for each frame."""
        if values.ndim != len(self.frames):
            raise LossError("this loss has a number for each entry, not one for each frame")
        return values.astype(jnp.float32)
