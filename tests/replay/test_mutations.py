"""A wrong dictionary fails at once, with an error that names the layer."""

import functools
import warnings

import pytest
from hypothesis import HealthCheck, given, settings

from tenure import TenureError
from tenure.network.model import Network
from tenure.returnn.replay import load
from tests.replay.cases import FOLDER, in_scope
from tests.replay.mutations import mutated
from tests.seconds import spent

SECONDS = 2.0
SMALL = 40  # dictionaries with more layers are left out: time is for many of them


@functools.cache
def recorded():
    """The cases, which no worker reads but the one whose test this is."""
    found = []
    for row in in_scope():
        case = load(FOLDER / row["file"])
        if len(case.data["net_dict"]) <= SMALL:
            found.append((case.net, case.extern_data, case.data))
    return found


@functools.cache
def nets():
    return [net for net, *_ in recorded()] or [{}]


def build(index, net):
    _, inputs, data = recorded()[index]
    flags = {"train": data["train_flag"] is True, "losses": bool(data["eval_flag"])}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Network(net, inputs, behavior_version=data["behavior_version"]).plan(None, **flags)


def names(net):
    for key, value in net.items():
        yield str(key)
        if isinstance(value, dict):
            yield from names(value)


def failure(index, net):
    """Builds the dictionary. Returns the error of Tenure's that it raises, or None."""
    try:
        build(index, net)
    except TenureError as error:
        return error


def attempt(index, net):
    """Builds the dictionary; what is wrong with the way in which it failed, or ""."""
    recorded()  # reading the cases is none of the dictionary's time
    said = []
    seconds = spent(lambda: said.append(failure(index, net)), SECONDS)
    if seconds > SECONDS:
        return f"took {seconds:.1f} s"
    failed = said[0]
    if failed is None or "the network has no layer" in str(failed) or not isinstance(net, dict):
        return ""
    said = str(failed)
    return "" if any(f"'{n}" in said or f"{n}'" in said for n in names(net)) else f"names no layer: {said}"


def check(example):
    problem = attempt(*example)
    assert not problem, problem


COMMON = {"deadline": None, "suppress_health_check": list(HealthCheck), "derandomize": True}


@settings(max_examples=60, **COMMON)
@given(mutated(nets))
def test_some(example):
    check(example)


@pytest.mark.slow
@settings(max_examples=10_000, **COMMON)
@given(mutated(nets))
def test_many(example):
    check(example)
