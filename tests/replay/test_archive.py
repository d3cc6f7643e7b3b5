"""The repository's own cases: all that occurs in the folder beside it, in few bytes."""

import json

import pytest

from tenure.network import registry
from tests.replay import archive
from tests.replay.cases import BESIDE, WHOLE


def occurring(folder):
    rows = json.loads((folder / "index.json").read_text())
    nets = (json.loads((folder / row["file"]).read_text())["net_dict"] for row in rows)
    return set().union(*(archive.features(row, net) for row, net in zip(rows, nets, strict=True)))


def test_its_size():
    assert archive.ARCHIVE.stat().st_size <= archive.LIMIT


def test_it_has_most_classes():
    found = {feature[1] for feature in occurring(archive.unpacked()) if feature[0] == "class"}
    assert len(found & set(registry.load())) > 90


@pytest.mark.skipif(not WHOLE, reason="no recorded cases beside the repository")
def test_all_that_occurs_beside_the_repository_occurs_in_it():
    assert occurring(archive.unpacked()) == occurring(BESIDE)
