"""Ledgers of models that share in several ways, and rows made by hand."""

import re
from html.parser import HTMLParser

import jax
import jax.numpy as jnp
import pytest

import tenure as tn
from tenure.core.ledger.ledger import Ledger
from tenure.core.ledger.row import Row

EVIL = "<img/onerror=alert(1)>&\"'"


class Embed(tn.Module):
    def __init__(self, size, name=None):
        super().__init__(name=name)
        self.size = size

    def __call__(self, x):
        return tn.get_parameter("w", (self.size, 4), init=zeros)[x]


class Linear(tn.Module):
    def __init__(self, size, name=None):
        super().__init__(name=name)
        self.size = size

    def __call__(self, x):
        x = x @ tn.get_parameter("w", (x.shape[-1], self.size), init=zeros)
        return x + tn.get_parameter("b", (self.size,), init=zeros)


class Centre(tn.Module):
    def __call__(self, x):
        return x - tn.get_state("mean", (x.shape[-1],), init=zeros)


def zeros(shape, dtype):
    return jnp.zeros(shape, dtype)


def ledger_of(f, ties=None):
    return tn.transform_with_state(f, ties=ties or {}).plan(jax.ShapeDtypeStruct((2, 3), jnp.int32)).ledger


def translator(x):
    """The tie over two hops, beside a state."""
    source = Embed(11, name="source_embed")
    target = Embed(11, name="target_embed", share={"w": "source_embed/w"})
    head = Linear(11, name="output_prob", share={"w": "target_embed/w | transpose"})
    return head(Centre(name="centre")(source(x) + target(x)))


def deep(x):
    """A long path, and as many layers as make a fold."""
    with tn.name_scope("a_rather_long_name_of_a_model/with_an_encoder_of_many_layers"):
        y = Embed(3_000_000, name="embed")(x)
        for i in range(40):
            y = Linear(4, name=f"layer_{i}")(y)
    return y


def unshared(x):
    return Linear(5, name="head")(Embed(11, name="embed")(x))


def mixed(x):
    """A given slot and one who borrows it, a concatenation, a Python function as view."""
    y = Embed(5, name="first")(x) + Embed(6, name="second")(x)
    y += Embed(11, name="both", share={"w": "first/w | concat('second/w')"})(x)
    y = Linear(4, name="given", share={"w": jnp.ones((4, 4)) @ jnp.ones((4, 4))})(y)
    return Linear(4, name="half", share={"w": tn.Ref.parse("given/w") | (lambda w: w / 2), "b": "given/b"})(y)


def stacked(x):
    """One layer's weights in all layers: groups with many users."""
    y = Embed(11, name="embed")(x)
    for i in range(12):
        y = Linear(4, name=f"layer_{i}", share={"w": "layer_0/w", "b": "layer_0/b"} if i else {})(y)
    return y


MODELS = [translator, deep, unshared, mixed, stacked]
LEDGERS = {f.__name__: ledger_of(f) for f in MODELS} | {"empty": Ledger([])}


def of_all(test):
    return pytest.mark.parametrize("ledger", LEDGERS.values(), ids=LEDGERS)(test)


def owned(path, shape=(2,), **fields):
    return Row(path, "owned", "params", shape, "float32", (path,), (path,), **fields)


def borrowed(path, lender, view="", shape=(2,), **fields):
    return Row(path, "borrowed", "params", shape, "float32", (lender,), (path, lender), borrows=lender + view, **fields)


class Page(HTMLParser):
    """The page's tags with their attributes, its visible text, and its lines."""

    def __init__(self, ledger, title="Ledger"):
        super().__init__()
        self.source, self.tags, self.slots, self.text, self.raw = ledger.to_html(title), [], [], [], ""
        self.feed(self.source)
        self.close()

    def handle_starttag(self, tag, attributes):
        fields = dict(attributes)
        self.tags.append((tag, fields))
        self.raw = tag if tag in ("style", "script") else ""
        if "slot" in (fields.get("class") or "").split():
            self.slots.append(fields)

    def handle_endtag(self, tag):
        self.raw = ""

    def handle_data(self, data):
        if not self.raw:
            self.text.append(data)

    def element(self, pattern):
        return re.findall(pattern, self.source, re.DOTALL)


def cores(x):
    """48 layers with three parameters each, one of them borrowed from outside, and one within."""
    y = Embed(11, name="embed")(x)
    shared = Linear(4, name="shared")
    y = shared(y)
    for i in range(48):
        with tn.name_scope(f"block_{i}"):
            y = Linear(4, name="a", share={"w": "/shared/w"})(y)
            y = Centre(name="centre")(Linear(4, name="b", share={"w": f"/block_{i}/a/w | transpose"})(y))
    return Linear(4, name="head", share={"w": "/block_7/b/w"})(y)


CORES = ledger_of(cores)
