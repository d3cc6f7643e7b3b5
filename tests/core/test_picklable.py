"""What pickle cannot find is named, with the line where it was made."""

import copy
import pickle

import jax
import pytest

import tenure as tn
from tenure import haiku as hk
from tenure import nn
from tests.core.copied_models import X, tied


@pytest.mark.parametrize("front", [pytest.param(tn, id="tenure"), pytest.param(hk, id="haiku")])
def test_a_function_that_pickle_cannot_find_is_named(front):
    def local(x):
        return nn.Linear(3)(x)

    for function, named in ((local, "local"), (lambda x: x, "<lambda>")):
        with pytest.raises(tn.TenureError, match="pickle") as error:
            pickle.dumps(front.transform(function))
        assert named in str(error.value) and "test_picklable.py" in str(error.value) and "module" in str(error.value)
    assert copy.deepcopy(front.transform(local)).init(jax.random.PRNGKey(0), X)


def test_a_view_that_pickle_cannot_find_is_named():
    model = tn.transform_with_state(tied, ties={"head/b": tn.Ref.parse("embed/b") | (lambda b: b)})
    with pytest.raises(tn.TenureError, match="head/b"):
        pickle.dumps(model)
    with pytest.raises(tn.TenureError, match="head/b"):
        pickle.dumps(model.plan(X))
