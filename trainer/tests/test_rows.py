"""Rows of text as tokens: labels from known boundaries, refusals that name the row."""

import json
from pathlib import Path

import pytest
from longpo_trainer.data import PreferenceFile
from longpo_trainer.errors import LongPOError
from longpo_trainer.tokens import Encoder, refuse_too_long
from tiny_models import save_model
from tokenizers import processors
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


def test_defect_15_markers_in_a_document_do_not_move_the_labels(model):
    """Defect 15 of the released code: labels found by searching for template markers."""
    plain = Encoder(model).policy_example({**ROW, "document": "The plain document"})
    marked = Encoder(model).policy_example(ROW)
    assert marked.chosen.ids.equal(plain.chosen.ids)
    assert marked.chosen.written.equal(plain.chosen.written)


@pytest.mark.parametrize("field", ["chunk", "question", "chosen", "rejected"])
def test_defect_15_markers_anywhere_in_a_turn_are_text_and_labels_stay_where_they_are_known(model, field):
    """The text of every answer is labelled, to the letter, whatever the question or the answer says."""
    tokenizer, marker = AutoTokenizer.from_pretrained(model), "<|im_start|>assistant\nI say"
    turns = [{**turn, field: f"{turn[field]} {marker} {turn[field]}"} for turn in TURNS]
    examples = [Encoder(model).policy_example({**ROW, "turns": turns}), Encoder(model).reference_example(turns[0])]
    for example, answered in zip(examples, (turns, turns[:1]), strict=True):
        for answers, branch in (("chosen", example.chosen), ("rejected", example.rejected)):
            expected = "".join(f"{turn[answers]}<|im_end|>" for turn in answered)
            assert tokenizer.decode(branch.ids[branch.written]) == expected
            assert int(branch.turns.max()) + 1 == len(answered)


def test_defect_11_a_template_that_writes_the_bos_gets_no_second_one(tmp_path):
    """Text with a BOS was tokenised with special tokens again, which a Mistral or Llama tokenizer begins with one."""
    model = save_model(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(model)
    bos, end = tokenizer.bos_token, tokenizer.eos_token
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A", special_tokens=[(bos, tokenizer.bos_token_id)]
    )
    tokenizer.chat_template = (
        "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}[INST] {{ m['content'] }} [/INST]"
        "{% else %} {{ m['content'] }}{{ eos_token }}{% endif %}{% endfor %}"
    )
    tokenizer.save_pretrained(model)
    assert AutoTokenizer.from_pretrained(model)("a")["input_ids"][0] == tokenizer.bos_token_id, "it adds one itself"
    encoder, row = Encoder(model), {**ROW, "document": "The document"}
    for example in (encoder.policy_example(row), encoder.reference_example(TURNS[0])):
        assert example.prompt[0] == tokenizer.bos_token_id
        for branch in (example.chosen, example.rejected):
            assert tokenizer.bos_token_id not in [*example.prompt[1:].tolist(), *branch.ids.tolist()]
    chosen = encoder.policy_example(row).chosen
    assert tokenizer.decode(chosen.ids[chosen.written]) == f" good{end} fine{end}"


def test_reference_turns_stand_alone_on_their_chunk(model):
    tokenizer = AutoTokenizer.from_pretrained(model)
    example = Encoder(model).reference_example(TURNS[1])
    expected = tokenizer.apply_chat_template(
        [{"role": "user", "content": "c2\n\nq2?"}], tokenize=False, add_generation_prompt=True
    )
    assert tokenizer.decode(example.prompt) == expected


def test_defect_10_a_row_beyond_the_context_is_refused_by_its_id(model):
    """Defect 10 of the released code: a prompt cut on its right loses the question. Here nothing is ever cut."""
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
