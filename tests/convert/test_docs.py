"""Every block of docs/converting.md runs from top to bottom, and prints what the page shows."""

import contextlib
import io
import pathlib
import re
import shlex

from tenure.cli import main
from tenure.convert import Rules

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "converting.md"


def test_the_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {"__name__": "docs"}
    printed, compared = "", 0
    for language, block in re.findall(r"^```(\w+)\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.S | re.M):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            if language == "python":
                exec(compile(block, str(PAGE), "exec"), names)
            elif language == "toml":
                path = tmp_path / block.partition("\n")[0].removeprefix("# ")
                path.write_text(block, encoding="utf-8")
                Rules.read(path)
            elif language == "sh":
                for line in block.splitlines():
                    assert main(shlex.split(line)[1:]) == 0, line
            else:
                assert language == "text" and block == printed
                compared += 1
        printed = out.getvalue()
    assert compared == 3
