"""Putting a target's axes where the output's are."""

from __future__ import annotations

from tenure.network.losses.base import Loss, LossError, View
from tenure.network.output import Output
from tenure.network.tensor import Tensor
from tenure.network.typing import Layer


def view(layer: Layer, out: Output, target: Tensor | None, loss: Loss) -> View:
    """What a loss sees of a layer's output.

    Raises:
      LossError: output and target have not the same axes.
    """
    tensor = out.tensor
    before = None
    if out.logits is not None and tensor.feature_axis is not None:
        before = out.logits.as_feature(tensor.feature_dim).feature_last() if not out.logits.sparse else out.logits
    output = tensor.feature_last()
    if target is not None:
        target = target.feature_last()
        if loss.aligned:
            frames = output.dims
            output, target, cut = _together(output, target)
            layer.run.network.aligned |= {
                (layer.node.key, a.root, b.root)
                for a, b in zip(frames, target.dims, strict=False)
                if a.is_dynamic and b.is_dynamic and a != b
            }
            before = None if before is None else before.like(before.data[cut])
    raw = None if before is None else before.data
    logits = raw if out.activation == "softmax" else None
    return View(output, logits, out.activation, raw, target, layer.training, out, layer)


def _together(output: Tensor, target: Tensor) -> tuple[Tensor, Tensor, tuple[slice, ...]]:
    """Both with their frame axes in the output's order, and cut to the shorter one where padding differs."""
    frames = output.dims if output.feature_axis is None else output.dims[:-1]
    free = [i for i in range(target.ndim) if i != target.feature_axis]
    order: list[int] = []
    for axis, dim in enumerate(frames):
        found = [i for i in free if target.dims[i] == dim]
        found = found or [i for i in free if dim.is_batch and i == target.batch_axis]
        found = found or [i for i in free if axis == output.time_axis and i == target.time_axis]
        found = found or [i for i in free if not dim.is_batch and i != target.batch_axis]
        if not found:
            raise LossError(
                f"the target {target!r} has no axis for {dim!r} of the output {output!r}",
                ways=["reduce the output over that dim", "take another target"],
            )
        order.append(found[0])
        free.remove(found[0])
    if free:
        rest = [target.dims[i] for i in free]
        raise LossError(
            f"the target {target!r} also has {rest}, which the output {output!r} lacks",
            ways=["take another target", "give the output these dims"],
        )
    if target.feature_axis is not None:
        order.append(target.feature_axis)
    target = target.transpose(order)
    cut = tuple(slice(0, min(m, n)) for m, n in zip(output.shape[: len(frames)], target.shape, strict=False))
    return output.like(output.data[cut]), target.like(target.data[cut]), cut
