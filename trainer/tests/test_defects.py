"""docs/defects.md names a test for each of the twenty defects, and the READMEs name files that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHOWN = re.compile(r"`([\w/.-]+\.(?:py|ts))`: ([^;|]+)")


def table() -> dict[int, list[tuple[str, str]]]:
    """Number of each defect -> (file, test)."""
    rows = re.findall(r"^\| (\d+) \|.*\| (.*) \|$", (ROOT / "docs" / "defects.md").read_text(), flags=re.M)
    return {int(number): [(file, name.strip()) for file, name in SHOWN.findall(shown)] for number, shown in rows}


def test_each_of_the_twenty_defects_has_a_test_that_exists():
    found = table()
    assert list(found) == list(range(1, 21))
    for number, shown in found.items():
        assert shown, f"defect {number} names no test"
        for file, name in shown:
            text = (ROOT / file).read_text()
            known = f"def {name}(" in text if file.endswith(".py") else f"it('{name}" in text
            assert known, f"defect {number}: {file} has no test {name!r}"


def test_defect_16_the_readme_names_every_module_and_no_other():
    """Defect 16 of the released code: scripts and README named files that did not exist."""
    files = (ROOT / "trainer" / "README.md").read_text().split("## Files")[1].split("\n## ")[0]
    named = {name for row in re.findall(r"^\| (`.*?) \|", files, flags=re.M) for name in re.findall(r"`([^`]+)`", row)}
    modules = {path.name for path in (ROOT / "trainer" / "longpo_trainer").glob("*.py")} - {"__init__.py"}
    assert named == modules
