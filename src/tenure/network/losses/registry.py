"""Which loss stands behind which name, and how losses are wired to layers."""

from __future__ import annotations

import collections
import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax.numpy as jnp

from tenure.core.errors import brief, nearest
from tenure.network import sizes
from tenure.network.beams import relabel
from tenure.network.dims import Dim
from tenure.network.errors import OptionError, option_error
from tenure.network.lanes import over_lanes
from tenure.network.losses import framewise, outside, sequences
from tenure.network.losses.align import view
from tenure.network.losses.base import Loss, LossValue, View
from tenure.network.losses.lanes import packed, summed
from tenure.network.output import Output
from tenure.network.tensor import Tensor
from tenure.network.typing import Graph, Layer, Node

LOSSES: dict[str, type[Loss]] = {
    "as_is": framewise.AsIs,
    "bin_ce": framewise.BinaryCrossEntropy,
    "bleu": sequences.Bleu,
    "ce": framewise.CrossEntropy,
    "ctc": sequences.Ctc,
    "deep_clustering": sequences.DeepClustering,
    "edit_distance": sequences.EditDistance,
    "expected_loss": outside.Expected,
    "fast_bw": outside.Sprint,
    "generic_ce": framewise.GenericCrossEntropy,
    "l1": framewise.L1,
    "mean_l1": framewise.MeanL1,
    "mse": framewise.MeanSquaredError,
    "sampling_loss": sequences.Sampling,
    "search_score": outside.SearchScore,
    "sprint": outside.Sprint,
    "sse_sigmoid": framewise.BinaryCrossEntropy,
    "triplet_loss": sequences.Triplet,
    "via_layer": framewise.ViaLayer,
}
UNIT = ":unit"  # the last part of the key of a layer that `masked_computation` runs
_WHOLE = ("error_signal_layer", "align_layer")  # options of which more than the output is wanted


def loss_class(node: Node) -> type[Loss]:
    """The class of a layer's loss.

    Raises:
      OptionError: there is none of that name.
    """
    name = node.get("loss")
    if not isinstance(name, str) or name not in LOSSES:
        near = nearest(str(name), LOSSES)
        raise option_error(
            node.key, node.class_name, "loss", name, "there is no such loss", [f"nearest: {', '.join(near or LOSSES)}"]
        )
    return LOSSES[name]


def add_default_target(node: Node, name: str) -> None:
    """A layer whose loss needs a target has the network's if it names none."""
    if node.get("loss") and "target" not in node.options and loss_class(node).needs_target:
        node.options["target"] = name


def loss_references(graph: Graph, node: Node, options: Any) -> Any:
    """The layers that a loss's options name.

    Raises:
      OptionError: `loss_opts` is no dict.
    """
    if not isinstance(options, Mapping):
        raise option_error(node.key, node.class_name, "loss_opts", options, "a dict is needed", ["{'scale': 0.5}"])
    wanted = loss_class(node).layer_options
    return {k: graph.refer(node, f"loss_opts.{k}", v) for k, v in options.items() if k in wanted and v is not None}


def make_loss(node: Node, filled: Mapping[str, Any]) -> Loss:
    """The loss that a layer's options describe.

    Args:
      node: the layer.
      filled: values for options that name layers.

    Raises:
      OptionError: an option that the loss does not take, or a scale given twice.
    """
    cls = loss_class(node)
    options = dict(node.get("loss_opts") or {})
    scale = node.get("loss_scale")
    if scale is not None and scale != 1.0:
        if options.get("scale", scale) != scale:
            raise option_error(node.key, node.class_name, "loss_scale", scale, f"'loss_opts' says {options['scale']}")
        options["scale"] = scale
    options.update(filled)
    if cls.of_beams and isinstance(options.get("loss"), Mapping):
        options["loss"] = _inner_loss(node, options["loss"])
    return _from_options(node, cls, options)


def _inner_loss(node: Node, described: Mapping[str, Any]) -> Loss:
    """The loss that another loss is about: {"class": …, options}."""
    options = dict(described)
    name = options.pop("class", None)
    if not isinstance(name, str) or name not in LOSSES:
        near = nearest(str(name), LOSSES)
        raise option_error(
            node.key,
            node.class_name,
            "loss_opts",
            dict(described),
            "it names no loss",
            [f"nearest: {', '.join(near or LOSSES)}"],
        )
    return _from_options(node, LOSSES[name], options)


