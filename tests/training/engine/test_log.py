"""Where a training says what it does."""

import io

from tenure.training.engine.log import Log


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


def test_a_line_that_changes_is_for_terminals_and_gone_before_the_next(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    out = Terminal()
    log = Log(3, out=out)
    log.status("10 %")
    log.say("done")
    assert out.getvalue() == "\r\033[K10 %\r\033[Kdone\n"
    assert not Log(5, out=Terminal()).live and not Log(3, out=io.StringIO()).live
