"""Networks with their weights as programs that need no config: what `tenure export` writes."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from tenure._version import __version__
from tenure.core.errors import TenureError
from tenure.network.extern import Template
from tenure.network.graph import Flags
from tenure.network.model import Network
from tenure.network.tensor import Tensor
from tenure.training.data.classes import dataset
from tenure.training.engine.exporting_own_model import OwnPart
from tenure.training.engine.learner import Learner
from tenure.training.engine.model import build, check_available
from tenure.training.engine.own_model import OwnModel
from tenure.training.engine.settings import named
from tenure.training.errors import ConfigError, TrainingError
from tenure.training.exported import ABOUT, FORMAT, PROGRAM, WEIGHTS
from tenure.training.files import write_bytes


def export(
    learner: Learner,
    path: Path,
    *,
    layers: Sequence[str] = (),
    search: bool = False,
    platforms: Sequence[str] = (),
) -> list[str]:
    """Writes the network of a config with a checkpoint as one file.

    Args:
      learner: of the config; its checkpoint is loaded.
      path: of the file.
      layers: whose outputs it gives; the one that forward or search would write if there are none.
      search: whether choices are searched.
      platforms: that it runs on: "cpu", "cuda", "tpu"; that of this process if there are none.

    Returns:
      Lines that say what goes in and comes out.

    Raises:
      ConfigError: there is no checkpoint or no such layer.
      TrainingError: the network has no form for all numbers and lengths of sequences.
    """
    config = learner.config
    epoch = learner.load_epoch()
    key = "search_output_layer" if search else "forward_output_layer"
    chosen = tuple(layers) or ((config[key],) if config.get(key) else ())
    part: _Part | OwnPart
    if isinstance(learner.network, OwnModel):
        part, inputs, made = _own(learner, learner.network, chosen, search, platforms)
        labels = {}
    else:
        layers = chosen or ("output",)
        check_available(learner.network, layers, Flags(False, False, search))
        part = _Part.of(learner, layers, search)
        if not part.names and not chosen and not search:
            raise ConfigError(
                f"the layer {layers[0]!r} needs no parameter: without a search, it gives the labels that it is fed",
                ways=["--search exports what a beam search finds", "--layer NAME exports another layer"],
            )
        inputs = part.inputs()
        made = _exported(part.program(inputs), part.leaves, inputs, platforms)
        labels = labels_of(config, learner.network, layers)
    names, leaves, outputs = part.names, part.leaves, part.outputs
    about = {"epoch": epoch, "model": learner.models.prefix.name, "tenure": __version__, "jax": jax.__version__}
    told = {
        "format": FORMAT,
        "about": about,
        "inputs": inputs,
        "outputs": outputs,
        "weights": names,
        "labels": {k: list(v) for k, v in labels.items() if k in outputs},
    }
    write_bytes(path, _archive(told, _serialised(made), dict(zip(names, leaves, strict=True))))
    said = [f"{k}: {of['dtype']} {of['shape']}{' with lengths' if of['lengths'] else ''}" for k, of in inputs.items()]
    return [*said, f"→ {', '.join(outputs)}"]


def _own(learner: Learner, model: OwnModel, layers: Sequence[str], search: bool, platforms: Sequence[str]) -> Any:
    """The part of a model of the config's own, its inputs, and the program: of sequences whose streams are as long as each other, if there is
    none for any lengths."""
    if search:
        raise ConfigError("the model of get_model has no search", ways=["leave out --search"])
    part = OwnPart(model, layers, learner.state, _output)
    every = {key: _input(key, template) for key, template in model.templates.items()}
    inputs = part.needed(every)
    try:
        return part, inputs, _exported(part.program(inputs, every), part.leaves, inputs, platforms)
    except TrainingError:
        if sum(of["lengths"] for of in inputs.values()) < 2:
            raise
        return part, inputs, _exported(part.program(inputs, every), part.leaves, inputs, platforms, as_long=True)


class _Part:
    """The part of a network that some layers need, with its weights.

    Attributes:
      network: that part.
      layers: whose outputs are wanted.
      search: whether choices are searched.
      names, leaves, structure: of the weights.
      outputs: names of the outputs, when a program was traced.
    """

    def __init__(self, network: Network, layers: Sequence[str], search: bool, params: Any, state: Any):
        self.network, self.layers, self.search = network, tuple(layers), search
        tree = (params, state)
        self.names = [jax.tree_util.keystr(p, simple=True, separator="/") for p, _ in jax.tree.leaves_with_path(tree)]
        self.leaves, self.structure = jax.tree.flatten(jax.device_get(tree))
        self.outputs: list[str] = []

    @staticmethod
    def of(learner: Learner, layers: Sequence[str], search: bool) -> _Part:
        """The part of a learner's network. Where layers borrow from ones that are no part of it, it is the whole network."""
        whole, flags = learner.network, Flags(False, False, search)
        graph = whole.built(flags, roots=layers)
        tops = {key.partition("/")[0] for key in graph.nodes} | {layer.partition("/")[0] for layer in layers}
        marked = {layer.partition("/")[0] for layer in layers}
        net = {
            name: {**options, "is_output_layer": True} if name in marked else options
            for name, options in whole.net.items()
        }
        config, key = learner.config, jax.random.key(0)
        for chosen in ({name: of for name, of in net.items() if name in tops}, net):
            network = build(config, chosen)
            try:
                shapes = jax.eval_shape(lambda: network.init(key, train=False, losses=False, search=search))  # noqa: B023
                break
            except TenureError:
                if len(chosen) == len(net):
                    raise
        values = (learner.state.params, learner.state.state)
        params, state = (
            {module: {name: of[module][name] for name in names} for module, names in wanted.items()}
            for wanted, of in zip(shapes, values, strict=True)
        )
        return _Part(network, layers, search, params, state)

    def program(self, inputs: Mapping[str, Any]) -> Any:
        """The part as a function of its weights and of what it is fed, both as lists."""

        def run(weights: list[Any], given: list[Any]) -> list[Any]:
            params, state = jax.tree.unflatten(self.structure, weights)
            rest = list(given)
            batch = {k: (rest.pop(0), rest.pop(0)) if of["lengths"] else rest.pop(0) for k, of in inputs.items()}
            options: dict[str, Any] = {"losses": False, "search": self.search, "layers": self.layers}
            result, _ = self.network.apply(params, state, None, batch, **options)
            self.outputs = list(result.outputs)
            if len(self.outputs) < len(set(self.layers)):
                raise ConfigError(f"no output of {', '.join(self.layers)} without further inputs")
            return [_output(result.outputs[name]) for name in self.outputs]

        return run

    def inputs(self) -> dict[str, Any]:
        """The inputs that it cannot do without."""
        inputs = {key: _input(key, template) for key, template in self.network.templates.items()}
        for key in list(inputs):
            fewer = {k: of for k, of in inputs.items() if k != key}
            if fewer and _runs(self.program(fewer), self.leaves, fewer):
                inputs = fewer
        return inputs


