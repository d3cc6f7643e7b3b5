"""The reference has every public name, once, and links from where a name is given on."""

import importlib
import re

import pytest

from website import reference

PAGES = reference.pages()


@pytest.mark.parametrize("package", reference.PACKAGES)
def test_every_public_name_has_a_place(package):
    module = importlib.import_module(package)
    names = [name for name in getattr(module, "__all__", reference.public(package)) if name != "__version__"]
    text = PAGES[reference.page(package)]
    written = set(re.findall(r"heading: '(\w+)'", text)) | set(re.findall(r"^## (\w+) ", text, re.M))
    pages = {name for name in names if getattr(getattr(module, name), "__name__", None) in reference.PACKAGES}
    assert names and set(names) - written - pages == set()


def test_what_two_packages_give_is_described_once():
    described = [target for text in PAGES.values() for target in re.findall(r"^::: (\S+)", text, re.M)]
    assert len(described) == len(set(described)) > 300
    assert "[`tenure.nn.Linear`][tenure.nn.linear.Linear]" in PAGES["reference/haiku.md"]


def test_what_a_class_has_from_a_base_without_a_page_is_described_with_it():
    ledger = PAGES["reference/tenure.md"].partition("::: tenure.core.ledger.ledger.Ledger\n")[2].partition("\n")[0]
    assert "'count'" in ledger and "'mask'" in ledger and "'diff'" not in ledger
    assert "inherited_members" not in PAGES["reference/initializers.md"]


def test_every_option_of_every_layer_class_is_listed():
    from tenure.network import registry

    text = PAGES["reference/layer-classes.md"]
    for name, cls in registry.load().items():
        section = text.partition(f"## `{name}`\n")[2].partition("\n## ")[0]
        assert section, name
        assert all(f"| `{option}` |" in section for option in cls.signature.options), name
