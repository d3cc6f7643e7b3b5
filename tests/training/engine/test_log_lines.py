import pytest

from tenure.training.engine import log_lines


@pytest.mark.parametrize(
    ("what", "pretraining", "start"),
    [
        ("train", False, "train epoch 3, finished after 7 steps"),
        ("train", True, "pretrain epoch 3, finished after 7 steps"),
        ("search", False, "epoch 3 search, finished after 7 steps"),
        ("forward", False, "epoch 3 forward, finished after 7 steps"),
        ("dev", False, "epoch 3 'dev' eval, finished after 7 steps"),
    ],
)
def test_the_end_of_a_pass(what, pretraining, start):
    line = log_lines.finished(3, what, 7, 3661.9, 0.256, pretraining)
    assert line == f"{start}, 1:01:01 elapsed (25.6% computing time)"


def test_the_start_of_an_epoch():
    assert log_lines.start_epoch(2, 0.001) == "start epoch 2 with learning rate 0.001 ..."
    assert log_lines.start_epoch(2, None, pretraining=True) == "start pretrain epoch 2 with learning rate None ..."


def test_scores_of_one_loss_stand_alone_and_those_of_several_by_name():
    assert log_lines.scores(0.5) == "0.5"
    assert log_lines.scores({"a": 0.5, "b": 1.0}) == "a 0.5 b 1.0"
