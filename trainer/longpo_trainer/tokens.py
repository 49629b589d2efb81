"""Preference rows as token ids, with the model's own tokenizer.

Each piece of a dialogue is tokenised by itself. So the prompt has exactly the tokens that a server makes of it, an
answer's tokens are known by where they stand, and no marker is looked for.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoTokenizer, GenerationConfig

from .chat_template import ChatTemplate, assistant, user
from .errors import LongPOError
from .layout import NO_BRANCH, Branch, PackedRow, pack

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "chat_template.json",
)


@dataclass(frozen=True)
class Example:
    """A prompt and the two dialogues that follow it."""

    prompt: Tensor
    chosen: Branch
    rejected: Branch

    @property
    def tokens(self) -> int:
        """Of the packed row."""
        return len(self.prompt) + len(self.chosen) + len(self.rejected)

    @property
    def context(self) -> int:
        """Positions the model needs: the branches share theirs."""
        return len(self.prompt) + max(len(self.chosen), len(self.rejected))

    def packed(self, degree: int = 1, per_turn: bool = False) -> PackedRow:
        """See ``layout.pack``."""
        return pack(self.prompt, self.chosen, self.rejected, degree, per_turn)


class Encoder:
    """Turns rows of text into examples; sft does not look at rejected answers, so its examples have none."""

    def __init__(self, folder: Path, method: str = "longpo") -> None:
        self._pairs = method != "sft"
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError) as error:
            raise LongPOError(2, "TOKENIZER_INVALID", f"{folder}: no usable tokenizer ({error}).") from error
        self._template = ChatTemplate(self._tokenizer)
        closing, end_tokens = self._ids(self._template.end_of_turn), self._end_tokens(folder)
        ends = [index for index, token in enumerate(closing.tolist()) if token in end_tokens]
        written = ends[0] + 1 if ends else len(closing)
        self._end_of_turn, self._separator = closing[:written], closing[written:]

    def policy_example(self, row: dict) -> Example:
        """The whole dialogue on the long document; turn k follows the chosen, or the rejected, answers before it."""
        first = row["turns"][0]
        questions = [f"{row['document']}\n\n{first['question']}"]
        questions += [turn["question"] for turn in row["turns"][1:]]
        return self._example(
            questions,
            [turn["chosen"] for turn in row["turns"]],
            [turn["rejected"] for turn in row["turns"]],
        )

    def reference_example(self, turn: dict) -> Example:
        """One turn by itself on its short chunk."""
        return self._example([f"{turn['chunk']}\n\n{turn['question']}"], [turn["chosen"]], [turn["rejected"]])

    def _example(self, questions: list[str], chosen: list[str], rejected: list[str]) -> Example:
        prompt = self._template.prompt([user(questions[0])])
        return Example(
            self._ids(prompt),
            self._branch(prompt, questions, chosen),
            self._branch(prompt, questions, rejected) if self._pairs else NO_BRANCH,
        )

    def _branch(self, rendered: str, questions: list[str], answers: list[str]) -> Branch:
        parts: list[tuple[Tensor, bool]] = []
        messages = []
        for turn, (question, answer) in enumerate(zip(questions, answers, strict=True)):
            messages.append(user(question))
            if turn > 0:
                piece, rendered = self._template.question(rendered, messages)
                parts += [(self._separator, False), (self._ids(piece.text), piece.written)]
            messages.append(assistant(answer))
            pieces, rendered = self._template.answer(rendered, messages)
            parts += [(self._ids(piece.text), piece.written) for piece in pieces]
            parts.append((self._end_of_turn, True))
        return Branch(
            ids=torch.cat([ids for ids, _ in parts]),
            written=torch.cat([torch.full((len(ids),), written) for ids, written in parts]),
        )

    def _ids(self, text: str) -> Tensor:
        # The template writes the BOS itself; the tokenizer must not put a second one before it.
        ids = self._tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        return torch.tensor(ids, dtype=torch.long)

    def _end_tokens(self, folder: Path) -> set[int]:
        ends = {self._tokenizer.eos_token_id}
        if (folder / "generation_config.json").is_file():
            stated = GenerationConfig.from_pretrained(folder, local_files_only=True).eos_token_id
            ends |= set(stated if isinstance(stated, list) else [stated])
        return ends - {None}


def tokenizer_digest(folder: Path) -> str:
    """SHA-256 over the tokenizer's files: what decides which tokens a text becomes."""
    digest = hashlib.sha256()
    for name in TOKENIZER_FILES:
        if (folder / name).is_file():
            digest.update(f"{name}\n".encode())
            digest.update((folder / name).read_bytes())
    return f"sha256:{digest.hexdigest()}"


def refuse_too_long(example: Example, row_id: str, limit: int) -> None:
    """Refuses a row that does not fit: cutting it would train on a document without its question."""
    if example.context > limit:
        raise LongPOError(
            4,
            "ROW_TOO_LONG",
            f"row {row_id}: prompt and longer answer have {example.context} tokens, the limit is contextLength "
            f"{limit}; generate the rows for this context length.",
        )
