"""Networks: a dictionary of layers as a model with `plan`, `init` and `apply`."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from tenure.core.errors import MissingParameterError, TenureError, brief
from tenure.core.model.kinds import TransformedWithState
from tenure.core.model.transform import training, transform_with_state
from tenure.core.run.frame import current_frame
from tenure.core.slots.plan import Plan
from tenure.network import extern, layout, sizes, versions
from tenure.network.dims import Dim
from tenure.network.errors import NetworkError
from tenure.network.graph import Flags, Graph, Level, Node, scope_name
from tenure.network.nodes import names_of_layers
from tenure.network.occurrences import Probe
from tenure.network.output_options import finish
from tenure.network.picklable import check_picklable
from tenure.network.recurrent import is_recurrent
from tenure.network.result import Result, collect, wanted
from tenure.network.run import Run, run_graph
from tenure.network.show import Picture
from tenure.network.tensor import Tensor

STEP, ROWS, PROBES = ":step", ":rows", ":probes"
"""Under which the number of training steps, that of the rows that count, and probes are fed."""
_OURS = (STEP, ROWS, PROBES)


def _rebuilt(arguments: Mapping[str, Any], evaluated: bool = False, takes_key: bool = True) -> Network:
    made = Network(**arguments)
    made.evaluated, made.takes_key = evaluated, takes_key
    return made


class Network:
    """A dictionary of layers, as a model.

    Attributes:
      net: the dictionary.
      templates: its inputs.
      behavior_version: how it is read.
      config: further values that expressions in it may ask for, by name.
      reuse: "owner_final": who borrows a parameter gets what its owner computes with; "legacy": as RETURNN has it, where
        each layer applies its own noise, and a layer that borrows has nothing to lend.
      padding: "ignored": what is beyond a sequence's end changes nothing within; "legacy": as RETURNN has it, where
        convolutions, `norm`, `concat` and some others take it in.
      evaluated: whether it is never in training (`tn.evaluation`).
      takes_key: whether `apply` takes a key (`tn.without_apply_rng`).
      model: the pure functions behind `init` and `apply`.
      aligned: (layer, dim, dim of its target) that a loss has compared frame by frame, so that their lengths must be equal.

    >>> import jax, jax.numpy as jnp, tenure as tn
    >>> net = tn.network({"output": {"class": "linear", "n_out": 2, "from": "data"}}, {"data": {"dim": 3}})
    >>> params, state = net.init(jax.random.key(0), {"data": jnp.ones((2, 5, 3))})
    >>> jax.tree.map(jnp.shape, params)
    {'output': {'W': (3, 2), 'b': (2,)}}
    >>> result, state = net.apply(params, state, None, {"data": jnp.ones((2, 5, 3))})
    >>> result.outputs["output"]
    Tensor[batch, time:data, output:feature-dense(2)] float32
    """

    def __init__(
        self,
        net: Mapping[str, Any],
        extern_data: Any,
        *,
        behavior_version: int = versions.LATEST,
        default_input: str = "data",
        default_target: str = "classes",
        ties: Mapping[str, Any] | None = None,
        stages: Mapping[str, Any] | None = None,
        config: Mapping[str, Any] | None = None,
        reuse: str = "owner_final",
        padding: str = "ignored",
    ):
        """Reads the inputs; layers are looked at when a plan, or `init`, needs them.

        Args:
          net: layer name → {"class": …, "from": …, options}.
          extern_data: the inputs: key → {"dim": 40, …} or `Tensor`.
          behavior_version: how the dictionary is read: 30, or 0 for published configs.
          default_input: the input that "data" means.
          default_target: the target of layers that name none.
          ties, stages: of parameters, from outside, as for `tn.transform`.
          config: further values that expressions may ask for.
          reuse, padding: see the attributes.

        Raises:
          NetworkError: an argument is none of what it may be.
          DataError: the inputs are declared wrongly.
        """
        if padding not in ("ignored", "legacy"):
            raise NetworkError(f"padding is {brief(padding)}; there are 'ignored' and 'legacy'")
        if reuse not in ("owner_final", "legacy"):
            raise NetworkError(f"reuse is {brief(reuse)}; there are 'owner_final' and 'legacy'")
        if not isinstance(net, Mapping):
            raise NetworkError(f"a network is a dict of layers, not {brief(net)}", ways=["{'output': {'class': …}}"])
        if not isinstance(behavior_version, int) or not 0 <= behavior_version <= versions.LATEST:
            raise NetworkError(f"behavior_version is {brief(behavior_version)}; there are 0 to {versions.LATEST}")
        self._made_of = dict(net=net, extern_data=extern_data, ties=ties, stages=stages)
        self.net = net
        self.behavior_version = behavior_version
        self.default_input, self.default_target = default_input, default_target
        with versions.use(behavior_version):
            self.templates = extern.parse(extern_data)
        self.config, self.reuse, self.padding = dict(config or {}), reuse, padding
        self.evaluated, self.takes_key = False, True
        self.dims: dict[Any, Dim] = {}
        self._graphs: dict[tuple[Flags, tuple[str, ...]], Graph] = {}
        self._trainable: dict[Flags, dict[str, bool]] = {}
        self._forms: dict[Flags, dict[str, Tensor]] = {}
        self.aligned: set[tuple[str, Dim, Dim]] = set()
        self.model: TransformedWithState = transform_with_state(self._forward, ties=ties, stages=stages)

    def __reduce__(self) -> Any:
        check_picklable(self.net, self.config)
        return _rebuilt, (self._arguments(), self.evaluated, self.takes_key)

    def __deepcopy__(self, memo: Any) -> Network:
        return _rebuilt(copy.deepcopy(self._arguments(), memo), self.evaluated, self.takes_key)

    def evaluation(self) -> Network:
        """This network, never in training, whatever `train=` says; see `tn.evaluation`."""
        return self._changed(evaluated=True)

    def without_apply_rng(self) -> Network:
        """This network with `apply(params, state, batch)`; see `tn.without_apply_rng`."""
        return self._changed(takes_key=False)

    def _changed(self, **attributes: bool) -> Network:
        """The same network, with what it remembers, and other attributes."""
        other = Network.__new__(type(self))
        other.__dict__.update(self.__dict__, **attributes)
        return other

    def _arguments(self) -> dict[str, Any]:
        options = ("behavior_version", "default_input", "default_target", "config", "reuse", "padding")
        return {**self._made_of, **{name: getattr(self, name) for name in options}}

    def graph(self, flags: Flags = Flags(), layers: Sequence[str] | None = None) -> Graph:
        """The layers that are needed under these flags.

        Args:
          flags: what it is built for.
          layers: further ones that are needed, whether or not anything else depends on them.

        Raises:
          NetworkError: the dictionary is wrong, or has no such layer.
        """
        if (flags, ()) not in self._graphs:
            self._graphs[flags, ()] = self.built(flags)
        known = self._graphs[flags, ()]
        more = tuple(dict.fromkeys(name for name in layers or () if name != "*" and name not in known.nodes))
        if more and (flags, more) not in self._graphs:
            self._graphs[flags, more] = self.built(flags, more=more)
        return self._graphs[flags, more]

    def built(self, flags: Flags, *, roots: Sequence[str] | None = None, more: Sequence[str] = ()) -> Graph:
        """A new graph of what a mode needs, or of what `roots` need, and of more layers.

        Args:
          flags: what the graph is for.
          roots: the layers that are needed; None for those that the mode needs.
          more: further ones.

        Raises:
          NetworkError: the dictionary is wrong, or has no such layer.
        """
        with versions.use(self.behavior_version):
            graph = Graph(
                Level("", "", self.net),
                flags,
                self.templates,
                default_input=self.default_input,
                default_target=self.default_target,
                training_only=[k for k, of in self.templates.items() if not of.available_for_inference],
                searched=names_of_layers("search_train_network_layers", self.config),
            )
            return graph.build(roots, more=more)

    def _forward(self, batch: Mapping[str, Any], flags: Flags, layers: Sequence[str] | None) -> Result:
        planning = current_frame("network").planning
        with (
            sizes.use(sizes.Sizes(planning=planning)) as known,
            versions.use(self.behavior_version),
            training(flags.train),
        ):
            step = batch.get(STEP, 0)
            if ROWS in batch:
                known.declare_rows(batch[ROWS])
            inputs = extern.feed(self.templates, {k: v for k, v in batch.items() if k not in _OURS}, known)
            if self.padding != "legacy":
                inputs = {key: layout.zeroed(x) for key, x in inputs.items()}
            graph = self.graph(flags, layers)
            run = run_graph(self, graph, flags, inputs, step, finish, wanted(graph, layers), batch.get(PROBES))
            self._forms[flags] = run.forms
            self._trainable[flags] = {use.path: use.trainable for use in run.params}
            return collect(run, layers)

    def plan(
        self, batch: Mapping[str, Any] | None = None, *, train: bool = False, losses: bool = True, search: bool = False
    ) -> Plan:
        """The network for inputs of these shapes, checked, with nothing allocated.

        Args:
          batch: arrays or shapes; made up from `extern_data` if None.
          train, losses, search: what it is built for.

        Raises:
          TenureError: a layer's options, or inputs, do not fit; the message names the layer.
        """
        batch = extern.placeholders(self.templates) if batch is None else extern.normalise(self.templates, batch)
        try:
            return self.model.plan(batch, self._flags(train, losses, search), None)
        except TenureError as e:
            e.__notes__ = [
                n for n in getattr(e, "__notes__", []) if "JAX has removed" not in n
            ]  # says all it has to say
            raise

    def init(
        self,
        key: Any,
        batch: Mapping[str, Any] | None = None,
        *,
        train: bool = True,
        losses: bool = True,
        search: bool | str = False,
    ) -> tuple[Any, Any]:
        """Initial parameters and states: ({module: {name: array}}, likewise).

        Args:
          key: of the random numbers.
          batch: the inputs; placeholders of the declared shapes if None.
          train: whether layers are those of training.
          losses: whether there are targets, and so losses; there always are in training.
          search: whether it is built for a search. "also": with what only a search has besides, such as a language model in
            its loop, so that `apply` takes the same parameters for both.

        Raises:
          NetworkError: with "also", a parameter has two shapes.
        """
        batch = extern.placeholders(self.templates) if batch is None else extern.normalise(self.templates, batch)
        if search not in (True, False, "also"):
            raise NetworkError(f"search is {brief(search)}", ways=["True, False, or 'also'"])
        found = self.model.init(key, batch, self._flags(train, losses, search is True), None)
        if search != "also":
            return found
        more = self.model.init(key, batch, self._flags(False, False, True), None)
        params, state = (_united(a, b) for a, b in zip(found, more, strict=True))
        return params, state

    def apply(
        self,
        params: Any,
        state: Any,
        key: Any = None,
        batch: Mapping[str, Any] | None = None,
        *,
        train: bool = False,
        losses: bool = True,
        search: bool = False,
        layers: Sequence[str] | None = None,
        step: Any = None,
        rows: Any = None,
        probes: Mapping[str, Probe] | None = None,
    ) -> tuple[Result, Any]:
        """One forward pass.

        Args:
          params, state: from `init`.
          key: for dropout and sampling; may be None where nothing draws. After `tn.without_apply_rng` there is none.
          batch: key → array, (array, lengths) or `Tensor`.
          train: whether dropout, noise and batch statistics are on.
          losses: whether losses are computed (in training they always are).
          search: whether choices are searched instead of read from the targets.
          step: how many training steps there were, for layers and expressions that ask.
          rows: how many rows of the batch count; losses and batch statistics leave out those after them, which only fill the
            shape up. None: all.
          probes: module → what is done with the gradients of its matrix, of which labels say the rows.
          layers: whose outputs to return; `None`: "output" and all with `is_output_layer`; `("*",)`: all.

        Returns:
          `Result` with outputs and losses, and the new state.

        Raises:
          DataError: the batch lacks an input, or has another shape than declared.
          MissingParameterError: params or state lack a leaf.
          NetworkError: there is no batch.
        """
        if batch is None and not self.takes_key:  # apply(params, state, batch)
            key, batch = None, key
        if batch is None:
            raise NetworkError(
                "apply was given no batch", ways=["net.apply(params, state, key, {'data': …}), with None for no key"]
            )
        flags = self._flags(train, losses, search)
        fed: dict[str, Any] = dict(extern.normalise(self.templates, batch))
        if step is not None:
            fed[STEP] = step
        if rows is not None:
            fed[ROWS] = rows
        if probes:
            fed[PROBES] = dict(probes)
        try:
            return self.model.apply(params, state, key, fed, flags, layers)
        except MissingParameterError as error:
            more = self.graph(flags, layers).more
            if more:
                names = ", ".join(map(repr, more))
                error.ways = (f"'is_output_layer': True in {names}: then `init` makes its parameters", *error.ways)
                error.args = (error.render(),)
            raise

    def _flags(self, train: bool, losses: bool, search: bool) -> Flags:
        """What the network is built for."""
        train = train and not self.evaluated
        return Flags(train, losses or train, search)

    def trainable(self) -> dict[str, dict[str, bool]]:
        """Whether each parameter is trained, in the form of `params`; of a shared one its owner says so."""
        plan = self.plan(train=True)
        uses = self._trainable[Flags(True, True, False)]
        return plan.ledger.mask(lambda row: uses.get(row.path, True))

    def forms(self, flags: Flags) -> Mapping[str, Tensor]:
        """What the outputs of all layers look like in the last pass with these flags, those inside of loops in one step."""
        return self._forms.get(flags, {})

    def recurrent(self, flags: Flags = Flags()) -> bool:
        """Whether a layer is recurrent, so that a batch must keep its sequences apart; as RETURNN decides it.

        Args:
          flags: what the network is built for.
        """
        forms = {**self.forms(Flags(False, True)), **self.forms(Flags(True, True)), **self.forms(flags)}
        with versions.use(self.behavior_version):
            return is_recurrent(self.graph(flags), forms)

    # Names and sharing.

    def module_path(self, run: Run, node: Node) -> str:
        """The path of a layer's module: its scope; another one if an earlier layer has that scope.

        Args:
          run: the pass.
          node: the layer.
        """
        root = run
        while root.outer is not None:
            root = root.outer
        if node.cls.container:  # type: ignore[attr-defined]
            return f"{node.scope}/~net".lstrip("/")
        scope = node.scope or (
            "~" if node.options.get("name_scope") is not None else scope_name(node.key.replace("/", "\\"))
        )
        owner = root.scopes.setdefault(scope, node.key)
        return scope if owner == node.key else f"{scope}&{scope_name(node.key.replace('/', '.'))}"

    def show(self) -> Any:
        """The network as a picture: `str(…)` is text; `.html()`, `.mermaid()`; a notebook shows the page."""
        return Picture.of(self)

    def __repr__(self) -> str:
        return f"Network({len(self.net)} layers, inputs {', '.join(self.templates)})"


def _united(trees: Any, more: Any) -> dict[str, dict[str, Any]]:
    """Modules' values, with those that only `more` has."""
    for module in trees.keys() & more.keys():
        for name in trees[module].keys() & more[module].keys():
            a, b = trees[module][name], more[module][name]
            if a.shape != b.shape:
                raise NetworkError(f"'{module}/{name}' has the shape {a.shape} in training and {b.shape} in search")
    return {module: {**more.get(module, {}), **trees.get(module, {})} for module in (*trees, *more)}


def network(net: Mapping[str, Any], extern_data: Any, *, check: bool = True, **options: Any) -> Network:
    """A model from a dictionary of layers.

    Args:
      net: layer name → {"class": …, "from": …, options}.
      extern_data: the inputs: key → {"dim": 40, …} or `Tensor`.
      check: find out all shapes at once, so that a wrong dictionary fails here.
      **options: of `Network`: `behavior_version` (30, the strict one; published configs are 0), `default_input`,
        `default_target`, `ties`, `stages`, `config`, `reuse`, `padding`.

    Raises:
      TenureError: the dictionary is wrong; the message names layer and option.

    >>> import tenure as tn
    >>> tn.network({"output": {"class": "copy", "from": "dta"}}, {"data": {"dim": 3}})
    Traceback (most recent call last):
    tenure.network.errors.LayerNotFoundError: layer 'output': option 'from' names 'dta', and there is no such layer
    ...
    """
    made = Network(net, extern_data, **options)
    if check:
        made.plan(train=True)
    return made
