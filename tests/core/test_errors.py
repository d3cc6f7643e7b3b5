"""R43: every error names the rule, both parties with path, shape and line, the nearest names, and ways out.

Each message is compared with a file under snapshots/; `TENURE_UPDATE_SNAPSHOTS=1` rewrites them.
"""

import copy
import inspect
import os
import pathlib
import pickle

import jax
import pytest

from tenure.core import errors
from tenure.core.notation.view import registry
from tests.core.error_models import CASES

SNAPSHOTS = pathlib.Path(__file__).parent / "snapshots"


def raised(name, tmp_path, monkeypatch):
    for view, cls in [*registry.items()]:
        if cls.__module__ != "tenure.core.notation.views":  # other tests' views, which messages would list
            monkeypatch.delitem(registry, view)
    monkeypatch.chdir(tmp_path)  # lines are shown as 'error_models.py:12', wherever the tests run
    error, function = CASES[name]
    with pytest.raises(error) as caught:
        function()
    assert type(caught.value) is error, "the very type, not another one under it"
    return caught.value


@pytest.mark.parametrize("name", CASES)
def test_snapshot(name, tmp_path, monkeypatch):
    error = raised(name, tmp_path, monkeypatch)
    message = f"{type(error).__name__}: {error}\n"
    snapshot = SNAPSHOTS / f"{name}.txt"
    if os.environ.get("TENURE_UPDATE_SNAPSHOTS") == "1":
        snapshot.write_text(message, encoding="utf-8")
    assert message == snapshot.read_text(encoding="utf-8")


def test_no_snapshot_without_its_case():
    assert {path.stem for path in SNAPSHOTS.glob("*.txt")} == set(CASES)


NEEDS_NO_PARTY = {  # mistakes in one place: a string, a name, a question to the ledger
    "adapter_that_there_is_not",
    "label_for_nothing",
    "mask_of_a_stage_that_keeps_nothing",
    "opaque_as_data",
    "opaque_from_its_print",
    "owner_of_a_concat",
    "owner_of_an_unknown_slot",
    "reference_as_value",
    "reference_indexed_with_a_list",
    "mask_of_half_the_params",
    "sharding_of_an_unknown_axis",
    "sharding_over_an_unknown_mesh_axis",
    "view_registered_under_a_name_that_is_taken",
}


@pytest.mark.parametrize("name", CASES)
def test_names_a_line_and_a_way_out(name, tmp_path, monkeypatch):
    error = raised(name, tmp_path, monkeypatch)
    assert error.ways and all(error.ways)
    assert name in NEEDS_NO_PARTY or any("error_models.py:" in party.site for party in error.parties)
    assert " at 0x" not in str(error) and "\n\n" not in str(error)
    assert max(map(len, str(error).split("\n"))) < 240


def test_every_type_of_error_has_a_snapshot():
    types = {t for t in vars(errors).values() if inspect.isclass(t) and issubclass(t, errors.TenureError)}
    assert types - {error for error, _ in CASES.values()} == set(), "each error of its own type, each with a snapshot"


def test_errors_are_value_errors_with_one_base():
    for error, _ in CASES.values():
        assert issubclass(error, errors.TenureError) and issubclass(error, ValueError)
        assert error.__doc__


def test_errors_can_be_pickled_and_copied(tmp_path, monkeypatch):
    error = raised("shape_lacks_transpose", tmp_path, monkeypatch)
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert str(again) == str(error) and again.parties == error.parties and again.ways == error.ways


class Unprintable:
    def __repr__(self):
        raise RuntimeError("no")


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


def test_brief_shows_anything():
    for value in (
        Unprintable(),
        1 << 100_000,
        nested(100_000),
        "x" * 10**6,
        lambda: 0,
        object(),
        b"\0",
        "\ud800",
        float,
        jax.numpy.float32,
    ):
        shown = errors.brief(value, 50)
        assert 0 < len(shown) <= 50 and " at 0x" not in shown


def test_nearest_is_fast_on_a_long_name():
    assert errors.nearest("embed/w" * 10**5, ["embed/w"] * 10) in ([], ["embed/w"])
    assert errors.nearest("embd/w", ["embed/w", "head/b"]) == ["embed/w"]
    assert errors.nearest("bv", ["fw", "bw", "output"]) == ["bw"]


def test_the_message_of_an_error_without_parties():
    assert str(errors.TenureError("a rule")) == "a rule"
    assert (
        str(errors.TenureError("a rule", near=["a", "b"], ways=["x", "y"]))
        == "a rule\n  nearest names: a, b\n  1. x\n  2. y"
    )
