"""Choices: labels that a loop feeds back. In training the target's, in search the best ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from tenure import functional
from tenure.core.run.rng import next_rng_key
from tenure.network import ops, proxies, sizes
from tenure.network.beams import Beam, beam_first, expand
from tenure.network.dims import BEAM, Dim, batch_dim
from tenure.network.graph import Flags, Graph, Node
from tenure.network.layer import Layer, layer
from tenure.network.output import Output, map_tensors
from tenure.network.tensor import Tensor
from tenure.network.tf.imports import with_tensorflow

_ENDED = -1.0e30  # the score of any label but the first after the end of a hypothesis
_SMALLEST = 1e-20
_GOLD = "gold_mixin_prob"
_INPUTS = ("prob", "log_prob", "logits", "regression")
_LOGARITHMS: dict[str, Callable[[Any], Any]] = {
    "softmax": jax.nn.log_softmax,
    "log_softmax": jax.nn.log_softmax,
    "sigmoid": jax.nn.log_sigmoid,
    "exp": lambda x: x,
}
"""The logarithm of what an activation gives, of what it is given."""


def searches(node: Node, flags: Flags) -> bool:
    """Whether a choice is one of hypotheses, and not the target's label."""
    given = node.get("search")
    return flags.search if given is None else bool(given)


@dataclasses.dataclass(frozen=True)
class Candidates:
    """All continuations of all hypotheses.

    Attributes:
      scores: [batch, beam, labels], without those of the hypotheses.
      base: scores of the hypotheses [batch, beam, 1].
      labels: of each input, which label each entry stands for [batch, beam, labels]; None if that is its number.
    """

    scores: Any
    base: Any
    labels: list[Any] | None = None


