"""The ledger reads back from its JSON, whatever stands in it."""

import hypothesis.strategies as st
from hypothesis import given, settings

from tenure.core.ledger.ledger import Ledger
from tenure.core.ledger.row import Row
from tests.core.ledger.ledgers import Page, of_all, owned

segments = st.text("abcdefghij_", min_size=1, max_size=30)


@st.composite
def ledgers(draw):
    names = draw(
        st.lists(st.lists(segments, min_size=2, max_size=5).map("/".join), min_size=1, max_size=9, unique=True)
    )
    rows = []
    for i, name in enumerate(names):
        shape = tuple(draw(st.lists(st.integers(0, 9999), max_size=4)))
        if i and draw(st.booleans()):
            lender = rows[draw(st.integers(0, i - 1))]
            view = draw(st.sampled_from(["", " | transpose", " | einops('(heads d) f -> heads d f', heads=8)"]))
            path = (name, *lender.chain)
            rows.append(Row(name, "borrowed", "params", shape, "float32", lender.owners, path, (), lender.path + view))
        else:
            rows.append(owned(name, shape, site=draw(segments)))
    return Ledger(rows)


@given(ledgers(), st.integers(60, 200))
@settings(deadline=None, max_examples=60)
def test_any_ledger_fits_and_has_a_line_for_each_slot(ledger, width):
    head, _, *lines = ledger.table(width, fold=False).splitlines()
    assert all(len(line) <= width for line in [head, *lines])
    assert lines.index("") == len(ledger.rows)
    assert sum(line.lstrip().startswith("↳") for line in lines) == len(ledger.borrowers)
    assert Ledger.from_json(ledger.to_json()) == ledger
    assert len(Page(ledger).slots) == len(ledger.rows)


@of_all
def test_json_round_trips(ledger):
    again = Ledger.from_json(ledger.to_json())
    assert again == ledger and again.to_html() == ledger.to_html() and str(again) == str(ledger)
