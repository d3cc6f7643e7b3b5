"""Layers: modules that a dictionary describes. A class says what it takes by the parameters of its `forward`.

    @layer("cumsum")
    class CumSum(Layer):
        def forward(self, source: Tensor, *, axis="T", reverse=False) -> Tensor: …

`source` is all inputs concatenated in their features (with the dropout that the dictionary asks for); `sources` gives
them as a list. The keyword-only parameters are the options; one that is annotated `Tensor` names another layer, and gets
its output; one annotated `Output` gets all that the layer gives. `forward` runs abstractly to find shapes, so a layer
has no second description of them. It works the same on one step of a loop and on a whole sequence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import jax
import jax.numpy as jnp

from tenure.core.errors import Party
from tenure.core.run.naming import force_name, transparent
from tenure.network import axes as axes_
from tenure.network import ops, references, sizes
from tenure.network.dims import FEATURE, SPATIAL, Dim, batch_dim
from tenure.network.dropout import with_dropout
from tenure.network.errors import LayerError
from tenure.network.graph import Flags, Graph, Key, Node
from tenure.network.output import Output
from tenure.network.own_parameters import OwnParameters
from tenure.network.registry import Signature, layer
from tenure.network.tensor import Tensor

if TYPE_CHECKING:
    from tenure.network.run import Run


LARGEST = 2**31 - 1


class Layer(OwnParameters):
    """One entry of a network's dictionary.

    Attributes:
      node: what the dictionary says of it.
      run: the forward pass that it is part of.
    """

    layer_class: ClassVar[str] = ""
    signature: ClassVar[Signature]
    more_options: ClassVar[tuple[str, ...]] = ()
    with_dropout: ClassVar[bool] = True
    container: ClassVar[bool] = False  # has layers, and no parameters of its own
    framewise: ClassVar[bool] = False  # computes each frame for itself, also with further axes
    stepwise: ClassVar[bool] = False  # in a loop, it keeps something from step to step, or changes a state

    def __init__(self, node: Node, run: Run):
        """Binds what the dictionary says to one pass; `Run` builds layers, programs do not.

        Args:
          node: the layer in the graph.
          run: the pass.
        """
        super().__init__(name=force_name(run.module_path(node)))
        self.node, self.run = node, run

    def _asker(self) -> str:
        return f"layer '{self.node.key}' ({self.node.class_name})"

    @property
    @transparent
    def sees_beams(self) -> bool:
        """Whether its tensors have the dim of a search's hypotheses; others compute for one hypothesis."""
        return False

    @transparent
    def inputs_of_search(self) -> dict[str, Output]:
        """What the layer reads of the search that it is a step of, to be found in `run.outputs`, for one hypothesis as inputs are."""
        return {}

    @property
    @transparent
    def over_all_steps(self) -> bool:
        """Whether, moved out of a loop, it takes the loop's time as an axis; others compute for one step."""
        return self.framewise

    @transparent
    def of_all_steps(self) -> Output | None:
        """What it gives for all steps at once, where it cannot be computed for one step; None if it cannot."""
        return None

    # What a class may say while the graph is built.

    @classmethod
    def variant(cls, options: Mapping[str, Any]) -> type[Layer]:
        """The class that computes a layer with these options."""
        return cls

    @classmethod
    def expand(cls, graph: Graph, node: Node) -> None:
        """Adds the levels of a sub-network.

        Args:
          graph: that the layer is in.
          node: the layer.
        """

    @classmethod
    def link(cls, graph: Graph, node: Node) -> None:
        """Resolves references that only this class knows of, into `node.refs` and `node.deps`.

        Args:
          graph: that the layer is in.
          node: the layer.

        Raises:
          LayerNotFoundError: a reference names no layer.
        """

    @classmethod
    def generic_reference(cls, graph: Graph, node: Node, option: str, value: Any) -> Any:
        """What a generic option that may name a layer refers to, or None.

        Args:
          graph: that the layer is in.
          node: the layer.
          option: one that all layers have, such as "target".
          value: what the dictionary says for it.
        """
        return references.generic_reference(graph, node, option, value)

    @classmethod
    def sub_layer(cls, graph: Graph, node: Node, name: str) -> str | None:
        """The node of a layer inside, `x/name`; None: as for all layers.

        Args:
          graph: that the layer is in.
          node: the layer, x.
          name: of the part.
        """
        return None

    @classmethod
    def moves_out(cls, node: Node, flags: Flags) -> bool:
        """Whether it may be computed for all steps of a loop at once, where its inputs are there for all of them.

        Args:
          node: the layer.
          flags: what the network is built for.
        """
        return not cls.stepwise

    @classmethod
    def chooses(cls, node: Node, flags: Flags) -> bool:
        """Whether it, or a layer inside of it, chooses hypotheses in a search.

        Args:
          node: the layer.
          flags: what the network is built for.
        """
        graphs = node.branches.values()
        return any(n.cls.chooses(n, g.flags) for g in graphs for n in g.nodes.values())

    @classmethod
    def first_output(cls, run: Run, node: Node) -> Tensor | None:
        """What `prev:` of it is in a loop's first step, if the dictionary does not say; None: zeros.

        Args:
          run: the loop's pass, with what is there before the first step.
          node: the layer.
        """
        return None

    @classmethod
    def likely_output(cls, run: Run, node: Node) -> Tensor | None:
        """What the output may look like, before its inputs are known; None: nothing can be said.

        Args:
          run: the pass.
          node: the layer.
        """
        size = node.get("out_dim") or node.get("n_out")
        if isinstance(size, int) and size > 0:
            size = Dim(size, f"{node.name}:likely", kind=FEATURE, auto=True)
        dim = size if isinstance(size, Dim) else run.target_dim(node) if node.get("target") else None
        if dim is None or dim.root.size is None:
            return None
        batch = batch_dim()
        return Tensor(jnp.zeros((sizes.current().padded(batch), dim.root.size)), (batch, dim), None, None, 1)

    def first_state(self, form: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """What it has kept from the step before in a loop's first step.

        Args:
          form: tensors of the form that a step leaves, all zeros.
        """
        return form

    def after_loop(self, state: Mapping[str, Tensor], steps: Dim) -> None:
        """Takes note of what it has kept after a loop's last step.

        Args:
          state: what it kept.
          steps: the dim of the loop's steps.
        """

    # What it computes.

    def forward(self, *args: Any, **options: Any) -> Tensor | Output:
        """The layer's output."""
        raise NotImplementedError

    def __call__(self) -> Output:
        args: list[Any] = []
        if self.signature.takes == "sources":
            args = [self.sources]
        elif self.signature.takes == "source":
            args = [self.source()]
        out = self.forward(*args, **self.resolved_options())
        return out if isinstance(out, Output) else Output(out)

    @transparent
    def resolved_options(self) -> dict[str, Any]:
        """The options of `forward` that the dictionary gives, with tensors for names of layers."""
        found = {}
        for option in self.signature.options:
            if option in self.node.options:
                self._bounded(option, self.node.options[option])
                refs = self.node.refs
                whole = option in self.signature.outputs
                found[option] = self.fill(refs[option], whole) if option in refs else self.node.options[option]
        return found

    @transparent
    def _bounded(self, option: str, value: Any) -> None:
        """Raises for numbers that no size, count or index can be."""
        for number in value if isinstance(value, (list, tuple)) else (value,):
            if isinstance(number, (list, tuple)):
                self._bounded(option, number)
            elif isinstance(number, int) and not -LARGEST <= number <= LARGEST:
                raise self.error(option, self.node.options[option], "a number of absurd size")

    @transparent
    def given(self, key: str) -> Output:
        """What the layer of the node `key` gave, as this layer sees it: for its hypotheses, in its step, under its mask.

        The one way to it: where there are hypotheses, `Run.call` has followed the back pointers of all that the node depends on.

        Raises:
          LayerError: it is not there, as a target that nobody fed.
        """
        if key not in self.run.outputs:
            raise LayerError(
                f"layer '{self.node.key}' ({self.node.class_name}) needs '{key}', and there is no such output here",
                parties=[Party("layer", self.node.key, self.node.class_name)],
                ways=["feed it", "'only_on_eval': True, where only losses need it", "leave it out of the options"],
            )
        return self.run.outputs[key]

    @transparent
    def fill(self, value: Any, whole: bool = False) -> Any:
        """Outputs (or all that the layer gives) for keys of nodes, inside of any structure.

        Args:
          value: an option's value, in which `Key` stands for a layer.
          whole: whether a layer's `Output` is meant, and not its tensor alone.

        Returns:
          The value with what the layers gave in the places of their keys.
        """
        if isinstance(value, Key):
            out = self.given(value)
            return out if whole else out.tensor
        if isinstance(value, (list, tuple)):
            return type(value)(self.fill(v, whole) for v in value)
        if isinstance(value, Mapping):
            return {k: self.fill(v, whole) for k, v in value.items()}
        return value

    @property
    @transparent
    def sources(self) -> list[Tensor]:
        """The outputs of the layers in `from`."""
        return [self.given(key).tensor for key in self.node.sources]

    @transparent
    def source(self, dropout: bool = True) -> Tensor:
        """All inputs, concatenated in their features, with the dropout that the dictionary asks for.

        Raises:
          OptionError: the layer has no input.
          DimError: the inputs cannot be put side by side.
        """
        if not self.node.sources:
            raise self.error("from", self.node.get("from"), "this class needs an input")
        in_dim = self.node.get("in_dim")
        sources = self.sources
        if len(sources) == 1 and isinstance(in_dim, Dim) and sources[0].feature_or_sparse_dim != in_dim:
            joined = sources[0].as_feature(in_dim)
        else:
            broadcast = True if self.node.get("out_shape") is not None else None
            joined = ops.concat_features(sources, in_dim, broadcast)
        return with_dropout(self, joined) if dropout and self.with_dropout else joined

    @transparent
    def handed_on(self, x: Tensor) -> Output:
        """The output of a layer that changes no entry, with what its only input says beside its output: logits, and a loss of its own."""
        if len(self.node.sources) != 1:
            return Output(x)
        whole = self.given(self.node.sources[0])
        loss = whole.extra if isinstance(whole.extra, jax.Array) else None
        if self.node.get("dropout"):
            return Output(x, extra=loss)
        return Output(x, logits=whole.logits, activation=whole.activation, extra=loss)

    @transparent
    def entry(self, option: str, value: Any, dtype: Any) -> Any:
        """A number that a dictionary puts among a tensor's entries; a fraction is none of the integers.

        Raises:
          OptionError: the tensor's entries are integers, and the number is none.

        Args:
          option: where the dictionary says the number.
          value: the number.
          dtype: of the tensor.
        """
        if isinstance(value, float) and not jnp.issubdtype(dtype, jnp.inexact):
            raise self.error(
                option, value, f"the entries of the input are {jnp.dtype(dtype)}", [f"'{option}': {int(value)}"]
            )
        return jnp.asarray(value, dtype)

    @transparent
    def unsupported(self, why: str, **options: Any) -> None:
        """Raises for an option that would change the result, and that this layer does not do; None and False ask nothing.

        Args:
          why: it is not done.
          **options: by name, with their values.

        Raises:
          OptionError: one of them asks for something.
        """
        for option, value in options.items():
            if value is not None and value is not False:
                raise self.error(option, value, why, [f"leave '{option}' out"])

    @transparent
    def axis(self, x: Tensor, description: Any, *, allow_int: bool | None = None) -> int:
        """The axis of `x` that an option describes.

        Args:
          x: a tensor.
          description: a `Dim`, or words such as "T", "F", "spatial:0".
          allow_int: whether it may be a place; None: as the behaviour version says.

        Raises:
          DimError: no axis is described, or several are.
        """
        return axes_.axis(x, description, allow_int=allow_int)

    @transparent
    def axes(self, x: Tensor, description: Any, *, allow_int: bool | None = None) -> list[int]:
        """The axes of `x` that an option describes.

        Args:
          x: a tensor.
          description: as for `axis`, or a list; words such as "except_batch" stand for several.
          allow_int: whether places may be in it; None: as the behaviour version says.

        Raises:
          DimError: no axis is described.
        """
        return axes_.axes(x, description, allow_int=allow_int)

    @property
    @transparent
    def takes_padding_in(self) -> bool:
        """Whether what is beyond a sequence's end may change what is within, as in RETURNN (`padding="legacy"`)."""
        return self.run.network.padding == "legacy"

    @transparent
    def beyond(self, x: Tensor, axes: Sequence[int], fill: Any) -> Tensor:
        """`x` with `fill` beyond the ends of sequences in these axes; as it is with `padding="legacy"`.

        Args:
          x: a tensor.
          axes: their places.
          fill: what is put there.
        """
        if not self.takes_padding_in:
            for axis in axes:
                x = ops.masked(x, x.dims[axis], fill)
        return x

    # Dims.

    @transparent
    def new_dim(
        self,
        role: str,
        size: int | None,
        kind: str = SPATIAL,
        auto: bool = True,
        name: str | None = None,
        **more: Any,
    ) -> Dim:
        """A dim that this layer makes: the same object in each run.

        Args:
          role: what tells it from this layer's other dims.
          size: its size, or None.
          kind: "spatial", "feature" or "batch".
          auto: whether another of that size may stand for it.
          name: by which dictionaries find it ("stag:…"); made of the layer's name and the role if None.
          **more: of `Dim`.
        """
        key = (self.node.key, role, size, kind)
        known = self.run.network.dims
        if key not in known:
            known[key] = Dim(size, name or f"{self.node.name}:{role}", kind=kind, auto=auto, **more)
        return known[key]

    @transparent
    def feature_out(self, source: Tensor | None = None, default: Dim | None = None) -> Dim:
        """The dim of the output's features: `out_dim`, `n_out`, or that of the target.

        Args:
          source: whose own feature dim stays, if the number is the same.
          default: what it is if the dictionary does not say.

        Returns:
          The dim.

        Raises:
          OptionError: the dictionary does not say a number, or says two.
        """
        out_dim, n_out = self.node.get("out_dim"), self.node.get("n_out")
        if out_dim is not None:
            if not isinstance(out_dim, Dim):
                raise self.error("out_dim", out_dim, "a Dim is needed", ["'n_out': 512"])
            if n_out is not None and out_dim.root.size not in (None, n_out):
                raise self.error("n_out", n_out, f"'out_dim' says {out_dim.root.size}")
            return out_dim
        if n_out is None:
            found = self.run.target_dim(self.node)
            if found is not None:
                return found
            if default is not None:
                return default
            raise self.error("n_out", n_out, "the size of the output is needed", ["'n_out': 512", "'out_dim': a Dim"])
        if isinstance(n_out, bool) or not isinstance(n_out, int) or n_out < 1:
            raise self.error("n_out", n_out, "a number of features is needed")
        described = self.node.get("out_type")
        if isinstance(described, Mapping) and described.get("dim", n_out) != n_out:
            raise self.error("out_type", described, f"'n_out' says {n_out}")
        own = source.feature_or_sparse_dim if source is not None else None
        if own is not None and own.root.size == n_out:
            return own if own.is_feature else own.copy(kind=FEATURE)
        return self.new_dim("feature-dense", n_out, FEATURE)

    @property
    @transparent
    def training(self) -> bool:
        """Whether this pass is for training."""
        return self.run.flags.train


__all__ = ["Layer", "layer"]
