"""From gradients to new parameters, as a config asks for it: per layer, accumulated, clipped, with decoupled constraints."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

from tenure.core.errors import brief, nearest
from tenure.training.errors import ConfigError
from tenure.training.optimizing.clipping import Clipping
from tenure.training.optimizing.kinds import LAZY, Direction, kind, name_of
from tenure.training.optimizing.loss_scale import LossScale, all_finite
from tenure.training.optimizing.older import with_momentum

Params = Any  # {module: {name: array}}
Path = tuple[str, str]
_OF_LAYERS = (
    *("optimizer", "momentum2", "accum_grad_multiple_step"),
    *(f.name for f in dataclasses.fields(Clipping)),
)
_GIVEN_ALONE = (
    "adam",
    "nadam",
    "adagrad",
    "adadelta",
    "rmsprop",
    "smorms3",
    "adasecant",
    "momentum",
    "nesterov_momentum",
)
_GIVEN_AS = {"momentum": "momentum", "nesterov_momentum": "momentum", "rmsprop": "decay"}
_NOT_DONE = ("maximize_grad_norm", "gradient_clip_global_norm_tag", "extra_updates")


@dataclasses.dataclass(frozen=True)
class Part:
    """Parameters that share an optimizer.

    Attributes:
      paths: of them.
      direction: the optimizer.
      multiplier: of the learning rate.
      clipping: what is done to their gradients before.
      every: after how many steps they are updated.
      lazy: what of rows of embeddings that a step does not read is left as it is: nothing (None), the "rows", or the rows and the "state"
        that the optimizer has for them.
    """

    paths: frozenset[Path]
    direction: Direction
    multiplier: float
    clipping: Clipping
    every: int
    lazy: str | None = None


class Updater:
    """What a training step does with gradients.

    Attributes:
      parts: of the parameters, by their optimizer.
      decoupled: whether constraints stay out of the objective, and their gradients move the parameters by themselves. RETURNN
        does not apply its `decouple_constraints_factor`.
      loss_scale: how the objective is scaled, if it is: then the gradients are those of the scaled one.
      read_by_labels: layers whose outputs `update` wants as `labels`.
      probes: embeddings whose gradients are clipped place by place, with the largest absolute value; 0 where there is none.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        trainable: Mapping[str, Mapping[str, bool]],
        layers: Mapping[str, Mapping[str, Any]] | None = None,
        embeddings: Mapping[Path, tuple[str, ...]] | None = None,
        by_place: frozenset[Path] = frozenset(),
    ):
        """What a config asks for.

        Args:
          config: key → value.
          trainable: which parameters are trained, in the form of the parameters.
          layers: module → its layer's `updater_opts`, for layers that have some.
          embeddings: parameters of which a step reads some rows only, with the layers that say which: where TensorFlow's optimizer
            leaves the others as they are, so does this.
          by_place: parameters whose gradients are clipped at each place where a row is read, as far as that makes a difference.

        Raises:
          ConfigError: an option is unknown or cannot be used.
        """
        for name in _NOT_DONE:
            if config.get(name):
                raise ConfigError(f"{name} is not done here", ways=[f"remove {name}"])
        self.decoupled = bool(config.get("decouple_constraints"))
        self.loss_scale = LossScale.from_config(config)
        self._embeddings = dict(embeddings or {})
        groups: dict[str, tuple[dict[str, Any], set[Path]]] = {}
        for module, names in trainable.items():
            own = _own_options(module, layers or {})
            wanted = {**{k: config[k] for k in _OF_LAYERS if config.get(k) is not None}, **own}
            wanted["optimizer"] = own.get("optimizer") or _optimizer(config)
            chosen = groups.setdefault(repr(sorted(wanted.items())), (wanted, set()))[1]
            chosen.update((module, name) for name, trained in names.items() if trained)
        self.parts = [
            _part(options, paths, config.get("optimizer_epsilon")) for options, paths in groups.values() if paths
        ]
        lazy = {path for part in self.parts if part.lazy and part.every == 1 for path in part.paths}
        read = [name for path, names in self._embeddings.items() if path in lazy for name in names]
        self.read_by_labels: tuple[str, ...] = tuple(dict.fromkeys(read))
        self.probes: dict[Path, float] = {}
        if self.loss_scale is None and any(part.clipping.by_occurrence for part in self.parts):
            places = {path: part for part in self.parts for path in part.paths if part.every == 1}
            noisy = {path for path, part in places.items() if part.clipping.gradient_noise}
            known = sorted((by_place & places.keys()) - noisy)
            self.probes = {path: places[path].clipping.gradient_clip for path in known}

    def init(self, params: Params) -> Any:
        """The state before the first step."""
        parts = [_start(part, _chosen(params, part.paths)) for part in self.parts]
        return parts if self.loss_scale is None else [*parts, self.loss_scale.init()]

    def scale(self, state: Any) -> Any:
        """The factor of the objective in the next step.

        Args:
          state: before it.
        """
        return 1.0 if self.loss_scale is None else state[-1]["scale"]

    @property
    def paths(self) -> frozenset[Path]:
        """All parameters that are trained."""
        return frozenset().union(*(part.paths for part in self.parts))

    def update(
        self,
        grads: Params,
        state: Any,
        params: Params,
        *,
        learning_rate: Any,
        step: Any,
        key: jax.Array | None = None,
        constraints: Params | None = None,
        labels: Mapping[str, Any] | None = None,
        squares: Mapping[Path, Any] | None = None,
    ) -> tuple[Params, Any]:
        """New parameters and the new state.

        Args:
          grads: of the objective, for all trained parameters at least.
          state: from `init` or the step before.
          params: all parameters.
          learning_rate: of this step.
          step: how many steps there were.
          key: for noise.
          constraints: the gradients of the constraints, where those are decoupled.
          labels: of the layers `read_by_labels`; without them, rows whose gradient is zero count as not read.
          squares: for embeddings in `probes`, the sums of squares of their gradients at each place, before they are clipped and after.
        """
        if self.loss_scale is None:
            return self._updated(grads, state, params, learning_rate, step, key, constraints, labels, squares)
        *parts, scaling = state
        grads = jax.tree.map(lambda g: g / scaling["scale"].astype(g.dtype), grads)
        finite = all_finite(_chosen(grads, self.paths))
        new = self._updated(grads, parts, params, learning_rate, step, key, constraints, labels)
        kept = jax.tree.map(lambda a, b: jnp.where(finite, a, b), new, (params, parts))  # a step that overflows is none
        return kept[0], [*kept[1], self.loss_scale.after(scaling, finite)]

    def _updated(
        self,
        grads: Params,
        state: Any,
        params: Params,
        rate: Any,
        step: Any,
        key: Any,
        constraints: Any,
        labels: Any,
        squares: Any = None,
    ) -> tuple[Params, Any]:
        read, norm = self._rows_read(params, grads, labels or {}), self._norm(grads, squares or {})
        result = {module: dict(names) for module, names in params.items()}
        after = []
        for number, (part, before) in enumerate(zip(self.parts, state, strict=True)):
            own = None if key is None else jax.random.fold_in(key, number)
            pulls = None if constraints is None else _chosen(constraints, part.paths)
            new, now = self._of_part(
                *(part, before, _chosen(grads, part.paths), _chosen(params, part.paths)),
                *(rate, step, own, pulls, read, norm, {p: s[1] for p, s in (squares or {}).items() if p in part.paths}),
            )
            after.append(now)
            for (module, name), value in new.items():
                result[module][name] = value
        return result, after

    def _norm(self, grads: Params, squares: Mapping[Path, Any]) -> Any:
        """Of all gradients together; of an embedding, those at each place count by themselves."""
        norm = optax.tree.norm(_chosen(grads, self.paths - squares.keys()))
        return jnp.sqrt(jnp.square(norm) + sum(before for before, _ in squares.values())) if squares else norm

    def _rows_read(self, params: Params, grads: Params, labels: Mapping[str, Any]) -> dict[Path, Any]:
        """For each embedding, which of its rows the step has read: [rows, 1]."""
        lazy = {path for part in self.parts if part.lazy and part.every == 1 for path in part.paths}
        found = {}
        for path in sorted(lazy & self._embeddings.keys()):
            rows, names = params[path[0]][path[1]].shape[0], self._embeddings[path]
            if all(name in labels for name in names):
                read = jnp.zeros(rows, bool)
                for name in names:
                    read = read.at[jnp.ravel(labels[name])].set(True, mode="drop")
            else:
                grad = grads[path[0]][path[1]]
                read = jnp.any(grad != 0, axis=tuple(range(1, grad.ndim)))
            found[path] = read[:, None]
        return found

    def _of_part(
        self,
        part: Part,
        state: Any,
        grads: Any,
        params: Any,
        rate: Any,
        step: Any,
        key: Any,
        pulls: Any,
        read: Any,
        norm: Any,
        squares: Any,
    ) -> tuple[Any, Any]:
        rate = rate * part.multiplier

        def moved(state: Any) -> Any:
            clipped = part.clipping(state["sum"] if part.every > 1 else grads, key, step, norm, squares)
            updates, optimizer = part.direction.update(clipped, state["optimizer"], params, learning_rate=rate)
            if part.lazy and part.every == 1:
                updates = {path: jnp.where(read[path], u, 0) if path in read else u for path, u in updates.items()}
                optimizer = _of_rows(read, optimizer, state["optimizer"]) if part.lazy == "state" else optimizer
            new = jax.tree.map(lambda p, u: (p + u).astype(p.dtype), params, updates)
            if pulls is not None:
                new = jax.tree.map(lambda p, c: (p - c).astype(p.dtype), new, pulls)
            rest = {"sum": jax.tree.map(jnp.zeros_like, state["sum"])} if part.every > 1 else {}
            return new, {"optimizer": optimizer, **rest}

        if part.every == 1:
            return moved(state)
        state = {**state, "sum": jax.tree.map(jnp.add, state["sum"], grads)}
        return jax.lax.cond(step % part.every == part.every - 1, moved, lambda state: (params, state), state)


