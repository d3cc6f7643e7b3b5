"""A network to look at."""

import tenure as tn
import tenure.network as network
from tests.network.pictures import LOOP

DATA = {"data": {"dim": 3}, "classes": {"dim": 5, "sparse": True}}


def linear(**more):
    return {"class": "linear", "n_out": 4, "from": "data", **more}


def test_a_network_to_look_at():
    net = tn.network({"a": linear(), "output": linear(n_out=4, share={"b": "a/b"}, **{"from": "a"})}, DATA)
    picture = net.show()
    assert "b ← a/b" in str(picture)
    assert "a/b" in picture.mermaid() and picture.mermaid().startswith("flowchart")
    page = picture.html()
    assert page.count("<article") == 3 and '<span class="lent g0">b ← a/<wbr>b</span>' in page
    assert "http:" not in page and "https:" not in page and "default-src 'none'" in page


def test_layers_in_loops_show_the_dims_of_one_step():
    made = network.Network(LOOP, {"data": {"dim": 3}}, behavior_version=0).show()
    dims = {box.key: box.dims for box in made.boxes}
    assert (
        dims["output/s"] == dims["prev:output/s"] == dims["output/output"] == dims["data:source"] == "[batch, F 3] f32"
    )
    assert dims["output"] == dims["sub"].replace("batch, time:data", "time:data, batch")
    page = made.html()
    assert page.count('<div class="dims"></div>') == 0


def test_layers_of_one_scope_show_whose_parameters_are_whose():
    nets = {
        "extra": {"a": linear(), "less": linear(n_out=3, **{"from": "a"}), "extra.2:a": linear(**{"from": "less"}), "output": {"class": "copy", "from": ["a", "extra.2:a"]}},
        "scope": {"a": linear(), "b": linear(name_scope="a", reuse_params="a"), "output": {"class": "copy", "from": ["a", "b"]}},
        "branches": {
            "flag": {"class": "train_flag"},
            "output": {"class": "cond", "condition": "flag", "true_layer": linear(), "false_layer": linear(activation=None)},
        },
    }  # fmt: skip
    for net in nets.values():
        made = network.Network(net, {"data": {"dim": 3}}, behavior_version=0).show()
        owning, lent = (
            [b.key for b in made.boxes if b.owned and b.key != "less"],
            [b.key for b in made.boxes if b.borrowed],
        )
        assert len(owning) == len(lent) == 1 and owning != lent
        assert f"W ← {'output' if 'flag' in net else 'a'}/W" in str(made)
