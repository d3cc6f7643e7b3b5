"""Each module's tests lie under its name: `src/tenure/a/b.py` ↔ `tests/a/test_b.py`.

A new module needs a test file. The lists below only become shorter: an entry that is no longer needed is an error too.
"""

import pathlib

import tenure

ROOT, TESTS = pathlib.Path(tenure.__file__).parent, pathlib.Path(__file__).parent

# Modules without a test file of their own, room by room: they are tested by those of the modules that use them.
WITHOUT = """
_version
cli/commands/eval cli/commands/forward cli/commands/search cli/commands/train cli/ending cli/tasks
convert/hdf5_process
functional/body functional/decoding/lm
haiku/api/asking haiku/api/deferred haiku/api/half haiku/api/lifting haiku/api/multi haiku/api/outside
haiku/api/signatures haiku/api/transforms haiku/attention haiku/dropout haiku/engine/deferral
haiku/engine/slicing haiku/experimental/jaxpr_info haiku/initializers haiku/nets haiku/recurrent haiku/stacks
haiku/typing haiku/unroll
nets/transformer_layers
network/boxes network/cells/two_d network/expression_attributes network/inner_graph network/lanes
network/layers/dims_of network/layers/first_output network/layers/loop_frames network/layers/loop_parts
network/layers/loop_pass network/layers/loop_steps network/layers/windows network/losses/base
network/losses/outputs network/nodes network/options network/output network/output_options network/param_use
network/run network/typing
nn/over_time
returnn/checkpoints/conversion returnn/checkpoints/on_init returnn/replay/steps
training/data/base training/data/joined
training/engine/dumped training/engine/feeds training/errors training/exported training/watching/watch
""".split()

# Test files that are about a whole room, or about something beside the package.
OF_ROOMS = """
checkpoints/golden checkpoints/stress
convert/docs
core/export core/fuzz core/hostile core/requirements core/stages core/zoo
functional/decoding/with_networks
haiku/docs haiku/names haiku/profile_benchmark haiku/programs haiku/traces haiku/zoo
network/cost network/hostile network/loop_cost network/padding network/published network/published_values
network/rows network/wrong_loops
nn/against_haiku nn/explicit_mesh
stages/stages
training/config/published training/optimizing/train_steps
""".split()
BESIDE = {"examples", "seeds", "stress", "website", "replay"}  # folders of tests that are about no room of the package


def modules() -> set[str]:
    """The modules of the package, as paths without `.py`."""
    names = {path.relative_to(ROOT).with_suffix("").as_posix() for path in ROOT.rglob("*.py")}
    return {name for name in names if not name.endswith(("__init__", "__main__"))}


def named_by_tests() -> set[str]:
    """What the test files of the rooms are named for, as paths without `test_` and `.py`."""
    found = set()
    for path in TESTS.glob("*/**/test_*.py"):
        where = path.relative_to(TESTS)
        if where.parts[0] not in BESIDE:
            found.add((where.parent / where.stem.removeprefix("test_")).as_posix())
    return found


def public(name: str) -> str:
    """The name that a test file has for a module: without the underscore in front."""
    folder, _, last = name.rpartition("/")
    return f"{folder}/{last.lstrip('_')}" if folder else last.lstrip("_")


def test_each_module_has_a_test_file_of_its_name():
    found = named_by_tests()
    lacking = {name for name in modules() if public(name) not in found}
    assert sorted(lacking - {*WITHOUT}) == [], "write tests/…/test_….py for these modules"
    assert sorted({*WITHOUT} - lacking) == [], "these have a test file, or are gone: take them off the list"


def test_each_test_file_of_a_room_is_named_for_a_module():
    others = named_by_tests() - {public(name) for name in modules()}
    assert sorted(others - {*OF_ROOMS}) == [], "there are no such modules: have they moved?"
    assert sorted({*OF_ROOMS} - others) == [], "these are gone, or named for a module: take them off the list"
