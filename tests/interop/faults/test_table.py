"""docs/faults.md is the table of these tests: a row for each, and none beside them."""

import re
from pathlib import Path

from tests.interop.asterisk import ROOT

HERE = Path(__file__).parent
ROW = re.compile(r"^\| ([\d-]+) \| ([^|]+) \|", re.MULTILINE)


def test_each_fault_has_a_row_and_each_row_its_test(request):
    rows = set(ROW.findall((ROOT / "docs" / "faults.md").read_text()))
    faults, files = set(), {Path(__file__)}
    for item in request.session.items:
        for mark in item.iter_markers("fault"):
            faults.add(mark.args)
            files.add(item.path)
    assert len(rows) >= 30
    assert faults - rows == set()
    config = request.config
    chosen = config.option.keyword or any("::" in each for each in config.args)
    if files == set(HERE.glob("test_*.py")) and not chosen:
        assert rows - faults == set()
