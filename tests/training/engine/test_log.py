"""Where a training says what it does; a disk that is full stops no training."""

import io
from pathlib import Path

import pytest

from tenure.training.engine.log import Log
from tenure.training.errors import ConfigError

FULL = Path("/dev/full")  # a file that takes nothing


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_lines_go_to_the_output_and_the_files_of_their_verbosity(tmp_path):
    out = io.StringIO()
    log = Log.from_config({"log": [f"{tmp_path}/logs/a", "name"], "log_verbosity": [2, 4]})
    assert log.verbosity == 4
    log._out = out
    log.say("told", 4)
    log.say("not told", 5)
    for file in log._files:
        file.close()
    assert out.getvalue() == "told\n" == (tmp_path / "logs" / "a").read_text()
    log.close()


def test_a_line_that_changes_is_for_terminals_and_gone_before_the_next(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    out = Terminal()
    log = Log(3, out=out)
    log.status("10 %")
    log.say("done")
    assert out.getvalue() == "\r\033[K10 %\r\033[Kdone\n"
    assert not Log(5, out=Terminal()).live and not Log(3, out=io.StringIO()).live


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