def _input(key: str, template: Template) -> dict[str, Any]:
    dims = template.tensor.dims
    if not dims or not dims[0].is_batch:
        raise ConfigError(f"the input {key!r} does not begin with the batch, and cannot be exported")
    timed = len(dims) > 1 and dims[1].is_dynamic
    rest = [dim.root.size for dim in dims[1 + timed :]]
    if None in rest:
        raise ConfigError(f"the input {key!r} has more than one axis of any length, and cannot be exported")
    sparse = template.tensor.sparse_dim
    return {
        "shape": ["rows", *(["time"] if timed else []), *rest],
        "dtype": str(jnp.dtype(template.dtype)),
        "lengths": timed,
        "labels": None if sparse is None else sparse.size,
    }


def _runs(run: Any, weights: list[Any], inputs: Mapping[str, Any]) -> bool:
    """Whether a program can do with these inputs."""
    given: list[Any] = []
    for number, of in enumerate(inputs.values()):
        sizes = [{"rows": 3, "time": 8 + number}.get(d, d) for d in of["shape"]]
        given += [jax.ShapeDtypeStruct(sizes, of["dtype"])] + [jax.ShapeDtypeStruct((3,), np.int32)] * of["lengths"]
    try:
        jax.eval_shape(run, weights, given)
    except TenureError:
        return False
    return True


