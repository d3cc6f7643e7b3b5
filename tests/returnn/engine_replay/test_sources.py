"""Functions of recorded cases, from their source."""

from tenure.returnn.engine_replay.cases import Source
from tenure.returnn.engine_replay.sources import evaluate, evaluated


def test_expressions_and_definitions():
    assert evaluate(Source("lambda x: np.sum(x) + y"), y=2)([1, 2]) == 5
    assert evaluate(Source("import math\ndef f(x):\n    return math.floor(x)"))(2.5) == 2


def test_sources_inside_of_values():
    found = evaluated({"a": [Source("1 + 1"), (Source("'x'"), 3)], "b": {4}})
    assert found == {"a": [2, ("x", 3)], "b": {4}}
