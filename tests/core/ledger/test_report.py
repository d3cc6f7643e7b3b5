"""The ledger as text, JSON, Mermaid, Graphviz and as a page."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import pytest
from hypothesis import given, settings

import tenure as tn
from tenure.core.ledger import report
from tenure.core.ledger.ledger import Ledger
from tenure.core.ledger.row import Row

EVIL = "<img/onerror=alert(1)>&\"'"


class Embed(tn.Module):
    def __init__(self, size, name=None):
        super().__init__(name=name)
        self.size = size

    def __call__(self, x):
        return tn.get_parameter("w", (self.size, 4), init=zeros)[x]


class Linear(tn.Module):
    def __init__(self, size, name=None):
        super().__init__(name=name)
        self.size = size

    def __call__(self, x):
        x = x @ tn.get_parameter("w", (x.shape[-1], self.size), init=zeros)
        return x + tn.get_parameter("b", (self.size,), init=zeros)


class Centre(tn.Module):
    def __call__(self, x):
        return x - tn.get_state("mean", (x.shape[-1],), init=zeros)


def zeros(shape, dtype):
    return jnp.zeros(shape, dtype)


def ledger_of(f, ties=None):
    return tn.transform_with_state(f, ties=ties or {}).plan(jax.ShapeDtypeStruct((2, 3), jnp.int32)).ledger


def translator(x):
    """The tie over two hops, beside a state."""
    source = Embed(11, name="source_embed")
    target = Embed(11, name="target_embed", share={"w": "source_embed/w"})
    head = Linear(11, name="output_prob", share={"w": "target_embed/w | transpose"})
    return head(Centre(name="centre")(source(x) + target(x)))


def deep(x):
    """A long path, and as many layers as make a fold."""
    with tn.name_scope("a_rather_long_name_of_a_model/with_an_encoder_of_many_layers"):
        y = Embed(3_000_000, name="embed")(x)
        for i in range(40):
            y = Linear(4, name=f"layer_{i}")(y)
    return y


def unshared(x):
    return Linear(5, name="head")(Embed(11, name="embed")(x))


def mixed(x):
    """A given slot and one who borrows it, a concatenation, a Python function as view."""
    y = Embed(5, name="first")(x) + Embed(6, name="second")(x)
    y += Embed(11, name="both", share={"w": "first/w | concat('second/w')"})(x)
    y = Linear(4, name="given", share={"w": jnp.ones((4, 4)) @ jnp.ones((4, 4))})(y)
    return Linear(4, name="half", share={"w": tn.Ref.parse("given/w") | (lambda w: w / 2), "b": "given/b"})(y)


def stacked(x):
    """One layer's weights in all layers: groups with many users."""
    y = Embed(11, name="embed")(x)
    for i in range(12):
        y = Linear(4, name=f"layer_{i}", share={"w": "layer_0/w", "b": "layer_0/b"} if i else {})(y)
    return y


MODELS = [translator, deep, unshared, mixed, stacked]
LEDGERS = {f.__name__: ledger_of(f) for f in MODELS} | {"empty": Ledger([])}


def of_all(test):
    return pytest.mark.parametrize("ledger", LEDGERS.values(), ids=LEDGERS)(test)


def owned(path, shape=(2,), **fields):
    return Row(path, "owned", "params", shape, "float32", (path,), (path,), **fields)


def borrowed(path, lender, view="", shape=(2,), **fields):
    return Row(path, "borrowed", "params", shape, "float32", (lender,), (path, lender), borrows=lender + view, **fields)


class Page(HTMLParser):
    """The page's tags with their attributes, its visible text, and its lines."""

    def __init__(self, ledger, title="Ledger"):
        super().__init__()
        self.source, self.tags, self.slots, self.text, self.raw = ledger.to_html(title), [], [], [], ""
        self.feed(self.source)
        self.close()

    def handle_starttag(self, tag, attributes):
        fields = dict(attributes)
        self.tags.append((tag, fields))
        self.raw = tag if tag in ("style", "script") else ""
        if "slot" in (fields.get("class") or "").split():
            self.slots.append(fields)

    def handle_endtag(self, tag):
        self.raw = ""

    def handle_data(self, data):
        if not self.raw:
            self.text.append(data)

    def element(self, pattern):
        return re.findall(pattern, self.source, re.DOTALL)


# the table


@of_all
@pytest.mark.parametrize("width", range(60, 201, 7))
def test_a_table_fits_every_width(ledger, width):
    lines = report.table(ledger, width, fold=False).splitlines()
    assert max(map(len, lines)) <= width
    assert len(lines) >= 2 + len(ledger.rows)


@of_all
@pytest.mark.parametrize("width", [60, 75, 90, 120, 200])
def test_the_columns_of_a_table_are_aligned(ledger, width):
    head, rule, *lines = report.table(ledger, width, fold=False).splitlines()
    rows = lines[: len(ledger.rows)]
    assert set(rule) == {"─"}
    for title in ("shape", "users"):
        at = head.index(title)
        for row in rows:
            assert row[at - 2 : at].strip() == "", (title, row)
    end = head.index("count") + len("count")
    for row in rows:
        assert row[end - 1] != " " and row[end : end + 2].strip() == "", row


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
    head, _, *lines = report.table(ledger, width, fold=False).splitlines()
    assert all(len(line) <= width for line in [head, *lines])
    assert lines.index("") == len(ledger.rows)
    assert sum(line.lstrip().startswith("↳") for line in lines) == len(ledger.borrowers)
    assert Ledger.from_json(ledger.to_json()) == ledger
    assert len(Page(ledger).slots) == len(ledger.rows)


