"""A config's values as the engine takes them."""

from tenure.training.config.config import Config
from tenure.training.engine.settings import evaluation_sets, named, values


def test_texts_are_read_as_python_where_they_can_be_and_typed_values_count():
    texts = {"a": ["3"], "b": ["[1, 2]"], "c": ["x y"], "d": ["1", "2"], "model": ["007"], "e": ["5"]}
    found = values(Config({"e": "typed"}, texts))
    assert found == {"a": 3, "b": [1, 2], "c": "x y", "d": [1, 2], "model": "007", "e": "typed"}


def test_sets_by_their_names():
    config = {"dev": {"class": "A"}, "eval": None, "eval_datasets": {"more": {"class": "B"}}, "{x": 1}
    assert evaluation_sets(config) == {"dev": {"class": "A"}, "more": {"class": "B"}}
    assert named(config, "dev") == {"class": "A"} == named(config, "config:dev")
    assert named(config, "other") == "other" and named(config, {"class": "C"}) == {"class": "C"}
    assert named(config, "{x") == "{x"
