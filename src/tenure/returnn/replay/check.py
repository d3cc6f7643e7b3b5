"""One case: built, run and compared, part by part."""

from __future__ import annotations

import dataclasses
import time
import warnings
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tenure.core.errors import TenureError
from tenure.network.model import Network
from tenure.network.result import Result
from tenure.returnn.replay.case import Case
from tenure.returnn.replay.compare import compare_output, same_values
from tenure.returnn.replay.steps import differences

# The state of RETURNN's random generators; here, random numbers come from keys.
GENERATOR = "random_generator/StateVar"
PARTS = ("constructs", "params", "layers", "losses", "grads")


@dataclasses.dataclass
class Verdict:
    """How a case went.

    Attributes:
      id: of the case.
      classes: of its layers.
      parts: part → whether it holds; parts that were not reached are missing.
      problems: what does not hold, in words.
      layers: how many recorded layers are equal, and how many there are.
      blame: the class of the layer that is wrong first.
      seconds: how long it took.
    """

    id: str
    classes: list[str]
    parts: dict[str, bool] = dataclasses.field(default_factory=dict)
    problems: list[str] = dataclasses.field(default_factory=list)
    layers: tuple[int, int] = (0, 0)
    blame: str = ""
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether all parts hold."""
        return all(self.parts.get(part, False) for part in PARTS)

    def fail(self, part: str, problem: str, blame: str = "") -> None:
        """Notes that a part does not hold."""
        self.parts[part] = False
        self.problems.append(f"{part}: {problem}")
        self.blame = self.blame or blame


def check(case: Case) -> Verdict:
    """Builds, runs and compares a case."""
    start = time.perf_counter()
    verdict = Verdict(case.data["id"], list(case.data.get("classes", [])))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if case.data.get("kind") == "error":
            _refusal(case, verdict)
        elif case.data.get("kind") == "train_steps":
            _steps(case, verdict)
        else:
            _replay(case, verdict)
    verdict.seconds = time.perf_counter() - start
    return verdict


def _network(case: Case) -> Network:
    data, net = case.data, case.net
    if data.get("loss_error"):
        labels = {name: entry.get("dim") for name, entry in data["extern_data"].items()}
        net = without_losses(net, data.get("default_target") or "classes", labels)
    if data["train_flag"] is False:
        net = without_losses_in_loops(net, data.get("default_target") or "classes")
    return Network(
        net,
        case.extern_data,
        behavior_version=data["behavior_version"],
        default_input=data.get("default_input") or "data",
        default_target=data.get("default_target") or "classes",
        reuse="legacy",
        padding="legacy",
    )


def without_losses(net: Any, target: str, labels: Mapping[str, int | None] = MappingProxyType({})) -> Any:
    """The dictionary without its losses, where RETURNN could build the layers and not the losses.

    Args:
      net: the dictionary.
      target: of losses that name none.
      labels: how many the targets have, as an output for CTC has one more.

    >>> without_losses({"a": {"class": "softmax", "loss": "ctc"}}, "classes", {"classes": 5})
    {'a': {'class': 'softmax', 'target': 'classes', 'is_output_layer': True, 'n_out': 6}}
    """
    if not isinstance(net, Mapping):
        return net
    left_out = ("loss", "loss_opts", "loss_scale", "L2", "darc1", "spatial_smoothing")
    found = {k: without_losses(v, target, labels) for k, v in net.items() if k not in left_out}
    if isinstance(net.get("loss"), str):
        found = {**_with_target(net, target), "is_output_layer": True, **found}
        found = {k: found[k] for k in dict.fromkeys([*(k for k in net if k in found), *found])}
        count = labels.get(found["target"]) if isinstance(found.get("target"), str) else None
        if net["loss"] == "ctc" and count is not None and not ("n_out" in net or "out_dim" in net):
            found["n_out"] = count + 1
    return found


def without_losses_in_loops(net: Any, target: str, inside: bool = False) -> Any:
    """The dictionary as RETURNN builds it when it knows that it will not train: with no losses inside of loops.

    >>> unit = {"p": {"class": "softmax", "loss": "ce"}}
    >>> without_losses_in_loops({"output": {"class": "rec", "unit": unit}}, "classes")["output"]["unit"]
    {'p': {'target': 'classes', 'class': 'softmax'}}
    """
    if not isinstance(net, Mapping):
        return net
    loop = net.get("class") == "rec" and isinstance(net.get("unit"), Mapping)
    found = {k: without_losses_in_loops(v, target, inside or (loop and k == "unit")) for k, v in net.items()}
    units = [v["unit"] for v in net.values() if isinstance(v, Mapping) and isinstance(v.get("unit"), Mapping)]
    for name in {n for unit in units for n in _read_for_losses(unit)}:
        if isinstance(found.get(name), Mapping):  # what such layers need from outside is there all the same
            found[name] = {**found[name], "is_output_layer": True}
    if inside and isinstance(net.get("loss"), str):
        found = {k: v for k, v in found.items() if k not in ("loss", "loss_opts", "loss_scale")}
        found = {**_with_target(net, target), **found}
    return found


def _with_target(entry: Mapping[str, Any], target: str) -> dict[str, str]:
    """The target that a loss asks for, which may say how many features the layer has."""
    return {} if entry["loss"] == "as_is" else {"target": target}


def _read_for_losses(unit: Mapping[str, Any]) -> Iterator[str]:
    """The layers outside of a loop that its layers with losses need."""
    todo = [n for n, entry in unit.items() if isinstance(entry, Mapping) and entry.get("loss")]
    seen: set[str] = set()
    while todo:
        name = todo.pop()
        if name not in seen and isinstance(unit.get(name), Mapping):
            seen.add(name)
            read = set(_strings(unit[name]))
            yield from (n.rpartition("base:")[2] for n in read if n.startswith("base:"))
            todo += [n.rpartition(":")[2].partition("/")[0] for n in read]


def _strings(value: Any) -> Iterator[str]:
    """All strings in it."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for of in value.values():
            yield from _strings(of)
    elif isinstance(value, (list, tuple)):
        for of in value:
            yield from _strings(of)


