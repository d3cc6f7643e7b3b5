"""The files of a log: a disk that is full stops no training."""

import io
from pathlib import Path

import pytest

from tenure.training.engine.log import Log
from tenure.training.errors import ConfigError

FULL = Path("/dev/full")  # a file that takes nothing


@pytest.mark.skipif(not FULL.exists(), reason="the system has no /dev/full")
def test_a_file_that_takes_no_more_is_told_once_and_left_alone(tmp_path):
    out = io.StringIO()
    log = Log(3, (FULL, tmp_path / "good"), out)
    log.say("one")
    log.say("two")
    log.close()
    log.say("three")
    assert out.getvalue().splitlines() == [
        "one",
        "no further lines go to the log '/dev/full': No space left on device",
        "two",
        "three",
    ]
    assert (tmp_path / "good").read_text() == "one\ntwo\n"


def test_a_log_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="the log '.*file/log' cannot be written: "):
        Log.from_config({"log": [str(tmp_path / "file" / "log")]})
