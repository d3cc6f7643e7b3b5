"""Globs of paths → stages: which rule counts, and what an outer one does to an inner one."""

import numpy as np
import pytest

import tenure as tn
from tests.core.staged_models import seen, two


def test_r22_globs_select_owners_only():
    model = tn.transform(two(), stages={"**/w": ["noise(0.1)"]})
    _, first, second = seen(model)
    np.testing.assert_array_equal(first, second.T)
    assert [r.stages for r in model.plan().ledger.rows] == [("noise(0.1)",), ()]
    with pytest.raises(tn.errors.RuleError, match="which is borrowed"):
        tn.transform(two(), stages={"second/w": ["noise(0.1)"]}).plan()
    with pytest.raises(tn.errors.UnusedStageError, match="select nothing"):
        tn.transform(two(), stages={"third/**": ["noise(0.1)"]}).plan()


def test_outer_stages_add_to_inner_ones_replace_those_of_one_name_and_can_forget():
    def stages_of(outer, inner=("noise(0.1)",)):
        model = tn.transform(two(owner=list(inner)), stages={"first/w": outer})
        return model.plan().ledger["first/w"].stages

    assert stages_of(["weight_norm"]) == ("weight_norm", "noise(0.1)")
    assert stages_of(["noise(0.3)"]) == ("noise(0.3)",)
    assert stages_of([None, "dropout(0.1)"]) == ("dropout(0.1)",)
    assert stages_of([None]) == ()
    notes = tn.transform(two(owner=["noise(0.1)"]), stages={"first/w": ["noise(0.3)"]}).plan().ledger["first/w"].notes
    assert notes == ("stages= overrides 'noise(0.1)' with 'noise(0.3)'",)


def test_the_first_glob_that_matches_counts():
    model = tn.transform(two(share=None), stages={"first/w": [], "**/w": ["noise(0.1)"]})
    assert [r.stages for r in model.plan().ledger.rows] == [(), ("noise(0.1)",)]
