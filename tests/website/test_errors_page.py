"""The page of errors has a section for each, and shows what its examples print."""

import importlib
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import tenure as tn

PAGE = Path(__file__).parents[2] / "docs" / "errors.md"


def all_errors():
    for module in pkgutil.walk_packages(tn.__path__, "tenure."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found, front = set(), [tn.TenureError]
    while front:
        front += front.pop().__subclasses__()
        found |= {cls for cls in front if cls.__module__.startswith("tenure.")}
    return {cls.__name__ for cls in found if not cls.__name__.startswith("_")}


def test_every_error_has_a_section():
    headings = re.findall(r"^## (.*)$", PAGE.read_text(encoding="utf-8"), re.M)
    assert {name for heading in headings for name in heading.split(", ")} == all_errors()


def test_each_example_is_one_of_its_heading():
    sections = re.findall(r"^## (.*?)$(.*?)(?=^## |\Z)", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    assert len(sections) > 70
    for heading, section in sections:
        shown = section.partition("```text\n")[2]
        raised = re.match(r"(\w+(?:Error|Stopped)):", shown)
        assert shown and (raised is None or raised[1] in heading.split(", ")), heading


def test_each_example_prints_what_is_shown():
    """In a process of its own, as messages list what views, stages and layers there are."""
    paths = os.pathsep.join([str(PAGE.parents[1] / "src"), str(PAGE.parents[1])])
    environment = {**os.environ, "PYTHONPATH": paths, "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-m", "website.outputs", str(PAGE)]
    said = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert said.returncode == 0, said.stdout + said.stderr
