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
