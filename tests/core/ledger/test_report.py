"""The ledger as text, JSON, Mermaid, Graphviz and as a page."""

from __future__ import annotations

import re

import pytest

from tenure.core.ledger import report
from tenure.core.ledger.ledger import Ledger
from tenure.core.ledger.row import Row
from tests.core.ledger.ledgers import CORES, EVIL, LEDGERS, Page, borrowed, of_all, owned


@of_all
@pytest.mark.parametrize("width", range(60, 201, 7))
def test_a_table_fits_every_width(ledger, width):
    lines = ledger.table(width, fold=False).splitlines()
    assert max(map(len, lines)) <= width
    assert len(lines) >= 2 + len(ledger.rows)


@of_all
@pytest.mark.parametrize("width", [60, 75, 90, 120, 200])
def test_the_columns_of_a_table_are_aligned(ledger, width):
    head, rule, *lines = ledger.table(width, fold=False).splitlines()
    rows = lines[: len(ledger.rows)]
    assert set(rule) == {"─"}
    for title in ("shape", "users"):
        at = head.index(title)
        for row in rows:
            assert row[at - 2 : at].strip() == "", (title, row)
    end = head.index("count") + len("count")
    for row in rows:
        assert row[end - 1] != " " and row[end : end + 2].strip() == "", row


def test_a_borrower_stands_below_its_lender_with_its_view():
    lines = LEDGERS["translator"].table(120).splitlines()
    names = [line.split("  (")[0].rstrip() for line in lines[2:6]]
    assert names == ["source_embed/w", "  ↳ target_embed/w", "    ↳ output_prob/w", "output_prob/b"]
    assert "3 users" in lines[2] and "| transpose" in lines[4] and "| transpose" not in lines[3]
    assert "55 parameters (220 bytes, float32) in 2 owners, 2 borrowed (143 if untied), 1 state (16 bytes)" in lines


def test_a_narrow_table_cuts_long_paths_in_their_middle_and_a_wide_one_shows_them():
    path = "a_rather_long_name_of_a_model/with_an_encoder_of_many_layers/layer_39/w"
    assert path in LEDGERS["deep"].table(200, fold=False)
    narrow = LEDGERS["deep"].table(60, fold=False)
    assert path not in narrow
    assert re.search(r"^a_rather\S*…\S*layer_39/w ", narrow, re.MULTILINE)


def test_a_long_chain_stays_in_the_table_and_names_its_lenders():
    rows = [owned("m0/w")]
    for i in range(1, 1500):
        rows.append(
            Row(
                f"m{i}/w",
                "borrowed",
                "params",
                (2,),
                "float32",
                ("m0/w",),
                (f"m{i}/w", f"m{i - 1}/w"),
                borrows=f"m{i - 1}/w",
            )
        )
    ledger = Ledger(rows)
    assert re.search(r"↳ m1499/w .*← m1498/w", ledger.table(100, fold=False))
    assert len(Page(ledger).slots) == 1500


def test_a_name_cannot_break_a_line():
    lines = Ledger([owned("m/a\nb\x1b[31m")]).table(80).splitlines()
    assert lines[2].startswith("m/a�b�[31m") and len(lines) == 5


def test_the_bytes_are_rounded_to_read():
    sizes = [report.size(n) for n in (0, 1, 1023, 1024, 1023.9 * 1024, 3 * 1024**3, 5 * 1024**4)]
    assert sizes == ["0 bytes", "1 byte", "1,023 bytes", "1.0 KiB", "1.0 MiB", "3.0 GiB", "5.0 TiB"]


def test_only_what_is_shared():
    lines = CORES.table(120, shared_only=True).splitlines()
    names = [line.split("  (")[0].strip(" ↳") for line in lines[2 : lines.index("")]]
    assert [name.split()[0] for name in names] == ["shared/w", "block_0…47/a/w", "block_0…47/b/w", "head/w"]
    assert LEDGERS["unshared"].table(120, shared_only=True).splitlines()[2] == ""


def test_lines_of_the_program_can_be_left_out():
    with_sites, without = CORES.table(120), CORES.table(120, sites=False)
    assert "asked for at" in with_sites and "asked for at" not in without and ".py:" not in without
    assert with_sites.splitlines()[-1] == without.splitlines()[-1]


def test_diagrams_fold_too():
    assert len(CORES.to_mermaid()) < 1500 < len(CORES.to_mermaid(fold=False))
    assert "block_0#8230;47/a/w" in CORES.to_mermaid() and "48 #215;" in CORES.to_mermaid()
    assert CORES.to_mermaid(depth=1).count("-->") == 2
    assert "embed/w" in CORES.to_mermaid(shared_only=False) and "embed/w" not in CORES.to_mermaid()


def test_a_diagram_is_never_too_long_to_be_drawn():
    rows = [owned("table/w")]
    for i in range(900):
        rows.append(owned(f"{'abcdefgh'[i % 8]}{i}x/part/w", (i + 1,)))
        rows.append(borrowed(f"{'abcdefgh'[i % 8]}{i}x/part/v", "table/w", f" | slice(0, {i + 1})", (i + 1,)))
    text = Ledger(rows).to_mermaid()
    assert len(text) <= 50_000 and text.startswith("flowchart") and "-->" in text
    assert re.search(r"and [\d,]+ modules more", text)


@of_all
def test_a_diagram_has_an_edge_for_each_tie(ledger):
    ties = sum(1 + len(set(r.owners) - set(ledger[r.chain[1]].owners)) for r in ledger.rows if r.kind == "borrowed")
    drawn = re.findall(r"^  (s\d+) -->(?:\|\".*\"\|)? (s\d+)$", ledger.to_mermaid(fold=False), re.MULTILINE)
    assert len(drawn) == len(set(drawn)) == ties
    assert ledger.to_dot().count(" -> ") == ties


def test_mermaid_draws_the_chain_from_owner_to_user():
    lines = LEDGERS["translator"].to_mermaid().splitlines()
    ids = {re.search(r'"([^<"]*)', line)[1]: line.split("[")[0].strip(" (") for line in lines if "<br/>" in line}
    source, target, out = (ids[p] for p in ("source_embed/w", "target_embed/w", "output_prob/w"))
    assert lines[0] == "flowchart LR"
    assert f"  {source} --> {target}" in lines
    assert f'  {target} -->|"transpose"| {out}' in lines


def test_mermaid_labels_have_no_character_that_mermaid_reads():
    text = Ledger([owned(EVIL + "`*#;:%{}|\\"), borrowed("u/w", EVIL + "`*#;:%{}|\\", " | ⟨<b>⟩")]).to_mermaid()
    labels = re.findall(r'"(.*?)"', text)
    assert len(labels) == 3
    for label in labels:
        bare = re.sub(r"#\d+;", "", label.replace("<br/>", ""))
        assert not set(bare) & set("<>&\"'`*#;:%{}|\\"), label
    assert "#60;img/onerror=alert(1)#62;" in text


def test_diagrams_show_everything_if_nothing_is_shared():
    assert LEDGERS["unshared"].to_mermaid().count(":::owned") == 3
    assert LEDGERS["unshared"].to_dot().count("label=") == 3
