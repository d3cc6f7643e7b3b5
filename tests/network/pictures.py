"""Pages of networks, taken apart."""

import html
import json
import re

import tenure.network as network

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
