"""Ties on load: every file into every model (R31–R34), stages likewise, and the choices that an error offers."""

import numpy as np
import pytest

import tenure as tn
from tenure.checkpoints import errors
from tenure.core.errors import NoInverseError, TieValueError
from tests.checkpoints.models import equal
from tests.checkpoints.two_weights import CELLS, plan_of, saved, values

# file, model → what happens. "as saved": without a report; "embed", "head": filled; "checked": a second value was equal
TABLE = {
    ("tied", "tied"): "as saved",
    ("tied", "untied"): "filled head/w",
    ("tied", "reversed"): "filled head/w",
    ("equal", "tied"): "checked head/w",
    ("equal", "untied"): "as saved",
    ("equal", "reversed"): "checked embed/w",
    ("different", "tied"): TieValueError,
    ("different", "untied"): "as saved",
    ("different", "reversed"): TieValueError,
    ("owner", "tied"): "as saved",
    ("owner", "untied"): errors.ContentError,
    ("owner", "reversed"): "filled head/w",
    ("user", "tied"): "filled embed/w",
    ("user", "untied"): errors.ContentError,
    ("user", "reversed"): "as saved",
}
WITHOUT_INVERSE = {("user", "tied"): NoInverseError}


@pytest.mark.parametrize("view, file, model", CELLS)
def test_every_file_into_every_model(view, file, model, tmp_path):
    """The full matrix of R31–R34: right, or an error; never a guess, never silent."""
    embed, head = saved(view, file, tmp_path / "a")
    plan = plan_of(view, model)
    expected = WITHOUT_INVERSE.get((file, model)) if view == "slice" else None
    expected = expected or TABLE[file, model]
    if not isinstance(expected, str):
        with pytest.raises(expected) as caught:
            tn.restore(tmp_path / "a", plan)
        assert "embed/w" in str(caught.value) and "head/w" in str(caught.value)
        return
    found = tn.restore(tmp_path / "a", plan)
    for is_now, was in zip(values(plan, found.params), (embed, head)):
        assert was is None or np.array_equal(is_now, was)
    told = [f"{e.kind} {e.path}" for e in found.report.entries]
    assert told == ([] if expected == "as saved" else [expected])
    again = tn.transfer(plan, tn.restore(tmp_path / "a").params, old_plan=tn.restore(tmp_path / "a").ledger)
    assert equal(again.params, found.params) and again.report == found.report  # in memory likewise
