"""What commands on files of weights share."""

import argparse

import numpy as np
import pytest

from tenure import convert
from tenure.cli import files


def given(*arguments):
    parser = argparse.ArgumentParser()
    files.reading(parser, "file")
    files.mapping(parser)
    return parser.parse_args([*map(str, arguments)])


def test_files_are_read_as_the_arguments_say(tmp_path):
    np.savez(tmp_path / "w", a=np.ones(2))
    (tmp_path / "w.npz").rename(tmp_path / "w.odd")
    asked = given(tmp_path / "w.odd", "--from", "npz", "--max-bytes", 10_000)
    assert files.read(asked.file, asked)["a"].tolist() == [1, 1]


def test_rules_are_read_and_turned_round(tmp_path):
    (tmp_path / "rules.toml").write_text('[rules]\n"theirs | transpose" = "ours/w"\n')
    weights = convert.Weights("w", "test", {"theirs": convert.held(np.ones((2, 3)))})
    assert files.rules(given("w")) is None
    there = convert.apply(weights, files.rules(given("w", "--map", tmp_path / "rules.toml")))
    back = convert.apply(there, files.rules(given("w", "--map", tmp_path / "rules.toml", "--reverse")))
    assert there["ours/w"].shape == (3, 2) and back["theirs"].shape == (2, 3)
    with pytest.raises(convert.MapError, match="there are none"):
        files.rules(given("w", "--reverse"))


@pytest.mark.parametrize(("count", "said"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (2**50, "1024.0 TiB")])
def test_sizes_for_people(count, said):
    assert files.size(count) == said