def _flags(case: Case) -> dict[str, Any]:
    data = case.data
    return {"train": data["train_flag"] is True, "losses": bool(data["eval_flag"]), "search": bool(data["search_flag"])}


def _refusal(case: Case, verdict: Verdict) -> None:
    """RETURNN refuses this network. So must we, unless it was a weakness of RETURNN's."""
    try:
        _network(case).plan(None, **_flags(case))
    except TenureError:
        refused = True
    except Exception as error:
        return verdict.fail("constructs", f"raises {type(error).__name__}: {error}", "error")
    else:
        refused = False
    if not refused and "returnn_weakness" not in case.data["flags"]:
        return verdict.fail(
            "constructs", f"is accepted; RETURNN says {case.data['expected_error']['message'][:200]!r}", "error"
        )
    verdict.parts.update(dict.fromkeys(PARTS, True))
    return None


def _steps(case: Case, verdict: Verdict) -> None:
    """The steps of an optimizer."""
    try:
        network = _network(case)
        verdict.parts["constructs"] = True
        problems = differences(network, case)
    except Exception as error:
        return _raised("constructs", error, verdict)
    verdict.parts.update(dict.fromkeys(PARTS, True))
    for problem in problems:
        verdict.fail("grads", problem)
    return None


def _replay(case: Case, verdict: Verdict) -> None:
    try:
        model = Model(_network(case), case)
    except Exception as error:
        return _raised("constructs", error, verdict)
    verdict.parts["constructs"] = True
    try:
        params, state = _parameters(case, model, verdict)
        result, new_state, grads = model.run(params, state)
    except Exception as error:
        return _raised("layers", error, verdict)
    _layers(case, result, verdict)
    _losses(case, result, verdict)
    _gradients(case, grads, verdict)
    _states(case, new_state, verdict)
    return None


def _raised(part: str, error: Exception, verdict: Verdict) -> None:
    text = str(error).strip().split("\n")[0]
    name = getattr(error, "layer", None) or _quoted(text)
    verdict.fail(part, f"{type(error).__name__}: {text}", name)


def _quoted(text: str) -> str:
    return text.split("(")[1].split(")")[0] if text.startswith("layer '") and "(" in text else ""


class Model:
    """A case's network, planned.

    Attributes:
      plan: of it.
    """

    def __init__(self, network: Network, case: Case):
        self.network, self.case = network, case
        self.flags = _flags(case)
        self.plan = network.plan(case.batch, **self.flags)

    def run(self, params: Any, state: Any) -> tuple[Result, Any, dict[str, np.ndarray]]:
        """Outputs, new state, and gradients by name."""
        batch = self.case.batch
        key = jax.random.key(0)
        wanted = set(self.case.data.get("grads") or {})

        def forward(chosen: Any) -> tuple[Any, Any]:
            merged = _merge(params, chosen)
            result, new = self.network.apply(merged, state, key, batch, layers=("*",), **self.flags)
            return jnp.asarray(result.objective, jnp.float32), (result, new)

        chosen = {m: {n: v for n, v in of.items() if f"{m}/{n}" in wanted} for m, of in params.items()}
        if not wanted or not any(chosen.values()):
            _, (result, new) = forward({})
            return result, new, {}
        grads, (result, new) = jax.grad(forward, has_aux=True)(chosen)
        return result, new, {f"{m}/{n}": np.asarray(v) for m, of in grads.items() for n, v in of.items()}


def _merge(params: Any, chosen: Any) -> Any:
    return {m: {**of, **chosen.get(m, {})} for m, of in params.items()}


