"""Networks written in the manner of published configs, by name, with their data and the functions of their configs."""

NETS = {}
SPEECH = {"data": {"dim": 40}, "bpe": {"dim": 31, "sparse": True, "available_for_inference": False}}
ALIGN = {"data": {"dim": 40}, "classes": {"dim": 50, "sparse": True, "available_for_inference": False}}
MT = {"data": {"dim": 50, "sparse": True}, "classes": {"dim": 31, "sparse": True, "available_for_inference": False}}
LM = {"data": {"dim": 50, "sparse": True}, "delayed": {"dim": 50, "sparse": True}}


def add(name, net, data, **config):
    """Puts a network into the table."""
    NETS[name] = (net, data, config)


def unchanged(data, network):
    """A config's function on its input."""
    return data
