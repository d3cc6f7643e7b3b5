"""The rooms of the package: each imports only from rooms before it, and `import tenure` needs jax and numpy only."""

import ast
import pathlib
import subprocess
import sys

import tenure

ROOT = pathlib.Path(tenure.__file__).parent
BEFORE = {
    "core": set(),
    "functional": set(),
    "stages": {"core", "functional"},
    "initializers": {"core", "functional"},
    "nn": {"core", "functional", "stages", "initializers"},
    "nets": {"core", "functional", "stages", "initializers", "nn"},
    "network": {"core", "functional", "stages", "initializers", "nn", "nets"},
    "returnn": {"core", "functional", "stages", "initializers", "nn", "nets", "network"},
    "haiku": {"core", "functional", "stages", "initializers", "nn", "nets"},
}


def imported(file):
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from [node.module] + [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_rooms_import_only_from_rooms_before_them():
    wrong = []
    for file in ROOT.rglob("*.py"):
        room = file.relative_to(ROOT).parts[0].removesuffix(".py")
        for module in imported(file) if room in BEFORE else ():
            other = module.split(".")[1] if module.startswith("tenure.") else room
            if other in BEFORE and other != room and other not in BEFORE[room]:
                wrong.append(f"{file.relative_to(ROOT)} imports {module}")
    assert not wrong, "\n".join(wrong)


def test_every_room_is_known():
    rooms = {p.name.removesuffix(".py") for p in ROOT.iterdir() if p.name not in ("__init__.py", "_version.py")}
    assert rooms - {"py.typed", "__pycache__"} == set(BEFORE)


def test_importing_needs_jax_and_numpy_only():
    code = "import sys, jax, numpy; before = set(sys.modules); import tenure; print(*sorted(set(sys.modules) - before))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    outside = {name.partition(".")[0] for name in said} - set(sys.stdlib_module_names)
    assert {m for m in outside if not m.startswith(("jax", "numpy", "scipy", "opt_einsum", "ml_dtypes", "_"))} == {
        "tenure"
    }
