"""No malformed tie, share, view string, path, reference, glob or JSON may raise anything but a `TenureError`, or take long."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tenure as tn
from tenure.core.errors import brief
from tenure.core.ledger.ledger import Ledger
from tenure.core.notation import paths, views
from tenure.core.notation.refs import Ref
from tests.core.error_models import Embed, Linear
from tests.core.views_strategies import references
from tests.seconds import spent

LONG = 5.0  # seconds of the processor; each call takes milliseconds
TOKENS = jax.ShapeDtypeStruct((2, 3), jnp.int32)


def profile(examples):
    return settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))


class Unprintable:
    def __repr__(self):
        raise RuntimeError("no")

    def __str__(self):
        raise RuntimeError("no")


class Hidden:
    """A value that hypothesis need not print, since some cannot be."""

    def __init__(self, value):
        self.value = value

    def __repr__(self):
        return f"Hidden({brief(self.value)})"


class Unhashable:
    __hash__ = None


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


def model(share=None):
    def run(tokens):
        embed = Embed(11, 4, name="embed")
        return Linear(11, name="head", share=share)(embed(tokens))

    return run


LEDGER = tn.transform(model({"w": "embed/w | transpose"})).plan(TOKENS).ledger
VALID = [
    "embed/w",
    "/embed/w | transpose",
    "head/b",
    "head/*",
    "embed/w | slice(0, 4, axis=1) | scale(0.5)",
    "embed/w | permute(1, 0) | cast('float32')",
    "embed/w | einops('(a b) d -> d (b a)', a=11)",
    "embed/w | reshape(4, -1) | concat('/embed/w | transpose', 'head/b', axis=0)",
    "embed/w | index(-1) | split(2, 0) | stop_gradient | constrain('x', None)",
    "**/w",
    '["slice", {"start": 0, "stop": 4, "axis": 1}]',
    '{"path": "/embed/w", "views": [["einops", {"pattern": "a b -> b a"}], ["transpose", {}]]}',
]
PIECES = [
    *"|/~*?@()[]{}'\",:=+-.\\ \t\n\0\x7f\ud800é中⟨⟩٣²_019aweh",
    "**",
    "//",
    " | ",
    "()",
    "None",
    "True",
    "1e999",
    "0x",
    "9" * 5000,
    "(" * 300,
    "[" * 3000,
    "-" * 300,
    "axis=",
    "lambda x: x",
    "'''",
    "#",
    "\r",
]


@st.composite
def mutated(draw, valid=VALID):
    """A valid string with a few characters put in, taken away or replaced."""
    text = draw(st.sampled_from(valid)) if isinstance(valid, list) else draw(valid)
    for _ in range(draw(st.integers(1, 4))):
        i = draw(st.integers(0, len(text)))
        j = draw(st.integers(i, min(len(text), i + 3)))
        piece = draw(st.sampled_from(["", "", *PIECES]))
        text = text[:i] + piece + text[j:]
    return text


EXTREMES = [0, 1, -1, 2, 3, 4, 11, 2**31, -(2**63), 2**63, 10**30, 1 << 20_000]
INTEGERS = st.integers(0, len(EXTREMES) - 1).map(lambda i: EXTREMES[i])  # the last one cannot be printed
ARGUMENTS = st.one_of(
    INTEGERS.map(hex), st.sampled_from(["0.5", "1e308", "-0.0", "1e-400", "None", "True", "'a'", "float32", "'int4'", "complex64", "[1, 0]", "()", "'head/b'", "'a b -> b a'", "1j", "{}", "'" + "x" * 5000 + "'"])
)  # fmt: skip
KEYWORDS = st.sampled_from(
    [
        "axis",
        "i",
        "n",
        "start",
        "stop",
        "to",
        "factor",
        "pattern",
        "a",
        "order",
        "sizes",
        "others",
        "spec",
        "self",
        "cls",
        "x",
    ]
)


@st.composite
def calls(draw):
    """A view's name with any arguments."""
    name = draw(st.sampled_from(sorted(n for n in views.registry if not n.startswith("test_"))))
    args = draw(st.lists(ARGUMENTS, max_size=3)) + [
        f"{k}={draw(ARGUMENTS)}" for k in draw(st.lists(KEYWORDS, max_size=2))
    ]
    return f"{name}({', '.join(args)})"


STRINGS = st.one_of(
    mutated(),
    mutated(references().map(str)),
    st.text(max_size=30),
    st.lists(calls(), min_size=1, max_size=3).map(lambda c: " | ".join(["embed/w", *c])),
    st.sampled_from(
        ["x" * 10**5, "a/" * 10**4 + "w", "a | transpose" * 3000, "*" * 10**4, "**/" * 3000, "(" * 10**5, "'" * 10**5]
    ),
)
ODD_VALUES = [
    None, True, 0, -1, 1 << 100_000, float("nan"), float("inf"), 1j, b"embed/w", b"\xff", (), [], {}, set(), object(), Unprintable(), Unhashable(), nested(100),
    nested(100_000), np.float32(1), np.zeros(3), np.array(["a"]), np.array(None), jnp.zeros((4, 11)), len, Linear, tn.own, tn.forbid, tn.views.Transpose(), tn.Ref("embed/w"),
    tn.Ref("a b"), ["embed", None], ["embed/w", 3], {"*": "embed"}, {"path": "embed/w"}, ["transpose", {}], ["index", {"i": 1 << 100_000}], Ellipsis, slice(3),
]  # fmt: skip
ODD = st.integers(0, len(ODD_VALUES) - 1).map(lambda i: ODD_VALUES[i])
ANYTHING = st.one_of(STRINGS, ODD).map(Hidden)
DATA = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        INTEGERS,
        st.floats(),
        STRINGS,
        st.sampled_from(["path", "views", "transpose", "index", "embed/w"]),
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.one_of(KEYWORDS, st.sampled_from(["path", "views", "rows"])), inner, max_size=3)
    ),
    max_leaves=6,
)