def test_a_borrower_stands_below_its_lender_with_its_view():
    lines = report.table(LEDGERS["translator"], 120).splitlines()
    names = [line.split("  (")[0].rstrip() for line in lines[2:6]]
    assert names == ["source_embed/w", "  ↳ target_embed/w", "    ↳ output_prob/w", "output_prob/b"]
    assert "3 users" in lines[2] and "| transpose" in lines[4] and "| transpose" not in lines[3]
    assert "55 parameters (220 bytes, float32) in 2 owners, 2 borrowed (143 if untied), 1 state (16 bytes)" in lines


def test_a_narrow_table_cuts_long_paths_in_their_middle_and_a_wide_one_shows_them():
    path = "a_rather_long_name_of_a_model/with_an_encoder_of_many_layers/layer_39/w"
    assert path in report.table(LEDGERS["deep"], 200, fold=False)
    narrow = report.table(LEDGERS["deep"], 60, fold=False)
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
    assert re.search(r"↳ m1499/w .*← m1498/w", report.table(ledger, 100, fold=False))
    assert len(Page(ledger).slots) == 1500


def test_a_name_cannot_break_a_line():
    lines = report.table(Ledger([owned("m/a\nb\x1b[31m")]), 80).splitlines()
    assert lines[2].startswith("m/a�b�[31m") and len(lines) == 5


def test_the_bytes_are_rounded_to_read():
    sizes = [report.size(n) for n in (0, 1, 1023, 1024, 1023.9 * 1024, 3 * 1024**3, 5 * 1024**4)]
    assert sizes == ["0 bytes", "1 byte", "1,023 bytes", "1.0 KiB", "1.0 MiB", "3.0 GiB", "5.0 TiB"]


def cores(x):
    """48 layers with three parameters each, one of them borrowed from outside, and one within."""
    y = Embed(11, name="embed")(x)
    shared = Linear(4, name="shared")
    y = shared(y)
    for i in range(48):
        with tn.name_scope(f"block_{i}"):
            y = Linear(4, name="a", share={"w": "/shared/w"})(y)
            y = Centre(name="centre")(Linear(4, name="b", share={"w": f"/block_{i}/a/w | transpose"})(y))
    return Linear(4, name="head", share={"w": "/block_7/b/w"})(y)


CORES = ledger_of(cores)


@of_all
@pytest.mark.parametrize("width", [60, 120])
def test_a_folded_table_fits_and_counts_the_same(ledger, width):
    lines = report.table(ledger, width).splitlines()
    assert max(map(len, lines)) <= width
    assert (
        lines[lines.index("") + 1 :]
        == report.table(ledger, width, fold=False).splitlines()[-len(lines) + lines.index("") + 1 :]
    )


def test_layers_alike_are_one_line_for_each_of_their_slots():
    lines = report.table(CORES, 140).splitlines()
    assert lines.index("") - 2 == 10 and len(CORES.rows) == 245
    folded = next(line for line in lines if "block_0…47/b/b" in line)
    assert "48 × (4)" in folded and " 192 " in folded
    assert next(line for line in lines if "block_0…47/a/w" in line).lstrip().startswith("↳")
    assert "← block_7/b/w" in next(line for line in lines if "head/w" in line), "a lender that is not the line above"
    assert next(line for line in lines if "centre/mean" in line).split()[-2] != ""
    assert str(CORES) == report.table(CORES)


def test_what_differs_is_not_folded():
    def f(x):
        one, two = Embed(4, name="one")(x % 4), Embed(4, name="two")(x % 4)
        for i in range(8):
            Linear(4, name=f"layer_{i}", share={"w": "one/w" if i % 2 else "two/w"})(one + two)
        return x

    lines = report.table(ledger_of(f), 120).splitlines()
    layers = [line for line in lines[: lines.index("")] if "layer_" in line]
    assert len(layers) == 2 * 2, "four of each kind, w and b"
    numbers = [int(re.search(r"(\d) ×", line)[1]) for line in layers]
    assert numbers == [4] * 4


def test_layers_that_each_borrow_from_the_one_before_are_alike():
    def f(x):
        y = Embed(4, name="embed")(x % 4)
        for i in range(9):
            y = Linear(4, name=f"layer_{i}", share={"w": f"layer_{i - 1}/w"} if i else {})(y)
        return y

    lines = report.table(ledger_of(f), 120).splitlines()
    assert [line.split()[1] for line in lines if "↳" in line] == ["layer_1…8/w"]


def test_a_depth_gives_a_line_for_each_module():
    lines = CORES.table(120, depth=1).splitlines()
    names = [line.split()[0] for line in lines[2 : lines.index("")]]
    assert names == ["embed", "shared", "block_0…47", "head"]
    assert "48 × 5 slots" in next(line for line in lines if "block" in line)
    counts = [int(re.search(r"([\d,]+)(?:  \d+ shared)?$", line.rstrip())[1].replace(",", "")) for line in lines[2:6]]
    assert sum(counts) == CORES.count()
    for depth in (0, -1, 2.5, "1", True):
        with pytest.raises(tn.TenureError, match="depth"):
            CORES.table(depth=depth)


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


# JSON


@of_all
def test_json_round_trips(ledger):
    again = Ledger.from_json(ledger.to_json())
    assert again == ledger and again.to_html() == ledger.to_html() and str(again) == str(ledger)


# diagrams


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


# the page


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
    assert direct <= drawn and len(drawn) == len(report.edges(ledger))


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
