"""How layers reach what others gave."""

import pathlib

import tenure.network as network


def test_layers_reach_what_others_gave_in_one_way():
    """`Layer.given`, as it is there that hypotheses, steps and masks hold; drivers of inner graphs read their own passes.

    `attention_steps` asks where hypotheses are before they are followed.
    """
    folder = pathlib.Path(network.__file__).parent / "layers"
    drivers = {"loop.py", "loop_pass.py", "loop_search.py", "loop_steps.py", "loop_parts.py", "cond.py"}
    drivers |= {"first_output.py", "gradients.py", "edit_table.py", "attention_steps.py"}
    found = [p.name for p in folder.glob("*.py") if "run.outputs" in p.read_text() and p.name not in drivers]
    assert not found
