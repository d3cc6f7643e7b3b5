"""Whatever stands in `stages=` is a stage or an error of Tenure's."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as some

import tenure as tn
from tests.core.staged_models import FORMS, FREE, KEY, STOCHASTIC, owner_and_users

ANYTHING = some.recursive(
    some.none()
    | some.booleans()
    | some.integers()
    | some.floats()
    | some.text(max_size=8)
    | some.sampled_from(FORMS + FREE),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=4), inner, max_size=2),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(ANYTHING, some.sampled_from(["owner/w", "**/w", "u0/w", "/", "w@", "**"]))
def test_whatever_stands_in_stages_builds_or_is_a_tenure_error(stages, key):
    try:
        tn.transform(lambda: owner_and_users([], [""]), stages={key: stages}).plan()
    except tn.TenureError as e:
        assert e.ways


@settings(max_examples=60, deadline=None)
@given(some.lists(some.sampled_from(FORMS + FREE + STOCHASTIC + ["standardise", "quantise(packed=True)"]), max_size=4))
def test_any_list_of_stages_works_or_is_a_tenure_error(stages):
    model = tn.transform(lambda: owner_and_users(stages, [" | transpose"]))
    try:
        params = model.init(0)
    except tn.TenureError as e:
        assert e.ways
        return
    first, second = model.apply(params, KEY)
    np.testing.assert_array_equal(first.T, second)
