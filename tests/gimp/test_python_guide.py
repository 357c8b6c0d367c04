"""Every example in docs/gimp-python.md runs, and prints what the guide says it prints."""

import re

import pytest
from client import ROOT

GUIDE = (ROOT / "docs" / "gimp-python.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


def heading(code):
    """The section that an example stands in, as its name."""
    before = GUIDE[: GUIDE.index(code)]
    return re.findall(r"^## (.*)$", before, re.MULTILINE)[-1]


def test_there_are_examples():
    assert len(EXAMPLES) >= 10


@pytest.mark.parametrize("code", EXAMPLES, ids=heading)
def test_example(client, code):
    expected = re.findall(r"# → (.*)$", code, re.MULTILINE)
    assert expected, "an example shows what it prints"
    answer = client.call("call_api", api_path="exec", args=["pyGObject-console", code.splitlines()])
    assert answer["output"].splitlines() == expected
    # Self-contained: nothing is left behind.
    assert client.call("list_images")["images"] == []
