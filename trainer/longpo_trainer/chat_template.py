"""A dialogue as the text pieces of the model's own chat template.

The template is rendered on growing message lists and each piece is the suffix that the next message added, so the
template's separators are kept and nothing is ever searched for in a document.
"""

from __future__ import annotations

from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from .errors import LongPOError

PROBE = ("LongPO probe question", "LongPO probe answer")


@dataclass(frozen=True)
class Piece:
    text: str
    written: bool
    """True for what the model itself wrote: an answer. Its end of turn is ``ChatTemplate.end_of_turn``."""


class ChatTemplate:
    """Renders prompts and answers; what the template puts around an answer is measured once, on a probe."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        if not tokenizer.chat_template:
            raise LongPOError(2, "CHAT_TEMPLATE_MISSING", "the tokenizer has no chat template; LongPO needs one.")
        question, answer = PROBE
        prompt = self.prompt([user(question)])
        added = self._added(prompt, self._render([user(question), assistant(answer)], False))
        self._before, found, self.end_of_turn = added.partition(answer)
        if not found:
            raise self._unsupported(f"it renders the answer {answer!r} as {added!r}")

    def prompt(self, messages: list[dict[str, str]]) -> str:
        """What a server feeds the model to have it answer."""
        return self._render(messages, True)

    def answer(self, rendered: str, messages: list[dict[str, str]]) -> tuple[list[Piece], str]:
        """Pieces of the last message, an answer to the ``rendered`` prompt, and all text up to its end of turn."""
        text = self._render(messages, False)
        added = self._added(rendered, text)
        content = messages[-1]["content"]
        for body in (content, content.strip()):
            if body and added == self._before + body + self.end_of_turn:
                return self._answer_pieces(body), text
        raise self._unsupported(f"it renders the answer {content[:80]!r} as {added[:120]!r}")

    def question(self, rendered: str, messages: list[dict[str, str]]) -> tuple[Piece, str]:
        """The piece that a further question adds, with the header of the answer to it."""
        text = self._render(messages, True)
        return Piece(self._added(rendered, text), written=False), text

    def _answer_pieces(self, body: str) -> list[Piece]:
        # A space before the answer is the model's own first token; a longer lead-in is the template's.
        if self._before.strip():
            return [Piece(self._before, written=False), Piece(body, written=True)]
        return [Piece(self._before + body, written=True)]

    def _render(self, messages: list[dict[str, str]], add_generation_prompt: bool) -> str:
        return self._tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=add_generation_prompt
        )

    def _added(self, before: str, after: str) -> str:
        if not after.startswith(before):
            raise self._unsupported(
                f"a message more changes the text before it ({before[-80:]!r} is not kept), "
                "so answers cannot be told from the template's own text"
            )
        return after[len(before) :]

    @staticmethod
    def _unsupported(what: str) -> LongPOError:
        return LongPOError(2, "CHAT_TEMPLATE_UNSUPPORTED", f"the chat template cannot be trained with: {what}.")


def user(content: str) -> dict[str, str]:
    return {"role": "user", "content": content}


def assistant(content: str) -> dict[str, str]:
    return {"role": "assistant", "content": content}