def _parameters(case: Case, model: Model, verdict: Verdict) -> tuple[Any, Any]:
    """The recorded values as params and state, after comparing names and shapes."""
    recorded = {p["name"]: p for p in case.data.get("params", [])}
    params, state = model.network.init(jax.random.key(0), case.batch, **model.flags)
    verdict.parts["params"] = True
    asked: dict[str, tuple[int, ...]] = {}
    for tree in (params, state):
        for module, of in tree.items():
            for name, value in of.items():
                asked[f"{module}/{name}"] = tuple(np.shape(value))
    for name, shape in sorted(asked.items()):
        if name not in recorded:
            verdict.fail("params", f"{name} {shape} is not among RETURNN's", _owner_class(case, name))
        elif tuple(recorded[name]["shape"]) != shape:
            verdict.fail(
                "params", f"{name} has shape {shape}, not {tuple(recorded[name]['shape'])}", _owner_class(case, name)
            )
    for name, entry in sorted(recorded.items()):
        if name not in asked and not entry.get("preexisting") and not name.endswith(GENERATOR):
            verdict.fail("params", f"{name} {tuple(entry['shape'])} is missing", _owner_class(case, name))
    values = case.values()

    def fill(tree: Any) -> Any:
        return {m: {n: _as(values.get(f"{m}/{n}"), v) for n, v in of.items()} for m, of in tree.items()}

    return fill(params), fill(state)


def _as(value: np.ndarray | None, like: Any) -> Any:
    if value is None or tuple(value.shape) != tuple(np.shape(like)):
        return like
    return jnp.asarray(value, like.dtype)


def _owner_class(case: Case, name: str) -> str:
    layers = case.data.get("layers", {})
    for entry in layers.values():
        if name.startswith(entry.get("abs_name", "?") + "/"):
            return entry["class"]
    return ""


def _layers(case: Case, result: Result, verdict: Verdict) -> None:
    equal = total = 0
    verdict.parts.setdefault("layers", True)
    for name, entry in case.data.get("layers", {}).items():
        if entry.get("status") != "ok" or entry.get("inner") or entry.get("preset"):
            continue
        total += 1
        found = result.outputs.get(f"data:{case.data['default_input']}" if name == "data" else name)
        what = "is missing" if found is None else compare_output(case, entry, found, result.scores.get(name))
        equal += not what
        if what:
            verdict.fail("layers", f"{name} ({entry['class']}): {what}", entry["class"])
    verdict.layers = (equal, total)


def _losses(case: Case, result: Result, verdict: Verdict) -> None:
    verdict.parts.setdefault("losses", True)
    if case.data.get("loss_error"):
        return
    for name, entry in case.data.get("losses", {}).items():
        if entry.get("random"):
            continue
        found = result.losses.get(name)
        if found is None:
            verdict.fail("losses", f"{name} is missing", entry["class"])
            continue
        for part in ("loss", "error", "norm_factor"):
            _number(f"{name}.{part}", getattr(found, part), entry.get(part), entry["class"], verdict)
    if not any(entry.get("random") for entry in case.data.get("losses", {}).values()):
        for part, value in (
            ("loss", result.loss),
            ("constraints", result.constraints),
            ("objective", result.objective),
        ):
            _number(f"total_{part}", value, case.data.get(f"total_{part}"), "", verdict)


def _number(name: str, found: Any, expected: Any, blame: str, verdict: Verdict) -> None:
    if expected is None or isinstance(expected, Mapping):
        return
    if found is None:
        verdict.fail("losses", f"{name} is missing, not {expected}", blame)
        return
    value, wanted = np.asarray(found, np.float64), np.asarray(float(expected))
    if value.shape != () or same_values(value, wanted, 1e-4, 1e-5):
        verdict.fail("losses", f"{name} is {found}, not {expected}", blame)


def _gradients(case: Case, grads: Mapping[str, np.ndarray], verdict: Verdict) -> None:
    verdict.parts.setdefault("grads", True)
    if case.data.get("loss_error"):
        return
    for name, ref in (case.data.get("grads") or {}).items():
        expected = case.array(ref)
        if name not in grads:
            verdict.fail("grads", f"{name} is missing", _owner_class(case, name))
            continue
        value = grads[name].reshape(-1)[:: ref["stride"]] if "sample" in ref else grads[name]
        scale = max(1.0, float(np.max(np.abs(expected), initial=0.0))) if np.all(np.isfinite(expected)) else 1.0
        what = same_values(value, expected, 1e-3, 1e-4 * scale)
        if what:
            verdict.fail("grads", f"{name}: {what}", _owner_class(case, name))


def _states(case: Case, state: Any, verdict: Verdict) -> None:
    flat = {f"{m}/{n}": v for m, of in state.items() for n, v in of.items()}
    for name, ref in (case.data.get("state_changes") or {}).items():
        if name.endswith(GENERATOR):
            continue
        if name not in flat:
            verdict.fail("layers", f"the state {name} is missing", _owner_class(case, name))
            continue
        what = same_values(np.asarray(flat[name]), case.array(ref), 1e-3, 1e-4)
        if what:
            verdict.fail("layers", f"the state {name}: {what}", _owner_class(case, name))
