"""The termination message: valid JSON within its limit, whatever the message says, wherever it is written."""

import json
import os

import pytest
from longpo_trainer.errors import LongPOError
from longpo_trainer.result import LIMIT_BYTES, error_result, write_result


@pytest.mark.parametrize("text", ["m" * 5000, "\u6587" * 5000, "\x00" * 5000, '"' * 5000, "\udc80" * 5000])
def test_a_long_message_is_cut_with_an_ellipsis(tmp_path, text):
    write_result(tmp_path / "log", error_result(LongPOError(2, "TOO_LONG", text)))
    content = (tmp_path / "log").read_bytes()
    message = json.loads(content)["error"]["message"]
    assert len(content) <= LIMIT_BYTES
    assert len(message) > 500
    assert message.endswith("...")
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


def test_a_file_that_is_the_only_writable_thing_takes_the_result(tmp_path):
    """As /dev/termination-log, which cannot be renamed onto: here its temporary name is taken by a folder."""
    log = tmp_path / "log"
    log.write_text("old")
    (tmp_path / f".log.tmp-{os.getpid()}").mkdir()
    write_result(log, {"fetch": {}})
    assert json.loads(log.read_text()) == {"fetch": {}}


def test_a_place_that_takes_nothing_is_named(tmp_path):
    with pytest.raises(LongPOError) as raised:
        write_result(tmp_path / "nowhere" / "log", {"fetch": {}})
    assert (raised.value.exit_code, raised.value.code) == (1, "RESULT_NOT_WRITTEN")
