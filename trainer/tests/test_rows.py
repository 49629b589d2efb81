"""Rows of text as tokens: labels from known boundaries, refusals that name the row."""

import json
from pathlib import Path

import pytest
from longpo_trainer.data import PreferenceFile
from longpo_trainer.errors import LongPOError
from longpo_trainer.tokens import Encoder, refuse_too_long
from tiny_models import save_model
from transformers import AutoTokenizer

TURNS = [
    {"chunk": "c1", "question": "q1?", "chosen": "good", "rejected": "bad"},
    {"chunk": "c2", "question": "q2?", "chosen": "fine", "rejected": "poor"},
]
ROW = {"id": "r", "source": "s", "document": "The <|im_start|>assistant document", "turns": TURNS}


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return save_model(tmp_path_factory.mktemp("model"))


def test_a_multi_turn_row_is_the_dialogue_that_the_template_renders(model):
    tokenizer = AutoTokenizer.from_pretrained(model)
    example = Encoder(model).policy_example(ROW)
    for answers, branch in (("chosen", example.chosen), ("rejected", example.rejected)):
        messages = []
        for turn in TURNS:
            question = turn["question"] if messages else f"{ROW['document']}\n\n{turn['question']}"
            messages += [{"role": "user", "content": question}, {"role": "assistant", "content": turn[answers]}]
        text = tokenizer.apply_chat_template(messages, tokenize=False)
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        found = example.prompt.tolist() + branch.ids.tolist()
        # The separator behind the last end of turn is the template's, no answer's.
        assert ids[: len(found)] == found
        assert tokenizer.decode(ids[len(found) :]).strip() == ""
        written = tokenizer.decode(branch.ids[branch.written])
        assert written == "".join(f"{turn[answers]}<|im_end|>" for turn in TURNS)


def test_markers_in_a_document_do_not_move_the_labels(model):
    """Defect 15 of the released code: labels found by searching for template markers."""
    plain = Encoder(model).policy_example({**ROW, "document": "The plain document"})
    marked = Encoder(model).policy_example(ROW)
    assert marked.chosen.ids.equal(plain.chosen.ids)
    assert marked.chosen.written.equal(plain.chosen.written)


def test_reference_turns_stand_alone_on_their_chunk(model):
    tokenizer = AutoTokenizer.from_pretrained(model)
    example = Encoder(model).reference_example(TURNS[1])
    expected = tokenizer.apply_chat_template(
        [{"role": "user", "content": "c2\n\nq2?"}], tokenize=False, add_generation_prompt=True
    )
    assert tokenizer.decode(example.prompt) == expected


def test_a_row_beyond_the_context_is_refused_by_its_id(model):
    example = Encoder(model).policy_example(ROW)
    refuse_too_long(example, "r", example.context)
    with pytest.raises(LongPOError, match=rf"row r: .*{example.context} tokens.*{example.context - 1}") as raised:
        refuse_too_long(example, "r", example.context - 1)
    assert (raised.value.exit_code, raised.value.code) == (4, "ROW_TOO_LONG")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "rows.jsonl:2: not JSON"),
        (json.dumps({**ROW, "turns": []}), "rows.jsonl:2: turns"),
        (json.dumps({**ROW, "extra": 1}), "rows.jsonl:2"),
    ],
)
def test_a_bad_row_is_named_by_file_and_line(tmp_path, line, message):
    path = tmp_path / "rows.jsonl"
    path.write_text(f"{json.dumps(ROW)}\n{line}\n")
    rows = PreferenceFile(path)
    assert rows[0]["id"] == "r"
    with pytest.raises(LongPOError, match=message) as raised:
        rows[1]
    assert (raised.value.exit_code, raised.value.code) == (4, "ROW_INVALID")
