"""What transformers' AutoTokenizer makes of texts and chats: the yardstick of tokens.test.ts.

Reads {"folders", "texts", "chats"} from stdin and writes ids, texts and rendered chats of each folder to stdout, all as
JSON with ASCII escapes, so that no locale can change a character.
"""

import json
import sys

from transformers import AutoTokenizer


def reference(folder: str, texts: list[str], chats: list[list[dict]]) -> dict:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    encoded = [tokenizer.encode(text, add_special_tokens=False) for text in texts]

    def decoded(ids: list[int], skip: bool) -> str:
        return tokenizer.decode(ids, skip_special_tokens=skip, clean_up_tokenization_spaces=False)

    def rendered(chat: list[dict], prompt: bool) -> str:
        return tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=prompt)

    def chat_ids(chat: list[dict]) -> list[int]:
        return tokenizer.apply_chat_template(chat, tokenize=True, add_generation_prompt=True, return_dict=False)

    return {
        "ids": encoded,
        "with_special": [decoded(ids, False) for ids in encoded],
        "without_special": [decoded(ids, True) for ids in encoded],
        "chats": [[rendered(chat, False), rendered(chat, True)] for chat in chats],
        "chat_ids": [chat_ids(chat) for chat in chats],
    }


def main() -> None:
    request = json.load(sys.stdin)
    texts, chats = request["texts"], request["chats"]
    results = [reference(folder, texts, chats) for folder in request["folders"]]
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
