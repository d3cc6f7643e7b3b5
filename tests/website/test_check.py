"""The check of a built site finds what it is there to find."""

from website.check import problems

GOOD = '<h1 id="top">A</h1><a href="b/c.html#there">b</a><a href="#top">up</a><a href="https://example.org">out</a>'


def test_links_places_and_what_is_fetched(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "index.html").write_text(GOOD)
    (tmp_path / "b" / "c.html").write_text('<p id="there"></p><a href="../index.html">home</a><img src="../x.png">')
    assert problems(tmp_path) == ["b/c.html: ../x.png: no such file"]
    (tmp_path / "x.png").touch()
    assert problems(tmp_path) == []
    (tmp_path / "index.html").write_text(GOOD.replace("there", "elsewhere") + '<script src="https://cdn.example/a.js">')
    assert problems(tmp_path) == [
        "index.html: fetches https://cdn.example/a.js",
        "index.html: b/c.html#elsewhere: no such place",
    ]


def test_an_empty_folder_is_no_site(tmp_path):
    assert problems(tmp_path) == [f"{tmp_path}: no page"]
