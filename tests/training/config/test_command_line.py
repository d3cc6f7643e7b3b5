"""The command line of RETURNN."""

import pytest

from tenure.training.config.command_line import parse
from tenure.training.errors import ConfigError


@pytest.mark.parametrize(
    ("arguments", "values"),
    [
        (["++a", "1", "++b", "+-2"], [("a", "1"), ("b", "-2")]),
        (["-x", "eval", "-n5"], [("task", "eval"), ("num_epochs", "5")]),
        (["--task", "search", "--learning_rate=0.1"], [("task", "search"), ("learning_rate", "0.1")]),
        (["++a", "1", "-x", "eval"], [("task", "eval"), ("a", "1")]),  # what has a plus comes last, and counts
        (["--verbose", "5", "-z", "3"], [("log_verbosity", "5"), ("max_seqs", "3")]),
    ],
)
def test_options(arguments, values):
    found = parse(["a.config", "b.config", *arguments])
    assert found.files == ("a.config", "b.config") and list(found.values) == values


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["++a"], r"\+\+a needs a value"),
        (["++a", "-1"], r"written \+-1"),
        (["-x", "eval", "b.config"], "belongs to no option"),
        (["--taks", "eval"], "no option '--taks'"),
    ],
)
def test_what_cannot_be_read(arguments, says):
    with pytest.raises(ConfigError, match=says):
        parse(["a.config", *arguments])


def test_only_a_plus_before_a_minus_is_taken_away():
    assert parse(["c", "++a", "+-5", "++b", "+5"]).values == (("a", "-5"), ("b", "+5"))