def _from_options(node: Node, cls: type[Loss], options: dict[str, Any]) -> Loss:
    known = {f.name for f in dataclasses.fields(cls)}
    for option in [o for o in options if str(o).startswith("_")]:
        del options[option]  # RETURNN's internal switches, of checks that are not made here
    for option in options:
        if option not in known:
            raise OptionError(
                f"layer '{node.key}': the loss '{node.get('loss')}' has no option {brief(option)}",
                near=nearest(str(option), known),
                ways=["correct 'loss_opts'", "remove it"],
            )
    return cls(**options)


def add_loss(layer: Layer, out: Output, target: Output | None = None) -> None:
    """Computes the layer's loss, and keeps it for the pass; of its target, if no other is given."""
    node, run = layer.node, layer.run
    if not run.graph.counts_losses or (node.get("loss_only_on_non_search") and run.flags.search) or run.dry:
        return
    beam, against = out.tensor.beam_dim, target_of(layer) if target is None else target.tensor
    if beam is None or loss_class(node).of_beams:
        run.losses[loss_name(node)] = compute(layer, out, against)
        return
    found: list[LossValue] = []

    def one(given: tuple[Output, Tensor | None], number: Any) -> Output:
        found.append(compute(layer, *given))
        return packed(found[-1])

    lanes = over_lanes(beam, (out, against), one, lengths=_of_lanes(out.tensor, beam)).tensor.data
    run.losses[loss_name(node)] = summed(found[-1], lanes)


def _of_lanes(x: Tensor, beam: Dim) -> dict[Dim, Tensor]:
    """How long each lane is where only the final hypotheses' lengths are known: as RETURNN, by the lane's number."""
    known = ((dim, sizes.current().lengths(dim)) for dim in x.dims)
    return {dim: relabel(n, beam) for dim, n in known if n is not None and n.beam_dim not in (None, beam)}


def loss_name(node: Node) -> str:
    """By what name a layer's loss is known: the layer's path; what is around a masked unit counts twice, as in RETURNN."""
    parent, _, last = node.key.rpartition("/")
    return f"{parent}/{node.name}" if last == UNIT else node.key


def without_prefix(names: Iterable[str]) -> dict[str, str]:
    """By what name a pass tells each loss: without the prefix of `extra.search:…`, as in RETURNN, unless two would be named alike.

    >>> without_prefix(["extra.search:decision", "extra.search:output/p", "output/p"])
    {'extra.search:decision': 'decision', 'extra.search:output/p': 'extra.search:output/p', 'output/p': 'output/p'}
    """
    plain = {name: _EXTRA.sub("", name) for name in names}
    often = collections.Counter(plain.values())
    return {name: short if often[short] == 1 else name for name, short in plain.items()}


_EXTRA = re.compile(r"^extra(\.[A-Za-z0-9_.()]+)?:")


def compute(layer: Layer, out: Output, target: Tensor | None) -> LossValue:
    """The value, the error and the norm factor of a layer's loss for this output and target."""
    node = layer.node
    references = node.refs.get("loss_opts") or {}
    filled = {k: layer.fill(v, whole=k in _WHOLE) for k, v in references.items()}
    loss = make_loss(node, filled)
    out = dataclasses.replace(out, tensor=_wide(out.tensor), logits=None if out.logits is None else _wide(out.logits))
    seen = view(layer, out, target if loss.needs_target or node.get("target") else None, loss)
    if node.get("only_on_eval") and layer.training:
        (value, each), (error, wrong) = (jnp.zeros(()), None), (jnp.zeros(()), None)
    else:
        (value, each), (error, wrong) = (_with_frames(seen, of) for of in (loss.value, loss.error))
    frames = (None, None) if layer.run.loop_time is not None else (each, wrong)
    return LossValue(value, error, loss.norm_factor(seen), float(loss.scale), bool(loss.use_normalized_loss), frames)


def _with_frames(seen: View, function: Callable[[View], Any]) -> tuple[Any, Any]:
    """What a function of a view gives, and the values of the frames if it is one sum over them."""
    before = len(seen.summed)
    value, summed = function(seen), seen.summed[before:]
    batch = seen.output.batch_axis
    if len(summed) != 1 or summed[0].ndim != len(seen.frames) or batch is None:
        return value, None
    return value, jnp.moveaxis(summed[0], batch, 0)


def _wide(x: Tensor) -> Tensor:
    """In float32 at least: losses are sums over many frames, for which numbers of 16 bits are too coarse."""
    return x.like(x.data.astype(jnp.float32)) if x.data.dtype in (jnp.bfloat16, jnp.float16) else x


def target_of(layer: Layer) -> Tensor | None:
    """The target of a layer, or None."""
    targets = layer.node.refs.get("target")
    return None if not targets or targets[0] is None else layer.given(targets[0]).tensor
