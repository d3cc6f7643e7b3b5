"""Names of modules, next to dm-haiku's."""

from typing import Any

import haiku
import jax
import pytest

import tenure
import tenure.haiku as hk

KEY = jax.random.PRNGKey(0)
X = jax.random.normal(KEY, (2, 4))
NAMES = ["_Block", "FooBar_Baz", "__X", "A_", "Abc__Def", "_aB", "ABc_D", "X1_Y2", "foo_bar", "HTTPServer", "Foo_1_"]


@pytest.mark.parametrize("name", [*NAMES, "MLP_Mixer", "_", "Conv2D", "Ä", "Größe", "Конв"])
def test_default_names_of_classes(name: str) -> None:
    found = []
    for lib in (haiku, hk):
        cls = type(name, (lib.Module,), {"__call__": lambda self, x, lib=lib: lib.Linear(3)(x)})
        model = lib.transform(lambda x, cls=cls: (cls()(x), cls()(x)))
        try:
            found.append(list(model.init(KEY, X)))
        except ValueError as error:
            found.append(str(error).partition(" (must")[0])
    assert found[0] == found[1]


def test_names_of_functions_are_taken_as_they_are() -> None:
    def _Ab_Cd(x: Any) -> Any:
        return tenure.nn.Linear(3)(x)

    assert list(hk.transform(lambda x: hk.to_module(_Ab_Cd)()(x)).init(KEY, X)) == ["_Ab_Cd/linear"]
