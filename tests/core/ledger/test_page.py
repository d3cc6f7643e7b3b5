"""The ledger as one page: every slot, every tie and every count, and nothing that a name could break."""

import base64
import hashlib
import re

from tenure.core.ledger.ledger import Ledger
from tenure.core.ledger.row import Row
from tests.core.ledger.ledgers import EVIL, LEDGERS, Page, borrowed, of_all, owned


@of_all
def test_the_page_has_each_slot_once(ledger):
    page = Page(ledger)
    assert sorted(s["data-path"] for s in page.slots) == sorted(r.path for r in ledger.rows)
    assert len({s["id"] for s in page.slots}) == len(ledger.rows)
    for slot, row in ((s, ledger.rows[int(s["id"][1:])]) for s in page.slots):
        assert slot["data-path"] == row.path
        kind = "state" if row.collection == "state" else row.kind
        assert kind in slot["class"].split() and f"{row.path}: {kind}" in slot["title"]


@of_all
def test_the_page_draws_each_tie_from_its_lender(ledger):
    drawn = {(f"s{lender}", s["id"]) for s in Page(ledger).slots for lender in s.get("data-from", "").split()}
    place = {r.path: f"s{i}" for i, r in enumerate(ledger.rows)}
    direct = {(place[r.chain[1]], place[r.path]) for r in ledger.rows if r.kind == "borrowed"}
    assert direct <= drawn and len(drawn) == len(ledger.edges)


@of_all
def test_the_counts_of_the_page_add_up(ledger):
    """The lines of the slots sum to the foot; so do the modules' at each level of the tree, recomputed from the paths."""
    page = Page(ledger)
    slots = page.element(r'<li class="slot.*?data-path="(.*?)".*?<span class=count>([\d,]+)</span>')
    counts = {path: int(count.replace(",", "")) for path, count in slots}
    for row in ledger.rows:
        assert counts[row.path] == (row.count if row.kind == "owned" and row.collection == "params" else 0)
    (foot,) = page.element(r'class="line foot">.*?<span class=count>([\d,]+)</span>')
    assert sum(counts.values()) == int(foot.replace(",", "")) == ledger.count()
    assert _sums(page.source) == ledger.count()


def _sums(source):
    """The total of the tree's outermost lines; asserts that each module's line is the sum of its parts."""
    marks = re.finditer(r"<ul class=tree>|<details|</details>|<span class=count>([\d,]+)</span>", source)
    open_modules, started, total = [], False, 0
    for mark in marks:
        text = mark[0]
        if text.startswith("<ul"):
            started = True
        elif not started:
            continue
        elif text == "<details":
            open_modules.append([])
        elif text == "</details>":
            own, *parts = open_modules.pop()
            assert own == sum(parts)
        else:
            count = int(mark[1].replace(",", ""))
            if open_modules:
                if not open_modules[-1] and len(open_modules) > 1:
                    open_modules[-2].append(count)
                elif not open_modules[-1]:
                    total += count
                open_modules[-1].append(count)
            elif "line foot" not in source[mark.start() - 120 : mark.start()]:
                total += count
            else:
                return total
    raise AssertionError("no foot")


def test_the_header_says_what_sharing_saves():
    tiles = dict(Page(LEDGERS["translator"]).element(r"<dt>(.*?)</dt><dd>(.*?)</dd>"))
    assert tiles == {
        "parameters": "55",
        "owners": "2",
        "borrowed": "2",
        "state": "1",
        "if untied": "143",
        "saved by sharing": "62%",
    }
    assert "Nothing is shared" in Page(LEDGERS["unshared"]).source
    assert "Nothing is shared" not in Page(LEDGERS["translator"]).source


def test_the_tree_is_in_the_order_of_the_ledger():
    assert [s["data-path"] for s in Page(LEDGERS["translator"]).slots] == [r.path for r in LEDGERS["translator"].rows]


def test_a_card_draws_the_chain_with_its_view():
    (card,) = Page(LEDGERS["translator"]).element(r'<section class="card.*?</section>')
    hops = re.findall(r"class=(owner|borrower|chip)>.*?(source_embed|target_embed|output_prob|transpose)", card)
    assert hops == [
        ("owner", "source_embed"),
        ("borrower", "target_embed"),
        ("chip", "transpose"),
        ("borrower", "output_prob"),
    ]
    assert card.index("target_embed") < card.index("<ul>", card.index("target_embed")) < card.index("output_prob")


