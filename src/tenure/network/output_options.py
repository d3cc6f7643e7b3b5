"""What is done with every layer's output: generic options that change it, checks, losses, constraints."""

from __future__ import annotations

from tenure.network.constraints import Decay, DecayInside
from tenure.network.layers.batch_norm import normalise_output
from tenure.network.losses.constraints import darc1, smoothing_energy
from tenure.network.losses.registry import add_loss
from tenure.network.out_shape import verify
from tenure.network.output import Output
from tenure.network.quiet import quiet
from tenure.network.typing import Layer

_OPTIONS = frozenset(("batch_norm", "out_shape", "L2", "darc1", "spatial_smoothing", "loss"))


def finish(layer: Layer, out: Output) -> Output:
    """The layer's output after the generic options."""
    node, out = layer.node, quiet(layer, out)
    if _OPTIONS.isdisjoint(node.options):
        return out
    if node.get("batch_norm"):
        out = normalise_output(layer, out)
    if node.get("out_shape") is not None:
        check_out_shape(layer, out)
    if node.get("L2"):
        _l2(layer)
    if node.get("darc1") or node.get("spatial_smoothing"):
        _smooth(layer, out)
    if node.get("loss") and not layer.run.single_step:
        add_loss(layer, out)
    return out


def _l2(layer: Layer) -> None:
    scale = layer.node.get("L2")
    if isinstance(scale, bool) or not isinstance(scale, (int, float)):
        raise layer.error("L2", scale, "a number is needed")
    key = layer.node.key
    # RETURNN asks the unit of a masked computation only, and not what is inside of the unit.
    unit_only = layer.run.network.reuse == "legacy" and layer.layer_class == "masked_computation"
    if layer.container and not unit_only:
        layer.run.constraints.append(DecayInside(scale, key))
    layer.run.constraints += [Decay(scale, use) for use in layer.run.params if use.layer == key]


def _smooth(layer: Layer, out: Output) -> None:
    for option, term in (("darc1", darc1), ("spatial_smoothing", smoothing_energy)):
        if layer.node.get(option):
            layer.run.constraints.append(layer.node.get(option) * term(out))


def check_out_shape(layer: Layer, out: Output) -> None:
    """Raises if the output has not the dims that `out_shape` promises."""
    x, time = out.tensor, layer.run.loop_time
    if layer.run.all_steps and time is not None and x.has(time):  # moved out of a loop, where it has a step's dims
        x = x.without(x.axis(time))
    if x.beam_dim is not None:
        x = x.without(x.axis(x.beam_dim))
    verify(layer, x, layer.node.get("out_shape"))
