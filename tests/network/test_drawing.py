"""The page of a network: frames and lines."""

from tests.network.pictures import LOOP, page_of


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
