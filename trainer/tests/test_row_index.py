"""A preference file by row number: found by one pass, never held whole, refused where it is cut off or changes."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from longpo_trainer.data import PreferenceFile
from longpo_trainer.errors import LongPOError
from longpo_trainer.row_index import BLOCK_BYTES, index_rows

TESTS = Path(__file__).resolve().parent
TURN = {"chunk": "c", "question": "q?", "chosen": "good", "rejected": "bad"}


def line(name: str, document: str = "text") -> str:
    return json.dumps({"id": name, "source": "s", "document": document, "turns": [TURN]}) + "\n"


def test_rows_are_found_between_blank_lines_and_across_blocks(tmp_path):
    path = tmp_path / "rows.jsonl"
    long = line("b", "x" * (2 * BLOCK_BYTES))
    path.write_text(f"\n{line('a')}  \n\n{long}{line('c')}".removesuffix("\n"))
    rows = PreferenceFile(path)
    assert [rows[row]["id"] for row in range(len(rows))] == ["a", "b", "c"]
    assert [rows.line(row) for row in range(3)] == [2, 5, 6]
    assert rows.digest == f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    assert len(rows[1]["document"]) == 2 * BLOCK_BYTES


def test_a_last_line_that_is_cut_off_is_refused_with_its_number(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text((line("a") + "\n" + line("b"))[:-20])
    with pytest.raises(LongPOError, match=r"rows\.jsonl:3: the last line is cut off") as raised:
        index_rows(path)
    assert (raised.value.exit_code, raised.value.code) == (4, "ROWS_TRUNCATED")


def test_a_file_that_changes_under_the_run_is_refused(tmp_path):
    path = tmp_path / "rows.jsonl"

    def refused(change: str | None) -> str:
        path.write_text(line("a") + line("b", "old"))
        rows = PreferenceFile(path)
        assert rows[1]["document"] == "old"
        if change is None:
            path.unlink()
        else:
            path.write_text(change)
        with pytest.raises(LongPOError) as raised:
            rows[1]
        assert (raised.value.exit_code, raised.value.code) == (4, "ROWS_CHANGED")
        return raised.value.message

    assert "rows.jsonl:2: changed since the run began (its bytes are others)" in refused(line("a") + line("b", "new"))
    assert "bytes and has" in refused(line("a") + line("b", "old") + line("c"))
    assert "the file is gone" in refused(None)


def test_a_file_that_only_got_a_new_time_is_read_on(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(line("a"))
    rows = PreferenceFile(path)
    path.write_text(line("a"))
    assert rows[0]["id"] == "a"


def test_reading_a_larger_file_takes_no_more_memory(tmp_path):
    """Twenty times the rows: 320 MB instead of 16 MB, and less than a twentieth of the difference in memory."""

    def peak(count: int) -> int:
        path = tmp_path / f"{count}.jsonl"
        row = line("r", "words of a long document " * 80_000)
        with path.open("w") as file:
            for _ in range(count):
                file.write(row)
        done = subprocess.run(
            [sys.executable, TESTS / "read_rows.py", path],
            env={"PYTHONPATH": str(TESTS.parent)},
            capture_output=True,
            text=True,
            check=True,
        )
        path.unlink()
        read, characters, memory = (int(word) for word in done.stdout.split())
        assert (read, characters) == (count, count * 2_000_000)
        return memory

    small, large = peak(8), peak(160)
    assert large - small < 15_000_000, f"8 rows: {small} bytes, 160 rows: {large} bytes"
