"""Who the others wait for: found from what each rank tells, and told before any collective gives up."""

import os
import time
from pathlib import Path

import pytest
from longpo_trainer.errors import LongPOError
from longpo_trainer.hang_watch import Seen, find_hang
from longpo_trainer.process_group import joined_world
from ranks import run_ranks_to_outcomes

LIMIT, NOW = 60.0, 1000.0


def seen(phase: str, moves: int, waits: bool, still: float, silent: float = 1, lane: str = "training") -> Seen:
    place = {"phase": phase, "moves": moves, "waits": waits}
    beat = {"number": 7, "places": {lane: place}, "left": False, "host": "pod"}
    return Seen(beat, NOW - silent, {lane: NOW - still})


@pytest.mark.parametrize(
    ("ranks", "blamed", "words"),
    [
        ([seen("step 2", 9, True, 10), seen("step 2", 8, False, 59)], None, ""),
        (
            [seen("step 2", 9, True, 70), seen("step 2", 8, False, 70, silent=70)],
            [1],
            "rank 1 (step 2, host pod) sent no",
        ),
        ([Seen(beat_at=NOW - 10), Seen(beat_at=NOW - 10)], None, ""),
        ([seen("first meeting", 2, True, 70), Seen(beat_at=NOW - 70)], [1], "rank 1 (start) never came"),
        ([seen("load", 3, False, 70), seen("load", 4, True, 70)], [0], "rank 0 (load, host pod) did not come"),
        ([seen("step 9", 5, False, 70), seen("step 9", 4, False, 70)], [], "the furthest behind: rank 1 (step 9"),
        (
            [seen("step 9", 5, False, 70, silent=70), seen("step 9", 4, False, 70, silent=70)],
            [],
            "in the pod of rank 0",
        ),
    ],
    ids=[
        "nobody yet",
        "a frozen one",
        "all begin",
        "one that never came",
        "one at other work",
        "all alike",
        "the meeting place",
    ],
)
def test_the_rank_that_did_not_come_is_named(ranks: list[Seen], blamed: list[int] | None, words: str):
    hang = find_hang(ranks, NOW, LIMIT)
    assert (hang and hang.ranks) == blamed
    assert words in (hang.message if hang else "")


def test_a_rank_that_is_done_is_not_missed():
    left = seen("export", 9, False, 500, silent=500)
    left.beat["left"] = True
    assert find_hang([seen("export", 9, False, 20), left], NOW, LIMIT) is None


def test_the_writer_of_a_checkpoint_is_named_while_training_goes_on():
    busy = seen("step 5", 50, False, 1)
    stuck = seen("step 5", 50, False, 1)
    for rank, waits in ((busy, True), (stuck, False)):
        rank.beat["places"]["write"] = {"phase": "checkpoint write of step 4", "moves": 1, "waits": waits}
        rank.moved_at["write"] = NOW - 70
    hang = find_hang([busy, stuck], NOW, LIMIT)
    assert (hang.ranks, "checkpoint write of step 4" in hang.message) == ([1], True)


def work(folder: Path) -> None:
    """Rank 1 never ends its share of the load."""

    def on_hang(error: LongPOError) -> None:
        (folder / f"error-{os.environ['RANK']}").write_text(f"{error.exit_code} {error.code}: {error.message}")

    with joined_world(1, 2, timeout_seconds=10, on_hang=on_hang) as world:
        world.progress.enter("load")
        world.from_every_rank(lambda: time.sleep(120 * world.rank))


def test_a_rank_that_is_stuck_in_its_own_work_ends_all_of_them(tmp_path):
    started = time.monotonic()
    outcomes = run_ranks_to_outcomes(2, work, tmp_path)
    # Killed by its watch, or by the news that the other was: whichever comes first.
    assert all(error for error, _ in outcomes), outcomes
    assert time.monotonic() - started < 100, "nobody waited for the sleeper"
    told = [path.read_text() for path in sorted(tmp_path.iterdir())]
    assert any(text.startswith("1 RANK_HUNG: rank 1 (load") for text in told), told
