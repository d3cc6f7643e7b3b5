"""The ledger of a file that no program has made."""

from tenure import convert
from tests.convert.samples import named, table


def test_the_ledger_of_a_file():
    ledger = convert.ledger(named({"lm head": "wte"}, wte=table()))
    assert ledger.users_of("~/wte") == ("~/wte", "~/lm_head")
    assert ledger.count() == 28
