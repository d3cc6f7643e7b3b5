"""The page of errors has a section for each, and shows what its examples print."""

import importlib
import pkgutil
import re
from pathlib import Path

import tenure as tn
from website import outputs

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


def test_each_example_prints_what_is_shown_and_is_an_example_of_its_heading():
    text = PAGE.read_text(encoding="utf-8")
    headings = re.findall(r"^## (.*)$", text, re.M)
    ran = list(outputs.blocks(PAGE))[1:]
    assert len(ran) == len(headings)
    for heading, block in zip(headings, ran):
        assert outputs.problem(block) == ""
        raised = block.printed.partition(":")[0]
        assert raised in heading.split(", ") or not re.match(r"\w+(Error|Stopped)$", raised), heading