def test_a_concatenation_is_in_the_groups_of_all_its_owners():
    page = Page(LEDGERS["mixed"])
    (both,) = [s for s in page.slots if s["data-path"] == "both/w"]
    owners = {s["data-path"] for s in page.slots if s["id"][1:] in both["data-from"].split()}
    assert owners == {"first/w", "second/w"} and len(both["data-g"].split()) == 2


def test_many_borrowers_are_folded_in_their_card_but_all_there():
    cards = Page(LEDGERS["stacked"]).element(r'<section class="card.*?</section>')
    assert len(cards) == 2
    for card in cards:
        assert "6 more" in card and card.count("class=borrower") == 11


def test_layers_alike_share_one_folded_line():
    page = Page(LEDGERS["deep"])
    assert len(page.element("<em>40 alike</em>")) == 1
    assert "layer_0 … layer_39" in page.source
    (fold,) = page.element(r"<details( open)?><summary class=line><span class=name><b>layer_0 …")
    assert fold == ""
    assert "alike" not in "".join(Page(LEDGERS["translator"]).text)


@of_all
def test_the_page_needs_no_network(ledger):
    page = Page(ledger)
    assert not re.search(r"\w+://|@import|url\(", page.source)
    for tag, fields in page.tags:
        assert tag not in ("link", "img", "iframe", "object", "embed", "base", "form")
        assert "src" not in fields and fields.get("href", "#").startswith("#")
    (policy,) = [f["content"] for _, f in page.tags if f.get("http-equiv") == "Content-Security-Policy"]
    (script,) = page.element(r"<script>(.*?)</script>")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


@of_all
def test_every_link_of_the_page_leads_to_a_slot(ledger):
    page = Page(ledger)
    ids = {f["id"] for _, f in page.tags if "id" in f}
    links = [f["href"][1:] for tag, f in page.tags if tag == "a"]
    assert set(links) <= ids and bool(links) == bool(ledger.borrowers)


def test_names_are_text_and_not_markup():
    rows = [
        owned(f"{EVIL}/{EVIL}", asker=EVIL, site=EVIL, notes=(EVIL,), axes=(EVIL,)),
        borrowed("u/w", f"{EVIL}/{EVIL}", f" | ⟨{EVIL}⟩"),
        owned("u/<u onclick=x>"),
        Row(f"{EVIL}/s", "owned", "state", (2,), "float32", (f"{EVIL}/s",), (f"{EVIL}/s",)),
    ]
    page, plain = Page(Ledger(rows), EVIL), Page(Ledger([owned("a/b"), borrowed("u/w", "a/b")]), "t")
    assert {tag for tag, _ in page.tags} <= {tag for tag, _ in plain.tags} | {"em", "section", "details", "summary"}
    assert {name for _, f in page.tags for name in f} == {name for _, f in plain.tags for name in f} | {"open"}
    assert "".join(page.text).count("<img/onerror=alert(1)>&\"'") >= 6
    assert "<img" not in page.source and "<u " not in page.source


def test_a_name_with_a_dollar_is_not_a_hole_of_the_template():
    page = Page(Ledger([owned("$script/$title")]), "$tree")
    assert page.slots[0]["data-path"] == "$script/$title" and "<h1>$tree</h1>" in page.source


def test_a_state_and_a_parameter_of_one_path_are_two_lines():
    rows = [owned("m/x", (3,)), Row("m/x", "owned", "state", (5,), "float32", ("m/x",), ("m/x",))]
    page = Page(Ledger(rows))
    assert [s["class"].split()[2] for s in page.slots] == ["owned", "state"]
    assert page.slots[0]["id"] != page.slots[1]["id"]


def test_a_thousand_slots_stay_small():
    rows = [owned(f"net/layer_{i}/{part}/w", (8, 8)) for i in range(192) for part in ("q", "k", "v", "o", "up", "down")]
    page = Page(Ledger(rows))
    assert len(page.slots) == 1152 and len(page.source) < 1_000_000
    opened = [f for tag, f in page.tags if tag == "details" and "open" in f]
    assert len(opened) == 1