@layer("choice")
class Choice(Layer):
    """The target's label, or in search the best continuations of the hypotheses so far: a beam.

    Input [B, labels]: probabilities, their logarithms or logits, of one distribution or several. Output [B] of labels, in
    search [beam, B]. The score of a hypothesis is the sum of the logarithms; one that has ended continues with label 0 at
    no cost. With `length_normalization`, the score of an ended one grows in magnitude as if it went on, so that in
    each step scores divided by lengths are compared. Sub-layers `out_0`, `out_1` … are the labels of several inputs.
    """

    @classmethod
    def chooses(cls, node: Node, flags: Flags) -> bool:
        return searches(node, flags)

    @classmethod
    def moves_out(cls, node: Node, flags: Flags) -> bool:
        return not flags.search and not searches(node, flags) and not node.get("scheduled_sampling")

    @property
    def sees_beams(self) -> bool:
        return self.run.flags.search or searches(self.node, self.run.flags)

    @classmethod
    def expand(cls, graph: Graph, node: Node) -> None:
        searching, adds = searches(node, graph.flags), node.get("add_to_beam_scores")
        if not searching and not node.get("scheduled_sampling") and not (graph.flags.search and adds is not False):
            node.options["from"] = []  # the labels are known: scores need not be computed for them
        if not searching:
            node.options.pop("explicit_search_sources", None)
            node.options.pop("explicit_search_source", None)

    @classmethod
    def link(cls, graph: Graph, node: Node) -> None:
        for option in ("explicit_search_source", "explicit_search_sources"):
            if node.get(option):
                node.refs[option] = graph.refer(node, option, node.get(option))

    @classmethod
    def likely_output(cls, run: Any, node: Node) -> Tensor | None:
        n = sizes.current().padded(batch_dim())
        return Tensor(jnp.zeros((n,), jnp.int32), (batch_dim(),), run.target_dim(node))

    def forward(
        self,
        sources: Sequence[Tensor] = (),
        *,
        beam_size: int,
        input_type: str = "prob",
        search: bool | None = None,
        length_normalization: bool = True,
        length_normalization_exponent: float = 1.0,
        keep_beams: bool = False,
        source_beam_sizes: Any = None,
        scheduled_sampling: Any = False,
        prob_scale: float = 1.0,
        base_beam_score_scale: float = 1.0,
        random_sample_scale: float = 0.0,
        add_to_beam_scores: bool | None = None,
        cheating: Any = False,
        explicit_search_source: Any = None,
        explicit_search_sources: Any = None,
        custom_score_combine: Any = None,
    ) -> Output:
        if input_type not in _INPUTS:
            raise self.error("input_type", input_type, f"there are {', '.join(_INPUTS)}")
        if isinstance(beam_size, bool) or not isinstance(beam_size, int) or not 0 < beam_size < 10_000:
            raise self.error("beam_size", beam_size, "a number of hypotheses is needed")
        if not searches(self.node, self.run.flags):
            if scheduled_sampling:
                return self._sampled(sources, scheduled_sampling)
            if (
                sources
                and self.run.flags.search
                and add_to_beam_scores is not False
                and self.run.beams.last is not None
            ):
                return self._scored(sources)
            return self._given()
        if not sources:
            raise self.error("from", self.node.get("from"), "scores of labels are needed in search")
        if input_type == "regression":
            return self._regression(sources[0])
        return self._searched(sources)

    # Without search.

    def _targets(self) -> list[Tensor]:
        targets = self.node.refs.get("target")
        if not targets or targets[0] is None:
            raise self.error("target", self.node.get("target"), "without search, the labels of a target are needed")
        return [self.given(t).tensor for t in targets]

    def _given(self) -> Output:
        found = self._targets()
        return Output(found[0], subs={f"out_{i}": Output(x) for i, x in enumerate(found)})

    def _sampled(self, sources: Sequence[Tensor], options: Any) -> Output:
        """Labels drawn from the distribution, in place of the target's (Bengio et al. 2015, arXiv:1506.03099)."""
        if not isinstance(options, (bool, Mapping)) or (isinstance(options, Mapping) and {*options} - {_GOLD}):
            raise self.error(
                "scheduled_sampling", options, "True, or the share of true labels, is needed", [f"{{'{_GOLD}': 0.3}}"]
            )
        (x,) = sources
        if self.node.get("input_type") == "regression":
            labels = x
        else:
            scores = self._log_scores(x, self.node.sources[0])
            drawn = jax.random.categorical(next_rng_key(), scores.data, axis=-1).astype(jnp.int32)
            labels = Tensor(drawn, scores.dims[:-1], scores.dims[-1])
        gold = options.get(_GOLD, 0) if isinstance(options, Mapping) else 0
        if gold:
            target = self._targets()[0]
            mix = jax.random.uniform(next_rng_key(), labels.shape) < gold
            labels = labels.like(jnp.where(mix, ops.aligned(target, labels.dims).astype(labels.dtype), labels.data))
        return Output(labels, subs={"out_0": Output(labels)})

    def _scored(self, sources: Sequence[Tensor]) -> Output:
        """The target's label, whose score counts for the hypotheses of the other choices."""
        beams = self.run.beams
        parent = beams.last
        assert parent is not None
        out = self._given()
        own = self._options(1)
        found = self._candidates(sources, parent, own)
        size = found.scores.shape[1]
        labels = self._by_hypothesis(out.tensor, parent, size)
        picked = jnp.take_along_axis(
            found.scores, jnp.clip(labels.astype(jnp.int32), 0, found.scores.shape[-1] - 1)[..., None], axis=-1
        )
        total = picked * own["prob_scale"] + found.base * own["base_beam_score_scale"]
        old = beams.get(parent)
        beams.put(parent, dataclasses.replace(old, scores=total[..., 0].T))
        return map_tensors(lambda x: expand(beams.read(x, parent), parent, size), out)  # of each hypothesis

    # Search.

    def _options(self, exponent: float) -> dict[str, Any]:
        node = self.node
        return {
            "prob_scale": node.get("prob_scale", 1.0),
            "base_beam_score_scale": node.get("base_beam_score_scale", 1.0),
            "exponent": exponent,
        }

    def _log_scores(self, x: Tensor, key: str) -> Tensor:
        """Logarithms of the labels' probabilities, the labels last."""
        kind = self.node.get("input_type", "prob")
        if x.feature_axis is None:
            raise self.error("from", self.node.get("from"), f"{x!r} has no feature dim")
        out = self.given(key)
        log = _LOGARITHMS.get(out.activation or "") if kind == "prob" and out.logits is not None else None
        if log is not None and out.logits is not None:
            logits = self.run.beams.read(out.logits, x.beam_dim).feature_last()
            return logits.like(log(logits.data))
        x = x.feature_last()
        if kind == "prob":
            return x.like(jnp.log(jnp.maximum(x.data, _SMALLEST)))
        return x.like(jax.nn.log_softmax(x.data, axis=-1)) if kind == "logits" else x

    def _by_hypothesis(self, x: Tensor, beam: Dim | None, size: int) -> Any:
        """An array [batch, beam, …] of a tensor."""
        x = self.run.beams.read(x, beam)
        x = expand(x, beam or self._one(), size)
        x = beam_first(x)
        batch = sizes.current().padded(batch_dim())
        if x.batch_axis is None:
            x = x.like(
                jnp.broadcast_to(x.data[:, None], (x.shape[0], batch, *x.shape[1:])),
                dims=(x.dims[0], batch_dim(), *x.dims[1:]),
            )
        return jnp.swapaxes(x.data, 0, 1)

    def _one(self) -> Dim:
        return self.new_dim("no beam", 1, BEAM, special=True)

    def _candidates(self, sources: Sequence[Tensor], parent: Dim | None, options: Mapping[str, Any]) -> Candidates:
        """The scores of all continuations."""
        known = sizes.current()
        size = 1 if parent is None else known.padded(parent)
        found = [
            self._by_hypothesis(self._log_scores(x, k), parent, size)
            for x, k in zip(sources, self.node.sources, strict=True)
        ]
        for x, source in zip(found, sources, strict=True):
            if x.ndim != 3:
                raise self.error(
                    "from", self.node.get("from"), f"one distribution for each sequence is needed, not {source!r}"
                )
        labels = None
        scores = found[0]
        if len(found) > 1:
            scores, labels = self._combined(found)
        batch = scores.shape[0]
        base = jnp.zeros((batch, size)) if parent is None else self.run.beams.get(parent).scores.T
        ended = self._ended(parent, base.shape)
        if self.node.get("length_normalization", True) and self.run.loop_step is not None and options["exponent"]:
            t = jnp.asarray(self.run.loop_step, jnp.float32)
            base = jnp.where(ended, base * ((t + 1) / jnp.maximum(t, 1)) ** options["exponent"], base)
        filler = jnp.where(jnp.arange(scores.shape[-1]) == 0, 0.0, _ENDED)
        scores = jnp.where(ended[..., None], filler, scores)
        return Candidates(scores, base[..., None], labels)

    def _ended(self, parent: Dim | None, shape: tuple[int, ...]) -> Any:
        """Which hypotheses of the beam have ended before this step [batch, beam]."""
        info = self.run.search
        if info is None or parent is None:
            return jnp.zeros(shape, bool)
        return self.run.beams.read(info.ended, parent).data.T

    def _combined(self, found: list[Any]) -> tuple[Any, list[Any]]:
        """Sums of the scores of all combinations of labels, each input cut down to its best ones first."""
        node = self.node
        counts = node.get("source_beam_sizes") or [node.get("beam_size")] * len(found)
        if not isinstance(counts, (list, tuple)) or len(counts) != len(found):
            raise self.error("source_beam_sizes", counts, "one number for each input is needed")
        best = [functional.top_k(x, min(k, x.shape[-1])) for x, k in zip(found, counts, strict=True)]
        total: Any = jnp.zeros((*found[0].shape[:2], 1))
        labels: list[Any] = []
        for scores, index in best:
            n, k = total.shape[-1], scores.shape[-1]
            total = (total[..., :, None] + scores[..., None, :]).reshape(*total.shape[:2], n * k)
            labels = [jnp.repeat(x, k, axis=-1) for x in labels]
            labels.append(jnp.tile(index, (1, 1, n)))
        return total, labels

    def _searched(self, sources: Sequence[Tensor]) -> Output:
        node, beams = self.node, self.run.beams
        parent = beams.last
        found = self._candidates(sources, parent, self._options(node.get("length_normalization_exponent", 1.0)))
        total = self._total(found, parent)
        size = node.get("beam_size")
        live = total.shape[1] if self.run.search is None or parent is None else self.run.search.live
        if self.run.search is not None and parent is not None and beams.get(parent).parent is not None:
            live = total.shape[1]
        source, label, scores = _best(total, size, live, bool(node.get("keep_beams")))
        if node.get("cheating"):
            source, label, scores = self._with_gold(total, live, (source, label, scores))
        dim = self.new_dim("beam", size, BEAM, special=True)
        beams.add(dim, Beam(parent, source.T if parent is not None else None, scores.T))
        outputs = []
        for i, x in enumerate(sources):
            y = label
            if found.labels is not None:
                rows = jnp.take_along_axis(found.labels[i], source[..., None], axis=1)
                y = jnp.take_along_axis(rows, label[..., None], axis=-1)[..., 0]
            outputs.append(Output(Tensor(y.T.astype(jnp.int32), (dim, batch_dim()), x.feature_dim)))
        return Output(outputs[0].tensor, subs={f"out_{i}": x for i, x in enumerate(outputs)})

    def _total(self, found: Candidates, parent: Dim | None) -> Any:
        """The scores of all continuations, with those of the hypotheses."""
        node = self.node
        combine = node.get("custom_score_combine")
        if combine is not None:
            if not callable(combine):
                raise self.error("custom_score_combine", combine, "a function is needed")
            combine, t = with_tensorflow(combine), self.run.loop_step
            ended = self._ended(parent, found.base.shape[:2])
            total = combine(
                layer=self.proxy(),
                scores_in=found.scores,
                scores_base=found.base,
                t=t,
                end_flags=ended,
                batch_dim=found.scores.shape[0],
                scores_beam_in=found.scores.shape[1],
                base_beam_in=found.scores.shape[1],
            )
            if getattr(total, "shape", None) != found.scores.shape:
                raise self.error("custom_score_combine", combine, f"scores of shape {found.scores.shape} are needed")
            return total
        total = found.scores * node.get("prob_scale", 1.0) + found.base * node.get("base_beam_score_scale", 1.0)
        scale = node.get("random_sample_scale", 0.0)
        return total + scale * jax.random.gumbel(next_rng_key(), total.shape) if scale else total

    def proxy(self) -> Any:
        """The layer, as functions of configs see it."""
        return proxies.of_layer(self, self.given(self.node.sources[0]).tensor)

    def _with_gold(self, total: Any, live: Any, found: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
        """The target's label as the last hypothesis, continuing the last one."""
        source, label, scores = found
        gold = self._targets()[0]
        labels = jnp.clip(ops.aligned(gold, (batch_dim(),)).astype(jnp.int32), 0, total.shape[-1] - 1)
        labels = jnp.broadcast_to(labels, (total.shape[0],))
        last = jnp.broadcast_to(jnp.asarray(live, jnp.int32) - 1, labels.shape)
        rows = jnp.arange(labels.shape[0])
        score = total[rows, last, labels]
        if self.node.get("cheating") == "exclusive":
            masked = total.at[rows, last, labels].set(-jnp.inf)
            source, label, scores = _best(masked, scores.shape[1], live, bool(self.node.get("keep_beams")))

        def put(x: Any, y: Any) -> Any:
            return jnp.concatenate([x[:, :-1], y[:, None].astype(x.dtype)], axis=1)

        return put(source, last), put(label, labels), put(scores, score)

    def _regression(self, x: Tensor) -> Output:
        """A prediction of the data themselves: nothing is chosen."""
        if self.node.get("beam_size") != 1:
            raise self.error("beam_size", self.node.get("beam_size"), "a prediction of vectors has one hypothesis")
        beams, dim = self.run.beams, self.new_dim("beam", 1, BEAM, special=True)
        parent = beams.last
        batch = sizes.current().padded(batch_dim())
        scores = jnp.zeros((1, batch)) if parent is None else beams.get(parent).scores[:1]
        beams.add(dim, Beam(parent, jnp.zeros((1, batch), jnp.int32) if parent is not None else None, scores))
        y = beams.read(x, dim)
        return Output(expand(y, dim, 1))


def _best(total: Any, size: int, live: Any, keep: bool) -> tuple[Any, Any, Any]:
    """The best continuations of scores [batch, beam, labels]: hypotheses, labels and scores [batch, size]."""
    batch, width, labels = total.shape
    if keep:
        first = _best(total, size, live, False)
        if size % width:
            return first
        share = size // width
        scores, label = functional.top_k(total.reshape(batch * width, labels), min(share, labels))
        pad = ((0, 0), (0, share - scores.shape[-1]))
        scores = jnp.pad(scores, pad, constant_values=-jnp.inf).reshape(batch, size)
        label = jnp.pad(label, pad).reshape(batch, size)
        source = jnp.broadcast_to(jnp.repeat(jnp.arange(width), share), (batch, size))
        every = (source.astype(jnp.int32), label, scores)
        return tuple(jnp.where(jnp.asarray(live) == width, b, a) for a, b in zip(first, every, strict=True))  # type: ignore[return-value]
    flat = total.reshape(batch, width * labels)
    n = min(size, width * labels)
    scores, index = functional.top_k(flat, n)
    if n < size:
        pad = ((0, 0), (0, size - n))
        scores, index = jnp.pad(scores, pad, constant_values=-jnp.inf), jnp.pad(index, pad)
    index = jnp.where(index >= jnp.asarray(live) * labels, 0, index)  # nothing is there but placeholders
    return (index // labels).astype(jnp.int32), (index % labels).astype(jnp.int32), scores


def best_hypothesis(scores: Any) -> Any:
    """The number of the best hypothesis [batch], of scores [beam, batch]."""
    return jnp.argmax(scores, axis=0).astype(jnp.int32)
