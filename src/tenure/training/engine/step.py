"""One step of training, evaluation or forwarding, compiled for a mesh of devices."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from tenure.core.errors import brief
from tenure.network.losses.base import LossValue
from tenure.network.model import ROWS, Network
from tenure.network.occurrences import Probe
from tenure.network.result import Result
from tenure.network.tensor import Tensor
from tenure.training.engine.mesh import rules_of, shardings
from tenure.training.engine.programs import Compiled, Programs, Ready, shape
from tenure.training.errors import ConfigError
from tenure.training.optimizing.updater import Updater

Losses = dict[str, tuple[Any, Any, Any]]  # name → sum of losses, sum of errors, factor that makes means


class State(NamedTuple):
    """What training changes.

    Attributes:
      params: the network's.
      state: the network's: running means and the like.
      optimizer: the updater's.
    """

    params: Any
    state: Any
    optimizer: Any


class Steps:
    """The compiled functions of a network.

    Attributes:
      network: which.
      mesh: of devices; a batch's rows are spread over its axis "data", where they can be.
      dumped: the layers whose outputs a step of training gives.
      say: is told what is compiled.

    >>> import numpy as np
    >>> net = Network({"output": {"class": "softmax", "loss": "ce", "from": "data"}}, {"data": {"dim": 3}, "classes": {"dim": 2, "sparse": True}})
    >>> steps = Steps(net, Updater({"optimizer": {"class": "adam"}}, net.trainable()))
    >>> params, state = net.init(jax.random.key(0))
    >>> lengths = np.array([5, 4])
    >>> batch = {"data": (np.ones((2, 5, 3), "float32"), lengths), "classes": (np.zeros((2, 5), "int32"), lengths)}
    >>> new, losses, _, _ = steps.train(State(params, state, steps.updater.init(params)), batch, 0.1, 0, jax.random.key(1))
    >>> round(float(1 / losses["output"][2]))
    9
    """

    def __init__(
        self,
        network: Network,
        updater: Updater | None = None,
        mesh: Mesh | None = None,
        config: Mapping[str, Any] | None = None,
        say: Callable[[str], None] = lambda text: None,
        dumped: Sequence[str] = (),
    ):
        self.network, self.updater, self.say, self.dumped = network, updater, say, tuple(dumped)
        self.mesh = mesh if mesh is not None else Mesh(jax.devices()[:1], ("data",))
        self._rules, self._dtype = rules_of(config or {}), compute_dtype(config or {})
        static = ("layers", "losses")
        self._train = Programs(self._train_step, batch=1, donate=0, say=say)
        self._evaluate = Programs(self._evaluation_step, batch=2, static=static, say=say)
        self._frames = Programs(self._frames_step, batch=2, static=("layer",), say=say)
        self._search = Programs(self._search_step, batch=2, static=static, say=say)

    def placed(self, tree: Any) -> Any:
        """Parameters and all that belongs to them on the devices of the mesh, as the rules of the key `sharding` say."""
        return jax.device_put(tree, self._shardings(tree))

    def _shardings(self, tree: Any) -> Any:
        if not self._rules:
            return NamedSharding(self.mesh, PartitionSpec())
        return shardings(tree, self.mesh, self.network.plan(train=True).ledger, self._rules)

    def fed(self, batch: Mapping[str, Any]) -> Any:
        """A batch on the devices: its rows spread over them if their number can be divided, else on each."""
        return jax.device_put(batch, self._places(batch))

    def _places(self, batch: Mapping[str, Any]) -> Any:
        count = self.mesh.shape["data"]
        spread = all(np.shape(leaf)[0] % count == 0 for leaf in jax.tree.leaves(batch) if np.ndim(leaf))
        whole = NamedSharding(self.mesh, PartitionSpec())
        split = NamedSharding(self.mesh, PartitionSpec("data")) if spread else whole
        return jax.tree.map(lambda leaf: split if np.ndim(leaf) else whole, batch)

    def prepare(
        self,
        state: State,
        batches: Sequence[Mapping[str, Any]],
        *,
        training: bool,
        layers: Sequence[str] = (),
        then: Callable[[], None] = lambda: None,
    ) -> None:
        """Compiles what training or evaluation takes for batches of these shapes, in this order.

        Args:
          state: of the training; it is not changed.
          batches: abstract ones, as `Feed.abstract` makes them.
          training: else for evaluation.
          layers: whose outputs the evaluation is to give.
          then: is called after each.
        """
        key, count = jax.random.key(0), np.int32(0)
        for batch in batches:
            placed = jax.tree.map(_at, batch, self._places(batch))
            program, static, arguments = self._train, {}, self._arguments(state, placed)
            if not training:
                program, static = self._evaluate, {"layers": tuple(layers), "losses": True}
                arguments = (state.params, state.state, placed, count, key)
            if not program.has(arguments, **static):
                done = program.compile(arguments, **static)
                self.say(f"compiled {'training' if training else 'evaluation'} of {shape(batch)}: {done}")
            then()

    def _arguments(self, state: State, placed: Mapping[str, Any]) -> tuple[Any, ...]:
        return state, placed, np.float32(0), np.int32(0), jax.random.key(0)

    def traced(self, state: State, batch: Mapping[str, Any]) -> Any:
        """The operations of a step of training as a closed jaxpr; state and batch may be abstract."""
        return self._train.jitted.trace(*self._arguments(state, batch)).jaxpr

    def compiled(self, state: State, batch: Mapping[str, Any]) -> Compiled:
        """Compiles a step of training, and says what that took; state and batch may be abstract."""
        return self._train.compile(self._arguments(state, jax.tree.map(_at, batch, self._places(batch))))

    def train(
        self, state: State, batch: Mapping[str, Any], rate: Any, step: int, key: Any
    ) -> tuple[State, Losses, Any, dict[str, Tensor]]:
        """One step: the new state, the losses, the objective, and the outputs of layers that are dumped. The old state must not be used again.

        Args:
          state: before the step.
          batch: on the host, or from `fed`.
          rate: the learning rate.
          step: how many steps there were; the step's random key is folded from it.
          key: of the whole training.
        """
        return self._train(state, self.fed(batch), np.float32(rate), np.int32(step), key)

    def evaluation(
        self,
        state: State,
        batch: Mapping[str, Any],
        step: int = 0,
        *,
        layers: Sequence[str] = (),
        losses: bool = True,
        key: Any = None,
    ) -> Ready:
        """A step that gives the losses, outputs of layers, and the network's state after it."""

        def finish(found: Any) -> tuple[Losses, dict[str, Any], Any]:
            told, outputs, new = found
            return told, {name: counted(x, batch) for name, x in outputs.items()}, new

        arguments = (state.params, state.state, self.fed(batch), np.int32(step), key)
        return Ready(self._evaluate, arguments, {"layers": tuple(layers), "losses": losses}, finish)

    def each_frame(self, state: State, batch: Mapping[str, Any], layer: str) -> Ready:
        """A step that gives the losses, those of each frame by their names (see `LossValue`), and the output of a layer."""

        def finish(found: Any) -> tuple[Losses, Any, Tensor]:
            told, frames, output = found
            return told, frames, counted(output, batch)

        return Ready(self._frames, (state.params, state.state, self.fed(batch)), {"layer": layer}, finish)

    def search(
        self, state: State, batch: Mapping[str, Any], layers: Sequence[str], key: Any = None, *, losses: bool = True
    ) -> Ready:
        """A step that gives what the network finds: outputs of layers, with the scores of hypotheses, and losses where there are targets."""

        def finish(found: Result) -> Result:
            outputs, scores = ({n: counted(x, batch) for n, x in of.items()} for of in (found.outputs, found.scores))
            return dataclasses.replace(found, outputs=outputs, scores=scores)

        arguments = (state.params, state.state, self.fed(batch), key)
        return Ready(self._search, arguments, {"layers": tuple(layers), "losses": losses}, finish)

    def _search_step(self, params: Any, state: Any, batch: Any, key: Any, *, layers: Any, losses: bool) -> Result:
        return self.network.apply(params, state, key, batch, layers=layers, losses=losses, search=True)[0]

    def _train_step(
        self, state: State, batch: Any, rate: Any, step: Any, key: Any
    ) -> tuple[State, Losses, Any, dict[str, Tensor]]:
        updater = self.updater
        assert updater is not None
        own, noise = jax.random.split(jax.random.fold_in(key, 2 * step + 1))
        network, read = self.network, updater.read_by_labels

        probes = {path: Probe.of(limit) for path, limit in updater.probes.items()}

        def objective(params: Any, probes: Any) -> tuple[Any, tuple[Any, Result, Any]]:
            by_module = {module: probe for (module, _), probe in probes.items()}
            params, inputs = lowered((params, batch), self._dtype)
            layers = (*read, *self.dumped)
            result, new = network.apply(
                params, state.state, own, inputs, train=True, step=step, layers=layers, probes=by_module
            )
            if self._dtype is not None:
                new = jax.tree.map(lambda a, b: jnp.asarray(a, jnp.asarray(b).dtype), new, state.state)
            value = jnp.asarray(result.loss if updater.decoupled else result.objective, jnp.float32)
            return value * updater.scale(state.optimizer), (value, result, new)

        def pull(params: Any) -> Any:
            result, _ = network.apply(params, state.state, own, batch, train=True, step=step, layers=())
            return jnp.asarray(result.constraints, jnp.float32)

        of_all = jax.value_and_grad(objective, (0, 1), has_aux=True)
        (_, (value, result, new)), (grads, seen) = of_all(state.params, probes)
        pulls = jax.grad(pull)(state.params) if updater.decoupled else None
        params, optimizer = updater.update(
            *(grads, state.optimizer, state.params),
            learning_rate=rate,
            step=step,
            key=noise,
            constraints=pulls,
            labels={name: labels_read(x, batch) for name, x in result.outputs.items() if name in read},
            squares={path: probe.squares for path, probe in seen.items()},
        )
        after = State(params, new, optimizer)
        if self._rules:  # XLA would place as it likes what no rule places
            after = jax.lax.with_sharding_constraint(after, self._shardings(after))
        dumped = {name: result.outputs[name] for name in self.dumped}
        if self._dtype is not None:
            dumped = jax.tree.map(lambda x: x.astype(jnp.float32) if x.dtype == self._dtype else x, dumped)
        return after, _told(result.losses), value, dumped

    def _evaluation_step(
        self, params: Any, state: Any, batch: Any, step: Any, key: Any, *, layers: Any, losses: bool
    ) -> tuple[Losses, dict[str, Any], Any]:
        result, new = self.network.apply(*(params, state, key, batch), step=step, layers=layers, losses=losses)
        return _told(result.losses), result.outputs, new

    def _frames_step(self, params: Any, state: Any, batch: Any, *, layer: str) -> tuple[Losses, Any, Tensor]:
        result, _ = self.network.apply(params, state, None, batch, layers=(layer,))
        return _told(result.losses), {n: x.frames for n, x in result.losses.items()}, result.outputs[layer]


