"""Compiled programs: known shapes ahead of time, others when they come."""

import re

from tests.training.engine.padded import lines, run, sequences


def test_known_shapes_are_compiled_ahead_the_largest_first(tmp_path):
    data = {"class": "StaticDataset", "data": sequences(40)}
    _, log = run(tmp_path / "run", batching="default", train=data)
    known = [tuple(map(int, found)) for found in lines(log, "training of")]
    cells = [rows * (a + b) for rows, a, b in known]
    assert 1 < len(known) <= 8 and cells == sorted(cells, reverse=True)
    assert lines(log, "evaluation of") and not lines(log, "a new shape")
    assert re.search(r"compiled training of .*: [\d.]+ s, memory [\d.]+ .*B: .* arguments and results, .* working", log)


def test_a_shape_that_nobody_knew_is_named(tmp_path):
    text = tmp_path / "text"
    text.write_text("".join("a" * n + "\n" for n in (3, 5, 20)))
    vocab = tmp_path / "symbols"
    vocab.write_text("a\n[END]\n")
    data = {"class": "LmDataset", "corpus_file": str(text), "dtype": "int32"}
    letters = {"class": "CharacterTargets", "labels": ["a", "[END]"], "seq_postfix": [1], "unknown_label": None}
    net = {"output": {"class": "softmax", "loss": "ce", "target": "data", "from": "data", "n_out": 2}}
    given = {"extern_data": {"data": {"dim": 2, "sparse": True}}, "network": net, "dev": None}
    given |= {"batching": "sorted", "max_seqs": 2}
    _, log = run(tmp_path / "run", **given, train={**data, "orth_vocab": letters})
    assert re.findall(r"compiled a new shape, (.*?):", log) == ["2 x (data 8)", "2 x (data 24)"]
    _, log = run(tmp_path / "known", **given, train={**data, "orth_symbols_file": str(vocab)}, buckets=2)
    assert re.findall(r"compiled training of (.*?):", log) == ["1 x (data 21)", "2 x (data 6)"]
