"""The rooms of the package: no import circle, only imports from rooms before, and `import tenure` needs jax and numpy only."""

import ast
import graphlib
import pathlib
import subprocess
import sys

import tenure

ROOT = pathlib.Path(tenure.__file__).parent
BEFORE = {
    "core": set(),
    "functional": set(),
    "surgery": {"core"},
    "stages": {"core", "functional"},
    "initializers": {"core", "functional"},
    "nn": {"core", "functional", "stages", "initializers"},
    "nets": {"core", "functional", "stages", "initializers", "nn"},
    "network": {"core", "functional", "stages", "initializers", "nn", "nets"},
    "checkpoints": {"core", "surgery"},
    "convert": {"core", "checkpoints"},
    "returnn": {"core", "stages", "initializers", "nn", "nets", "network", "convert"},
    "haiku": {"core", "functional", "stages", "initializers", "nn", "nets"},
    "training": {
        "core",
        "functional",
        "stages",
        "initializers",
        "nn",
        "nets",
        "network",
        "returnn",
        "haiku",
        "checkpoints",
        "convert",
    },
    "cli": {"core", "checkpoints", "convert", "training", "returnn", "network"},
    "__main__": {"cli"},
}
TOOLS = {
    ("returnn", "engine_replay"),
    ("returnn", "replay"),
}  # commands above all rooms: they import what they like, and nobody imports them

ROOMS_OF_THE_CORE = ["notation", "ledger", "slots", "run", "model"]


def files():
    """Module name → file, of the whole package."""
    found = {}
    for file in ROOT.rglob("*.py"):
        parts = file.relative_to(ROOT.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


FILES = files()


def imported(file):
    """The package's modules that a file imports, also inside functions and under `TYPE_CHECKING`."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            full = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in FILES else node.module for name in full)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_rooms_import_only_from_rooms_before_them():
    wrong = []
    for file in ROOT.rglob("*.py"):
        parts = file.relative_to(ROOT).parts
        room = parts[0].removesuffix(".py")
        for module in imported(file) if room in BEFORE and parts[:2] not in TOOLS else ():
            if any(module.startswith(".".join(("tenure", *tool))) for tool in TOOLS):
                wrong.append(f"{file.relative_to(ROOT)} imports {module}")
            other = module.split(".")[1] if module.startswith("tenure.") else room
            if other in BEFORE and other != room and other not in BEFORE[room]:
                wrong.append(f"{file.relative_to(ROOT)} imports {module}")
    assert not wrong, "\n".join(wrong)


def test_no_import_circle():
    """Also counted: imports inside functions, and under `TYPE_CHECKING`."""
    graph = {module: {*imported(file)} & FILES.keys() - {module} for module, file in FILES.items()}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as e:
        raise AssertionError("an import circle: " + " → ".join(reversed(e.args[1]))) from None


def test_rooms_of_the_core_import_only_from_rooms_before_them():
    wrong = []
    for place, room in enumerate(ROOMS_OF_THE_CORE):
        for file in (ROOT / "core" / room).glob("*.py"):
            for module in imported(file):
                later = module.split(".")[2:3] if module.startswith("tenure.core.") else []
                if later and later[0] in ROOMS_OF_THE_CORE[place + 1 :]:
                    wrong.append(f"{file.relative_to(ROOT)} imports {module}")
    assert not wrong, "\n".join(wrong)


def test_every_room_is_known():
    rooms = {p.name.removesuffix(".py") for p in ROOT.iterdir() if p.name not in ("__init__.py", "_version.py")}
    assert rooms - {"py.typed", "__pycache__"} == set(BEFORE)


def added(code, first="pass"):
    """The modules that a fresh Python imports for some code, after other code."""
    program = f"import sys; {first}; before = set(sys.modules); {code}; print(*sorted(set(sys.modules) - before))"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    return set(said.split())


def test_importing_loads_no_jax_and_lists_every_name():
    found = added("import tenure; assert set(dir(tenure)) == set(tenure.__all__) and 'network' in dir(tenure)")
    assert not {name for name in found if name.partition(".")[0] in ("jax", "jaxlib", "numpy")}


def test_every_name_needs_jax_and_numpy_only():
    everything = "import tenure; [getattr(tenure, n) for n in ('transform', 'nn', 'nets', 'merge', 'stages')]"
    outside = {name.partition(".")[0] for name in added(everything, "import jax, numpy")} - set(sys.stdlib_module_names)
    assert {m for m in outside if not m.startswith(("jax", "numpy", "scipy", "opt_einsum", "ml_dtypes", "_"))} == {
        "tenure"
    }


def test_a_name_of_the_package_is_the_function_whatever_was_imported():
    added(
        "import tenure as tn, tenure.training, jax; m = tn.transform(lambda: [1 for _ in '1' if tn.training(True)]); m.plan()"
    )
    assert {tenure.transform.__module__, tenure.nn.__name__} == {"tenure.core.model.transform", "tenure.nn"}
    assert all(getattr(tenure, name) is not None for name in tenure.__all__)
