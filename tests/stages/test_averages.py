"""Running averages of weights."""

import numpy as np

import tenure as tn
from tenure import stages as st
from tests.stages.cases import TALL, model_of


def test_ema_is_used_in_evaluation_only():
    model = model_of(TALL, [st.EMA(0.9)], with_state=True)
    params, state = model.init(0)
    moved = {"~": {"w": params["~"]["w"] + 1}}
    out, state = model.apply(moved, state, None)
    np.testing.assert_array_equal(out, moved["~"]["w"])
    average, again = tn.evaluation(model).apply(moved, state, None)
    np.testing.assert_allclose(average, TALL + 0.1, rtol=1e-5)
    np.testing.assert_array_equal(again["~"]["w.ema.average"], average)