def _of_rows(read: Mapping[Path, Any], new: Any, old: Any) -> Any:
    """The optimizer's state: new in rows that were read, old in the other ones."""

    def chosen(path: Any, a: Any, b: Any) -> Any:
        rows = next((read[k.key] for k in path if getattr(k, "key", None) in read), None)
        return a if rows is None or jnp.shape(a)[:1] != rows.shape[:1] else jnp.where(rows, a, b)

    return jax.tree_util.tree_map_with_path(chosen, new, old)


def _is_lazy(options: Mapping[str, Any], optimizer: Mapping[str, Any]) -> str | None:
    """As TensorFlow's optimizers are with gradients of some rows; noise makes them gradients of all rows."""
    if options.get("gradient_noise"):
        return None
    return LAZY.get(name_of(optimizer.get("class", "gradientdescent")))


def _chosen(tree: Params, paths: frozenset[Path]) -> dict[Path, Any]:
    return {(module, name): tree[module][name] for module, name in sorted(paths)}


def _start(part: Part, params: dict[Path, Any]) -> Any:
    rest = {"sum": jax.tree.map(jnp.zeros_like, params)} if part.every > 1 else {}
    return {"optimizer": part.direction.init(params), **rest}


def _own_options(module: str, layers: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The `updater_opts` of the layer that has the module, or of the innermost around it that has some."""
    around = [name for name in layers if module == name or module.startswith(f"{name}/")]
    if not around:
        return {}
    name = max(around, key=len)
    for key in layers[name].keys() - set(_OF_LAYERS):
        raise ConfigError(
            f"updater_opts of layer {name!r} have no {key!r}",
            near=nearest(key, _OF_LAYERS),
            ways=list(_OF_LAYERS) if key != "learning_rate_multiplier" else ["within 'optimizer'"],
        )
    return dict(layers[name])


def _optimizer(config: Mapping[str, Any]) -> Any:
    """The key `optimizer`, or the older keys that name one each."""
    if config.get("optimizer"):
        return config["optimizer"]
    for name in _GIVEN_ALONE:
        if config.get(name):
            option = _GIVEN_AS.get(name)
            more = {"use_nesterov": True} if name == "nesterov_momentum" else {}
            kind = "momentum" if more else name
            return {"class": kind, **({option: float(config[name])} if option else {}), **more}
    return {"class": "gradientdescent"}


def _part(options: Mapping[str, Any], paths: set[Path], epsilon: Any) -> Part:
    optimizer = options["optimizer"]
    if isinstance(optimizer, str):
        optimizer = {"class": optimizer}
    if not isinstance(optimizer, Mapping):
        raise ConfigError(f"optimizer is {brief(optimizer)}", ways=["{'class': 'adam'}"])
    direction, multiplier = kind(optimizer, None if epsilon is None else float(epsilon))
    if options.get("momentum2"):
        direction = with_momentum(direction, float(options["momentum2"]))
    every = int(options.get("accum_grad_multiple_step") or 1)
    return Part(
        frozenset(paths), direction, multiplier, Clipping.from_config(options), every, _is_lazy(options, optimizer)
    )


def layers_with_options(nodes: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Module → `updater_opts`, of a network's graph.

    Args:
      nodes: key → node.
    """
    return {node.scope: node.get("updater_opts") for node in nodes.values() if node.get("updater_opts")}
