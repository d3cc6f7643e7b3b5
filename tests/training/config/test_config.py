"""A config: typed values, texts, and the ways to read them."""

import pytest

from tenure.training.config.config import Config
from tenure.training.errors import ConfigError

CONFIG = Config(
    {"n": 3, "x": 0.5, "list": [1, 2], "none": None, "pair": (4, 5), "flag": True, "text": "7"},
    {"n": ["9"], "many": ["1", "2"], "yes": ["yes"], "chunks": ["50:25"], "word": ["abc"]},
)


def test_typed_values_come_first():
    assert CONFIG.int("n") == 3 and CONFIG.value("n") == "3" and CONFIG["n"] == 3
    assert CONFIG.float("x") == 0.5 and CONFIG.float("text") == 7.0
    assert CONFIG.typed_value("list", index=1) == 2 and CONFIG.value("list") == "1,2"
    assert CONFIG.int("none", 1) is None and CONFIG.value("none", "default") == "default"
    assert CONFIG.is_typed("n") and not CONFIG.is_typed("many") and CONFIG.is_of_type("list", list)


def test_texts_are_read_as_they_are_asked_for():
    assert CONFIG.int_list("many") == [1, 2] and CONFIG.float_list("many") == [1.0, 2.0]
    assert CONFIG.int("many", index=1) == 2 and CONFIG.bool("yes") is True and CONFIG.is_true("flag")
    assert (
        CONFIG.int_pair("chunks") == (50, 25) and CONFIG.int_pair("pair") == (4, 5) and CONFIG.int_pair("n") == (3, 3)
    )
    assert CONFIG.bool_or_other("word") == "abc" and CONFIG.bool_or_other("yes") is True
    assert CONFIG.list("word") == ["abc"] and CONFIG.list("missing") == [] and CONFIG.get("missing", 1) == 1


@pytest.mark.parametrize(
    "ask",
    [
        lambda c: c.int("word"),
        lambda c: c.bool("word"),
        lambda c: c.int("x"),
        lambda c: c.int_pair("list3"),
        lambda c: c.int_list("text"),
    ],
)
def test_what_a_value_is_not(ask):
    config = Config({**CONFIG.typed, "list3": [1, 2, 3]}, CONFIG.texts)
    with pytest.raises(ConfigError, match="the key '"):
        ask(config)


def test_who_asked_is_known():
    config = Config({"a": 1})
    config.int("b", 2)
    assert "c" not in config.asked and "b" in config.asked and not config.has("c")
    with pytest.raises(KeyError):
        config["c"]
