"""Config files: which there are, and what JSON with comments holds."""

import warnings

import pytest

from tenure.training.config import from_command_line
from tenure.training.errors import ConfigError
from tests.training.config.written import config_of


def test_a_missing_file_names_what_is_there(tmp_path):
    (tmp_path / "lstm.config").write_text("task train\n")
    with pytest.raises(ConfigError, match=r"no config file(.|\n)*lstm.config"):
        from_command_line([str(tmp_path / "lstn.config")])


def test_json_has_comments_and_typed_values(tmp_path):
    config = config_of(tmp_path, '{// lr\n"lr": 0.5, "page": "http://x", "n": null}', "++lr", "2")
    assert (config.typed["lr"], config.typed["page"], config.typed["n"]) == (2, "http://x", None)
    assert config_of(tmp_path, '// of 2016\n{"lr": 0.5}').typed["lr"] == 0.5


def test_a_value_that_is_no_python_is_a_text_in_the_place_of_a_typed_one(tmp_path):
    (tmp_path / "c").write_text("#!rnn.py\nchunking = None\nrate = 0.5\n")
    with pytest.warns(UserWarning, match="so it is a text"):
        config = from_command_line([str(tmp_path / "c"), "++chunking", "50:25", "++rate", "0.25"])
    assert config.typed["chunking"] == "50:25" and config.typed["rate"] == 0.25
    with pytest.raises(ConfigError, match="no Python"):
        from_command_line([str(tmp_path / "c"), "++rate", "abc"])


def test_python_without_its_first_line_is_told(tmp_path):
    with pytest.warns(UserWarning, match=r"looks like Python: .* #!rnn.py, or name it 'c.py'"):
        assert config_of(tmp_path, "task = train\nbatch_size = 5\n").texts["batch_size"] == ["= 5"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert config_of(tmp_path, "task train\nbatch_size 5\n").texts["batch_size"] == ["5"]
