"""The steps of bench/run pipeline that have no program of their own in the peers' tools: what one would write by hand.

  reference MODEL TEXT OUT           logits of the original in F32, by transformers
  onnxruntime FOLDER TEXT OUT N T    N timed requests in onnxruntime-genai, then divergence from the reference
  openvino FOLDER TEXT OUT N T       the same in OpenVINO

The last two print JSON: seconds of each request, scored tokens, mean KL divergence, perplexity.
"""

import json
import pathlib
import sys
import time

import numpy

CHUNK, PROMPT, NEW = 512, 256, 64


def chunks(folder, text):
    from tokenizers import Tokenizer

    ids = Tokenizer.from_file(str(folder / "tokenizer.json")).encode(text.read_text(encoding="utf-8"), add_special_tokens=False).ids
    return [ids[begin:begin + CHUNK] for begin in range(0, len(ids), CHUNK) if len(ids) - begin >= 64]


def log_softmax(rows):
    rows = rows.astype(numpy.float32)
    rows -= rows.max(-1, keepdims=True)
    return rows - numpy.log(numpy.exp(rows).sum(-1, keepdims=True))


def scores(rows_of, texts, out):
    """Mean KL divergence from the reference and perplexity, over every position that has a next token."""
    divergence = surprise = scored = 0
    for number, ids in enumerate(texts):
        expected = numpy.load(out / f"{number}.npy")
        got = log_softmax(rows_of(ids)[:-1])
        divergence += float((numpy.exp(expected) * (expected - got)).sum())
        surprise -= float(got[numpy.arange(len(ids) - 1), ids[1:]].sum())
        scored += len(ids) - 1
    return {"scored": scored, "kl_mean": divergence / scored, "perplexity": float(numpy.exp(surprise / scored))}


def timed(request, count):
    request()  # warm-up
    seconds = []
    for _ in range(count):
        begin = time.perf_counter()
        request()
        seconds.append(time.perf_counter() - begin)
    return seconds


def reference(model, text, out):
    import torch
    from transformers import AutoModelForCausalLM

    network = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    out.mkdir(parents=True, exist_ok=True)
    for number, ids in enumerate(chunks(model, text)):
        with torch.inference_mode():
            rows = network(torch.tensor([ids])).logits[0, :-1]
        numpy.save(out / f"{number}.npy", log_softmax(rows.numpy()))


def onnxruntime(folder, text, out, count, threads):
    import onnxruntime as runtime
    import onnxruntime_genai

    texts = chunks(folder, text)
    config = onnxruntime_genai.Config(str(folder))
    config.overlay(json.dumps({"model": {"decoder": {"session_options": {"intra_op_num_threads": threads}}}}))
    model = onnxruntime_genai.Model(config)

    def request():
        parameters = onnxruntime_genai.GeneratorParams(model)
        parameters.set_search_options(max_length=PROMPT + NEW, min_length=PROMPT + NEW, do_sample=False)
        generator = onnxruntime_genai.Generator(model, parameters)
        generator.append_tokens(texts[0][:PROMPT])
        while not generator.is_done():
            generator.generate_next_token()

    seconds = timed(request, count)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = runtime.InferenceSession(str(folder / "model.onnx"), options)
    decoder = json.loads((folder / "genai_config.json").read_text(encoding="utf-8"))["model"]["decoder"]
    nothing = numpy.zeros((1, decoder["num_key_value_heads"], 0, decoder["head_size"]), numpy.float32)
    past = {value.name: nothing for value in session.get_inputs() if value.name.startswith("past_key_values.")}

    def rows_of(ids):
        feed = {"input_ids": numpy.array([ids], numpy.int64), "attention_mask": numpy.ones((1, len(ids)), numpy.int64)}
        return session.run(["logits"], feed | past)[0][0]

    return {"seconds": seconds} | scores(rows_of, texts, out)


def openvino(folder, text, out, count, threads):
    import openvino as runtime

    texts = chunks(folder, text)
    compiled = runtime.Core().compile_model(folder / "openvino_model.xml", "CPU", {"INFERENCE_NUM_THREADS": threads})
    infer = compiled.create_infer_request()

    def rows_after(ids, before):
        feed = {"input_ids": numpy.array([ids], numpy.int64),
                "attention_mask": numpy.ones((1, before + len(ids)), numpy.int64),
                "position_ids": numpy.arange(before, before + len(ids), dtype=numpy.int64)[None],
                "beam_idx": numpy.zeros(1, numpy.int32)}
        return infer.infer(feed)["logits"][0]

    def rows_of(ids):
        infer.reset_state()
        return rows_after(ids, 0)

    def request():
        row = rows_of(texts[0][:PROMPT])[-1]
        for length in range(PROMPT, PROMPT + NEW - 1):
            row = rows_after([int(row.argmax())], length)[-1]

    return {"seconds": timed(request, count)} | scores(rows_of, texts, out)


def main(step, folder, text, out, *numbers):
    step = {"reference": reference, "onnxruntime": onnxruntime, "openvino": openvino}[step]
    result = step(*map(pathlib.Path, (folder, text, out)), *map(int, numbers))
    if result:
        print(json.dumps(result))


main(*sys.argv[1:])
