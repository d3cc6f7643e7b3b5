"""The package as others get it: metadata, the source distribution, names for completion."""

import pathlib
import re
import tarfile
import tomllib
from email import message_from_bytes

import tenure as tn

ROOT = pathlib.Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_metadata_name_versions_and_places():
    versions = {c.rpartition(" ")[2] for c in PROJECT["classifiers"] if ":: Python :: 3." in c}
    assert versions == {"3.11", "3.12", "3.13"} and PROJECT["requires-python"] == ">=3.11"
    assert {"Homepage", "Documentation", "Repository", "Issues", "Changelog"} <= set(PROJECT["urls"])
    assert all(url.startswith("https://") for url in PROJECT["urls"].values())


def test_the_source_distribution_has_what_make_test_needs(tmp_path):
    from hatchling.builders.sdist import SdistBuilder

    archive = next(iter(SdistBuilder(str(ROOT)).build(directory=str(tmp_path))))
    with tarfile.open(archive) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
        info = message_from_bytes(tar.extractfile(next(m for m in tar if m.name.endswith("PKG-INFO"))).read())
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    needed = {
        "Makefile",
        "pyproject.toml",
        "README.md",
        "LICENSE",
        ".ci/run",
        "conftest.py",
        *re.findall(r"[\w.]+\.txt", makefile),
    }
    for folder in ("src", "tests", "examples", "benchmarks", "docs"):
        files = [p.relative_to(ROOT) for p in (ROOT / folder).rglob("*") if p.is_file()]
        needed |= {p.as_posix() for p in files if "__pycache__" not in p.parts}
    assert needed - names == set()
    assert not re.search(r"\]\((?!https?:|#)", info.get_payload()), "links in the description are absolute"


def test_completion_shows_what_is_imported_later():
    assert {"network", "haiku", "convert", "save", "restore", *tn.__all__} <= set(dir(tn))
    assert tn.haiku.Linear is tn.nn.Linear and callable(tn.network)
