"""The check of a preference file: shared by the ranks, refused at its first bad row, never made twice."""

import json
from pathlib import Path

import numpy as np
import pytest
from longpo_trainer.data import PreferenceFile
from longpo_trainer.facts_file import FactsFile
from longpo_trainer.process_group import joined_world
from longpo_trainer.row_facts import RowCheck
from longpo_trainer.tokens import Encoder
from ranks import run_ranks, run_ranks_to_outcomes
from stage import Silent, rows_file
from tiny_models import save_model


class Counting(Encoder):
    """Keeps how many rows it was given."""

    count = 0

    def policy_example(self, row: dict):
        self.count += 1
        return super().policy_example(row)


def check(folder: Path, path: Path, stops: bool = False, limit: int = 512) -> tuple[list, int]:
    """Turns and tokens of the rows, and how many of them this rank looked at; ``stops`` rises after one of each."""
    with joined_world(1, 2) as world:
        encoder = Counting(folder / "model")
        rows = PreferenceFile(path)
        work = RowCheck(rows, encoder, limit, world, Silent(), lambda: stops and encoder.count > 0)
        facts = work.facts(FactsFile(folder / "rows", {"rows": rows.digest}))
    return list(zip(facts.turns.tolist(), facts.tokens.tolist(), strict=True)), encoder.count


@pytest.fixture
def folder(tmp_path) -> Path:
    save_model(tmp_path / "model")
    return tmp_path


def test_a_stopped_check_goes_on_behind_the_rows_that_were_checked(folder):
    path = rows_file(folder, count=5)
    outcomes = run_ranks_to_outcomes(2, check, folder, path, True)
    assert all(error.startswith("PREEMPTED: stopped after 2 of 5 rows") for error, _ in outcomes), outcomes[0][0][:300]
    (facts, first), (same, second) = run_ranks(2, check, folder, path)
    encoder = Encoder(folder / "model")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert facts == same == [(len(row["turns"]), encoder.policy_example(row).tokens) for row in rows]
    assert (first, second) == (2, 1)


def test_the_first_bad_row_is_the_one_that_all_ranks_name(folder):
    path = rows_file(folder, count=6)
    lines = path.read_text().splitlines()
    for bad in (3, 4):
        lines[bad] = "{}"
    path.write_text("\n".join(lines) + "\n")
    outcomes = run_ranks_to_outcomes(2, check, folder, path)
    assert all("ROW_INVALID" in error and "rows.jsonl:4: " in error for error, _ in outcomes), outcomes[0][0][:300]


def test_what_a_crash_left_of_the_last_part_is_not_kept(tmp_path):
    kept = FactsFile(tmp_path / "facts", {"rows": "one"})
    facts = np.array([[1, 10], [2, 20], [1, 30]], dtype=np.int32)
    assert len(kept.open()) == 0
    kept.append(facts)
    assert kept.open().tolist() == facts.tolist()
    for tail in (b"\1\0\0", bytes(64)):
        with kept.path.open("ab") as file:
            file.write(tail)
        assert kept.open().tolist() == facts.tolist()
    kept.append(facts[:1])
    assert len(kept.open()) == 4
    assert len(FactsFile(kept.path, {"rows": "another"}).open()) == 0