def _exported(
    run: Any, weights: list[Any], inputs: Mapping[str, Any], platforms: Sequence[str], *, as_long: bool = False
) -> Any:
    from jax import export as jax_export

    scope = jax_export.SymbolicScope()
    given: list[Any] = []
    for number, of in enumerate(inputs.values()):
        words = {"rows": "rows", "time": "time" if as_long else f"time{number}"}
        text = ", ".join(words.get(d, str(d)) for d in of["shape"])
        given.append(jax.ShapeDtypeStruct(jax_export.symbolic_shape(text, scope=scope), of["dtype"]))
        if of["lengths"]:
            given.append(jax.ShapeDtypeStruct(jax_export.symbolic_shape("rows", scope=scope), np.int32))
    shapes = [jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in weights]
    options: dict[str, Any] = {"platforms": tuple(platforms)} if platforms else {}
    try:
        return jax_export.export(jax.jit(run), **options)(shapes, given)
    except (TenureError, TypeError, ValueError, core.InconclusiveDimensionOperation) as error:
        raise TrainingError(
            f"the network has no form for all numbers and lengths of sequences: {error}",
            ways=["--layer NAME: another layer"],
        ) from error


def _serialised(made: Any) -> bytes:
    try:
        return bytes(made.serialize())
    except ImportError:
        raise TrainingError(
            "exporting needs the package flatbuffers, which is not installed", ways=["pip install 'tenure[export]'"]
        ) from None


def _output(x: Tensor) -> tuple[Any, Any]:
    """The array with batch and time first, and the lengths of the time."""
    order = [i for i, d in enumerate(x.dims) if d.is_batch]
    timed = [i for i, d in enumerate(x.dims) if d.is_dynamic and not d.is_batch and i not in order]
    order += timed
    order += [i for i in range(len(x.dims)) if i not in order]
    lengths = None
    if timed:
        dim = x.dims[timed[0]]
        found = next((n for d, n in x.lengths.items() if d == dim), None)
        rows = x.data.shape[order[0]]
        lengths = (
            jnp.full((rows,), x.data.shape[timed[0]], jnp.int32)
            if found is None
            else jnp.broadcast_to(found.data, (rows,))
        )
    return jnp.transpose(x.data, order), lengths


def labels_of(config: Mapping[str, Any], network: Network, layers: Sequence[str]) -> dict[str, Sequence[str]]:
    """The names of labels that layers give, where a data set of the config knows them.

    Args:
      config: key → value.
      network: of the config.
      layers: their names.
    """
    options = next((named(config, config[k]) for k in ("search_data", "dev", "train") if config.get(k)), None)
    try:
        streams = dataset(options).streams if options is not None else {}
    except (TenureError, OSError):
        return {}  # the data are not there
    found = {}
    for layer in layers:
        given = network.net.get(layer)
        target = given.get("target") if isinstance(given, Mapping) else None
        stream = streams.get(target or network.default_target)
        if stream is not None and stream.labels:
            found[layer] = stream.labels
    return found


def _archive(told: Mapping[str, Any], program: bytes, weights: dict[str, Any]) -> bytes:
    from safetensors.flax import save

    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(ABOUT, json.dumps(told, indent=1, ensure_ascii=False))
        archive.writestr(PROGRAM, program)
        archive.writestr(WEIGHTS, save({name: jnp.asarray(value) for name, value in weights.items()}))
    return file.getvalue()
