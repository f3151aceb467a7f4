"""A handler that takes and yields what worker-vllm's does (runpod-workers/worker-vllm: handler.py,
engine.py, utils.py), without a model: chunks are texts of server-sent events in growing batches, an
answer in one piece is one yielded dict, an error is a dict, in the form of vLLM before 0.10
({"object": "error", ...}) or of later ones ({"error": {...}}, of which RunPod's SDK sends the str()).

The words of an answer are "w0 w1 …". openai_input["mock"] says what else shall happen:
    tokens (5), delay (s before each, 0), batch (most events in a chunk, 9), raise_at, crash_at,
    error_at (an event), pieces (chunks of so many characters, events or not), values (no texts:
    RAW_OPENAI_OUTPUT=0), pad (characters of a word), new_errors
"""

import asyncio
import json
import os

MODELS = ("m", "org/m")


class Refused(Exception):
    def __init__(self, message, kind, code, param=None):
        super().__init__(message)
        self.body = {"message": message, "type": kind, "param": param, "code": code}


def error_of(refused, new):
    return {"error": refused.body} if new else {"object": "error", **refused.body}


def judge(asked):
    if asked.get("model") not in MODELS:
        raise Refused(f"The model `{asked.get('model')}` does not exist.", "NotFoundError", 404)
    if not 0 <= asked.get("temperature", 1) <= 2:
        raise Refused("temperature must be in [0, 2]", "BadRequestError", 400, "temperature")


def words(mock):
    for i in range(mock.get("tokens", 5)):
        yield f"w{i} " + "x" * mock.get("pad", 0)


def chunk(route, asked, word, finish=None):
    chat = route == "/v1/chat/completions"
    text = {"delta": {"role": "assistant", "content": word}} if chat else {"text": word}
    return {
        "id": "cmpl-1",
        "object": "chat.completion.chunk" if chat else "text_completion",
        "created": 1,
        "model": asked["model"],
        "choices": [{"index": 0, "finish_reason": finish, "logprobs": None, **text}],
    }


def whole(route, asked, text):
    chat = route == "/v1/chat/completions"
    said = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
    return {
        "id": "cmpl-1",
        "object": "chat.completion" if chat else "text_completion",
        "created": 1,
        "model": asked["model"],
        "choices": [{"index": 0, "finish_reason": "stop", "logprobs": None, **said}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 5, "total_tokens": 6},
    }


async def events(route, asked, mock):
    for i, word in enumerate(words(mock)):
        await asyncio.sleep(mock.get("delay", 0))
        if i == mock.get("raise_at"):
            raise RuntimeError("the model broke")
        if i == mock.get("crash_at"):
            os._exit(1)
        if i == mock.get("error_at"):
            body = {"message": "out of tokens", "type": "InternalError", "param": None, "code": 500}
            yield {"error": body}
            break
        yield chunk(route, asked, word)
    yield "[DONE]"


async def stream(route, asked, mock):
    """In batches of 1, 3, 9 events, as worker-vllm's BatchSize grows."""
    size, batch = 1, []

    def joined():
        if mock.get("values"):
            return [x for x in batch if x != "[DONE]"]
        return "".join(f"data: {x if isinstance(x, str) else json.dumps(x)}\n\n" for x in batch)

    async for event in events(route, asked, mock):
        batch.append(event)
        if len(batch) >= size:
            for piece in cut(joined(), mock.get("pieces")):
                yield piece
            size, batch = min(size * 3, mock.get("batch", 9)), []
    if batch:
        yield joined()


def cut(text, size):
    if not size:
        return [text]
    return [text[at : at + size] for at in range(0, len(text), size)]


async def answer(route, asked, mock):
    if route == "/v1/models":
        yield {
            "object": "list",
            "data": [{"id": x, "object": "model", "created": 1, "owned_by": "vllm"} for x in MODELS],
        }
    elif route == "/v1/embeddings":
        judge(asked)
        texts = asked["input"] if isinstance(asked["input"], list) else [asked["input"]]
        yield {
            "object": "list",
            "model": asked["model"],
            "data": [
                {"object": "embedding", "index": i, "embedding": [float(len(x)), 0.5]}
                for i, x in enumerate(texts)
            ],
            "usage": {"prompt_tokens": 1, "total_tokens": 1},
        }
    elif route in ("/v1/chat/completions", "/v1/completions"):
        judge(asked)
        if asked.get("stream"):
            async for each in stream(route, asked, mock):
                yield each
            return
        text = ""
        async for event in events(route, asked, mock):
            if event != "[DONE]":
                choice = event["choices"][0]
                text += choice.get("text") or choice["delta"]["content"]
        yield whole(route, asked, text.strip())
    else:
        raise Refused(f"Invalid route {route}", "BadRequestError", 400)


async def vllm(job):
    route, asked = job["input"]["openai_route"], job["input"]["openai_input"]
    mock = asked.get("mock", {})
    try:
        async for each in answer(route, asked, mock):
            yield each
    except Refused as refused:
        yield error_of(refused, mock.get("new_errors"))
