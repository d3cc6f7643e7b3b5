"""The page of a network: frames, folds and lines."""

import html
import json
import re

import tenure.network as network
from tenure.network.boxes import Box
from tenure.network.folding import items

LOOP = {
    "enc": {"class": "linear", "n_out": 3, "from": "data"},
    "sub": {
        "class": "subnetwork",
        "from": "enc",
        "subnetwork": {"a": {"class": "linear", "n_out": 3, "from": "data"}, "output": {"class": "copy", "from": "a"}},
    },
    "output": {
        "class": "rec",
        "from": "sub",
        "unit": {
            "s": {"class": "linear", "n_out": 3, "from": ["data:source", "prev:s"]},
            "output": {"class": "linear", "n_out": 3, "from": "s", "share": {"W": "/enc/W"}},
        },
    },
}


def page_of(net):
    """The page, its cards by path, and its lines as (from, to, kind, label)."""
    made = network.Network(net, {"data": {"dim": 3}}, behavior_version=0)
    page = made.show().html("A <network>")
    cards = {
        int(place): re.sub(r"<[^>]*>", "", name)
        for place, name in re.findall(r'data-place="(\d+)".*?<b>(.*?)</b>', page)
    }
    lines = json.loads(html.unescape(re.search(r'data-lines="(.*?)"', page)[1]))
    return page, cards, {(cards[a], cards[b], kind, label) for a, b, kind, _, label in lines}


def test_loops_and_subnetworks_are_frames_and_what_goes_round_is_told():
    page, cards, lines = page_of(LOOP)
    assert "A &lt;network&gt;" in page
    loop = page.index('class="frame loop"')
    frame = page.index('class="frame frame"')
    assert frame < page.index("sub/<wbr>a") < loop < page.index("output/<wbr>s")
    kinds = {(a, b, kind) for a, b, kind, _ in lines}
    assert ("output/s", "output/s", "round") in kinds and ("enc", "sub/a", "out") in kinds
    assert not any(a.startswith("sub/") and b == "sub" for a, b, _ in kinds)
    assert ("enc", "output/output", "lent", "W ← enc/W") in lines and "prev:output/s" not in cards.values()


def test_layers_in_loops_show_the_dims_of_one_step():
    made = network.Network(LOOP, {"data": {"dim": 3}}, behavior_version=0).show()
    dims = {box.key: box.dims for box in made.boxes}
    assert (
        dims["output/s"] == dims["prev:output/s"] == dims["output/output"] == dims["data:source"] == "[batch, F 3] f32"
    )
    assert dims["output"] == dims["sub"].replace("batch, time:data", "time:data, batch")
    page = made.html()
    assert page.count('<div class="dims"></div>') == 0


def test_layers_that_are_alike_are_folded():
    net, before = {}, "data"
    for i in range(75):
        net |= {
            f"b{i}_in": {"class": "linear", "n_out": 3, "from": before},
            f"b{i}_act": {"class": "activation", "activation": "tanh", "from": f"b{i}_in"},
            f"b{i}_drop": {"class": "dropout", "dropout": 0.1, "from": f"b{i}_act"},
            f"b{i}_out": {"class": "combine", "kind": "add", "from": [f"b{i}_in", f"b{i}_drop"]},
        }
        before = f"b{i}_out"
    page, cards, lines = page_of({**net, "output": {"class": "copy", "from": before}})
    assert len(cards) == 302 and "75 blocks of 4 layers, alike" in page and "74 more: b1_in … b74_in" in page
    assert page.count("<article") - page[page.index("<details") : page.index("</details>")].count("<article") == 6
    assert ("b73_out", "b74_in") in {(a, b) for a, b, _, _ in lines}


def test_what_differs_is_not_folded():
    chain = [Box(f"a{i}", "linear" if i % 2 else "conv", "", ()) for i in range(3)]
    assert [item.place for item in items(chain)] == [0, 1, 2]
    inside = [Box("x/a", "copy", "", (), frames=("x",)), Box("x", "subnetwork", "", ("x/a",))]
    (frame,) = items(inside)
    assert frame.place == 1 and frame.inside[0].place == 0
