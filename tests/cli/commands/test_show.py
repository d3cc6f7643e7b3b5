"""`tenure show CONFIG`: the drawing of a config's network."""

from tests.cli.process import here, tenure, write


def test_text_has_a_line_for_each_layer(tmp_path):
    said = tenure("show", write(tmp_path), folder=tmp_path)
    assert said.returncode == 0, said.stderr
    lines = {line.split()[0]: line for line in said.stdout.splitlines()[1:]}
    assert list(lines) == ["data:classes", "data:data", "a", "b", "output"]
    assert "W ← a/W" in lines["b"] and "softmax · ce" in lines["output"]
    assert said.stderr == "runs train.config: a config is code\n"


def test_html_and_mermaid(tmp_path):
    name = write(tmp_path)
    page = here("show", name, "--html", "-", folder=tmp_path).stdout
    assert page.startswith("<!doctype html>") and "train.config" in page and 'id="l4"' in page
    assert here("show", "--mermaid", name, folder=tmp_path).stdout.startswith("flowchart TD\n")
