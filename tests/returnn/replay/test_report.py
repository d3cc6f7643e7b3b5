"""Which cases are in scope."""

from tenure.returnn.replay.report import out_of_scope


def test_scope():
    assert out_of_scope({"flags": ["train_steps"]}) == "train_steps"
    assert out_of_scope({"flags": ["search", "rec"]}) == ""
