"""What OpenAI's Python client makes of a server, as one JSON object. Arguments: base URL, model, context length."""

import json
import sys

import openai

base_url, model, context_length = sys.argv[1], sys.argv[2], int(sys.argv[3])
client = openai.OpenAI(base_url=base_url, api_key="none", max_retries=0)
messages = [{"role": "user", "content": "What is the capital of France?"}]
greedy = {"model": model, "temperature": 0, "max_tokens": 12}


def error_of(**request):
    """Class, status, code and field of the error that a chat raises."""
    try:
        client.chat.completions.create(**{**greedy, "messages": messages, **request})
    except openai.APIStatusError as error:
        return [type(error).__name__, error.status_code, error.code, error.param]
    return None


whole = client.chat.completions.create(messages=messages, **greedy)
chunks = list(
    client.chat.completions.create(messages=messages, stream=True, stream_options={"include_usage": True}, **greedy)
)
echo = client.completions.create(prompt="The sea is blue", echo=True, logprobs=1, **greedy | {"max_tokens": 1})
logprobs = echo.choices[0].logprobs
print(
    json.dumps(
        {
            "models": [entry.id for entry in client.models.list()],
            "whole": whole.choices[0].message.content,
            "streamed": "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices),
            "usage": [whole.usage.total_tokens, chunks[-1].usage.total_tokens],
            "echo": [len(logprobs.token_logprobs) - echo.usage.prompt_tokens, logprobs.token_logprobs[0]],
            "errors": {
                "model": error_of(model="gpt-4"),
                "length": error_of(max_tokens=2 * context_length),
                "field": error_of(temperature=9),
            },
        }
    )
)