def labels_read(x: Tensor, batch: Mapping[str, Any]) -> Any:
    """The labels of a batch, those of padding up to its longest sequence too, as in a batch of RETURNN; what is beyond stands for none."""
    labels, none = jnp.asarray(x.data, jnp.int32), jnp.iinfo(jnp.int32).max
    for axis, dim in enumerate(x.dims):
        lengths = next((n.data for d, n in x.lengths.items() if d == dim), None)
        end = batch.get(ROWS) if dim.is_plain_batch else None if lengths is None else jnp.max(lengths)
        if end is not None:
            shape = [-1 if i == axis else 1 for i in range(labels.ndim)]
            labels = jnp.where((jnp.arange(labels.shape[axis]) < end).reshape(shape), labels, none)
    return labels


def compute_dtype(config: Mapping[str, Any]) -> Any:
    """The type that a training step computes in, if not in that of the parameters: of the key `mixed_precision`.

    Raises:
      ConfigError: it is none that can be used.

    >>> compute_dtype({"mixed_precision": True}), compute_dtype({})
    (<class 'jax.numpy.bfloat16'>, None)
    """
    given = config.get("mixed_precision")
    if given in (None, False):
        return None
    if given not in (True, "bfloat16", "float16"):
        raise ConfigError(f"mixed_precision is {brief(given)}", ways=["True, which is 'bfloat16'", "'float16'"])
    return jnp.float16 if given == "float16" else jnp.bfloat16


def lowered(tree: Any, dtype: Any) -> Any:
    """The tree with its float32 arrays in another type; None: as it is."""
    if dtype is None:
        return tree
    return jax.tree.map(lambda x: x.astype(dtype) if getattr(x, "dtype", None) == jnp.float32 else x, tree)


def counted(x: Tensor, batch: Mapping[str, Any]) -> Tensor:
    """A tensor without the rows that only fill up a batch's shape."""
    rows, axis = batch.get(ROWS), next((i for i, d in enumerate(x.dims) if d.is_plain_batch), None)
    if rows is None or axis is None or x.shape[axis] == rows:
        return x
    lengths = {dim: counted(n, batch) for dim, n in x.lengths.items()}
    return dataclasses.replace(x, data=np.asarray(x.data).take(range(int(rows)), axis), lengths=lengths)


def _at(leaf: Any, place: Any) -> Any:
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place)


def _told(losses: Mapping[str, LossValue]) -> Losses:
    return {name: (loss.loss, loss.error, loss.norm_factor) for name, loss in losses.items()}
