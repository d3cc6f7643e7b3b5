"""Values of keys that are of another kind than the key takes."""

import numpy as np
import pytest

from tenure.training.config.config import Config
from tenure.training.config.keys import check_keys
from tenure.training.engine.settings import values
from tenure.training.errors import ConfigError

WRONG = {
    "num_epochs": ["abc", 2.5, float("inf")],
    "random_seed": ["abc"],
    "accum_grad_multiple_step": [[1]],
    "reset_updater_vars_mod_step": ["x", 2.5],
    "learning_rate": ["x", [0.1], float("nan")],
    "gradient_noise": ["x"],
    "batch_size": ["many", {"data": "many"}],
    "max_seq_length": ["x"],
    "eval_datasets": [[1], "dev"],
    "learning_rates": [3, "0.1", [0.1, "a"], {1: "a"}],
    "extern_data": [["data"], "data"],
    "model": [3, {"a": 1}],
    "log": [3],
    "cleanup_old_models": ["x"],
    "momentum2": ["x"],
    "batches_in_flight": ["two", 1.5, 0, -1],
    "search_train_network_layers": [3, [3], {"output": 1}],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_value_of_another_kind_is_an_error(name, value):
    with pytest.raises(ConfigError, match=f"^{name} is "):
        check_keys(Config({name: value}))


def test_a_dim_of_a_stream_is_a_whole_number():
    with pytest.raises(ConfigError, match="the 'dim' of 'data' in extern_data is '40', and no whole number"):
        check_keys(Config({"extern_data": {"data": {"dim": "40"}}}))
    check_keys(Config({"extern_data": {"data": {"dim": 40}, "raw": {"shape": (None,), "dim": None}}}))


def test_values_that_configs_give_are_taken():
    good = {
        "num_epochs": np.int64(3),
        "learning_rate": np.float32(0.1),
        "max_seqs": float("inf"),
        "gradient_clip": 0,
        "batches_in_flight": 2,
    }
    good |= {"batch_size": {"data": 100, "classes": 20}, "max_seq_length": None, "eval_datasets": {}, "rmsprop": True}
    good |= {"search_train_network_layers": ["output"], "momentum2": 0.9}
    good |= {"learning_rates": list(np.linspace(0.1, 0.2, 3)), "preload_from_files": {}, "random_seed": 3.0}
    check_keys(Config(good))
    check_keys(Config({}, {"num_epochs": ["3"], "learning_rate": ["1e-3"], "learning_rates": ["0.1", "0.2"]}))
    with pytest.raises(ConfigError, match="num_epochs is 'three', and no whole number"):
        check_keys(Config({}, {"num_epochs": ["three"]}))


def test_numbers_as_texts_are_numbers_and_names_of_files_are_none():
    typed = {"num_epochs": "3", "learning_rate": "1e-3", "max_seqs": "inf", "learning_rates": "{3: 0.5}", "target": "7"}
    config = Config(
        typed,
        {
            "model": ["2024"],
            "search_output_file": ["5"],
            "load": ["12"],
            "tf_log_dir": ["None"],
            "random_seed": ["007"],
        },
    )
    check_keys(config)
    found = values(config)
    assert [found[key] for key in typed] == [3, 1e-3, float("inf"), {3: 0.5}, "7"]
    assert [found[key] for key in config.texts] == ["2024", "5", "12", None, 7]


def test_options_with_a_comma_after_them():
    """Python reads a tuple of one."""
    config = Config({"cleanup_old_models": ({"keep_last_n": 3},)})
    check_keys(config)
    assert values(config)["cleanup_old_models"] == {"keep_last_n": 3}
