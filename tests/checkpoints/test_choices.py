"""What a caller may choose where values differ."""

import numpy as np
import pytest

import tenure as tn
from tenure.core.errors import NoInverseError, TieValueError, UnknownSlotError
from tests.checkpoints.two_weights import X, plan_of, saved, two, values


@pytest.mark.parametrize("view", ["same", "transpose"])
def test_the_choices_that_the_error_offers(view, tmp_path):
    embed, head = saved(view, "different", tmp_path / "a")
    plan = plan_of(view, "tied")
    with pytest.raises(TieValueError, match=r"max\|Δ\| = 0.25") as caught:
        tn.restore(tmp_path / "a", plan)
    assert [w.split(":")[1].strip() for w in caught.value.ways[:2]] == ["take='embed/w'", "take='head/w'"]
    first, second = (tn.restore(tmp_path / "a", plan, take=t) for t in ("embed/w", "head/w"))
    assert np.array_equal(values(plan, first.params)[0], embed)
    assert np.array_equal(values(plan, second.params)[1], head)
    assert list(first.report.of("dropped")) == ["head/w"]
    assert list(second.report.of("filled")) == ["embed/w"]
    assert "tn.own" in caught.value.ways[2]
    untied = tn.restore(tmp_path / "a", tn.transform(two(view), ties={"head/w": tn.own}).plan(X))
    assert np.array_equal(untied.params["head"]["w"], head)
    with pytest.raises(UnknownSlotError, match="head/ww"):
        tn.restore(tmp_path / "a", plan, take="head/ww")


def test_the_borrowers_value_without_a_way_back(tmp_path):
    saved("slice", "different", tmp_path / "a")
    with pytest.raises(NoInverseError, match=r"slice\(1, 3\)"):
        tn.restore(tmp_path / "a", plan_of("slice", "tied"), take="head/w")