def survives(call, *args):
    """Calls; what is raised must be a TenureError with a message of a decent size. Returns None where it was."""
    results = []

    def attempt():
        try:
            results.append(call(*args))
        except tn.TenureError as e:
            assert len(str(e)) < 5000 and e.ways, "the message is short, and has a way out"
            results.append(None)

    assert spent(attempt, LONG) < LONG
    return results[0]


def check_strings(hidden):
    value = hidden.value
    ref = survives(Ref.parse, value)
    if isinstance(ref, Ref) and not isinstance(value, Ref):
        assert Ref.parse(str(ref)) == ref and Ref.from_json(ref.to_json()) == ref
    view = survives(views.parse, value)
    if view is not None:
        assert views.parse(str(view)) == view and views.View.from_json(view.to_json()) == view
        try:
            view.out((11, 4), jnp.dtype("float32"))
        except views.Misfit as e:
            assert str(e)
    survives(lambda: Ref("embed/w") | value)
    survives(views.as_view, value)


def check_json(hidden):
    value = hidden.value
    for read in (Ref.from_json, views.View.from_json, Ledger.from_json):
        survives(read, value)
        try:
            text = json.dumps(value)
        except (TypeError, ValueError, RecursionError):
            continue
        survives(read, text)
        survives(read, text[: len(text) // 2])


def check_questions(hidden):
    value = hidden.value
    ledger = LEDGER
    survives(paths.check, value)
    for question in (
        ledger.owner_of,
        ledger.owners_of,
        ledger.users_of,
        ledger.chain_of,
        ledger.__getitem__,
        ledger.select,
    ):
        survives(question, value)
    survives(ledger.mask, [value])
    if not callable(value):  # a rule of the user's own may raise what it likes
        survives(ledger.mask, value)
        survives(ledger.labels, value)
    survives(ledger.placement, value)
    survives(ledger.placement, {"first": value})
    if isinstance(value, str):
        survives(ledger.labels, {value: 1})


def check_plan(key, value):
    key, value = key.value, value.value
    for ties in (
        ({key: value}, {"head/w": value}, {"head/b": value, "embed/w": value}, {"head/*": value})
        if _hashable(key)
        else ()
    ):
        survives(lambda ties=ties: tn.transform(model(), ties=ties).plan(TOKENS))
    survives(lambda: tn.transform(model(), ties=value).plan(TOKENS))
    for share in ({"w": value}, {"*": value}, value, {key: value} if _hashable(key) else None):
        survives(lambda share=share: tn.transform(model(share)).plan(TOKENS))


def _hashable(value):
    try:
        hash(value)
    except TypeError:
        return False
    return True


@profile(300)
@given(ANYTHING)
def test_strings(value):
    check_strings(value)


@profile(150)
@given(st.one_of(DATA, ODD).map(Hidden))
def test_data(value):
    check_json(value)


@profile(150)
@given(ANYTHING)
def test_questions(value):
    check_questions(value)


@profile(25)
@given(ANYTHING, ANYTHING)
def test_plans(key, value):
    check_plan(key, value)


ROWS = json.loads(LEDGER.to_json())


@st.composite
def ledgers(draw):
    """A ledger's data in which something was replaced, added or taken away."""
    data = json.loads(json.dumps(ROWS))
    for _ in range(draw(st.integers(1, 2))):
        row = draw(st.sampled_from(data["rows"])) if draw(st.integers(0, 4)) else data
        key = draw(st.sampled_from([*row, "new"]))
        if draw(st.booleans()):
            row[key] = draw(DATA)
        else:
            row.pop(key, None)
        if (
            not isinstance(data.get("rows"), list)
            or not data["rows"]
            or not all(isinstance(r, dict) for r in data["rows"])
        ):
            break
    return Hidden(data)


def check_ledger(hidden):
    data = hidden.value
    ledger = survives(Ledger.from_json, data)
    if ledger is not None:
        assert Ledger.from_json(ledger.to_json()) == ledger
        survives(
            lambda: (
                str(ledger),
                repr(ledger),
                hash(ledger),
                ledger.count(),
                ledger.counts(),
                ledger.to_mermaid(),
                ledger.to_dot(),
                ledger.to_html(),
            )
        )
        for row in ledger.rows:
            survives(ledger.owner_of, row.path)
            survives(ledger.users_of, row.path)


@profile(150)
@given(ledgers())
def test_ledgers(data):
    check_ledger(data)


@pytest.mark.slow
def test_strings_for_longer():
    profile(5000)(given(ANYTHING)(check_strings))()


@pytest.mark.slow
def test_data_for_longer():
    profile(3000)(given(st.one_of(DATA, ODD).map(Hidden))(check_json))()


@pytest.mark.slow
def test_questions_for_longer():
    profile(3000)(given(ANYTHING)(check_questions))()


@pytest.mark.slow
def test_plans_for_longer():
    profile(300)(given(ANYTHING, ANYTHING)(check_plan))()


@pytest.mark.slow
def test_ledgers_for_longer():
    profile(3000)(given(ledgers())(check_ledger))()
