"""What a picture shows as one thing: layers that are alike."""

from tenure.network.boxes import Box
from tenure.network.folding import items
from tests.network.pictures import page_of


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
