"""mlx-lm on the folders that the test conformance-mlx made of the demo model: the weights are those that mlx-lm's own
conversion makes, bit for bit, and it loads them and goes on as our worker does.

Usage: mlx_lm_check.py FOLDER DEMO_MODEL"""
import json
import os
import pathlib
import shutil
import sys

os.environ["HF_HUB_OFFLINE"] = "1"

import mlx.core as mx  # noqa: E402
import mlx_lm  # noqa: E402

OURS, DEMO = pathlib.Path(sys.argv[1]), sys.argv[2]
EXPECTED = json.loads((OURS / "expected.json").read_text())


def fail(message):
    raise SystemExit(f"FAILED: {message}")


def check_weights(name, **how):
    theirs = OURS / f"theirs-{name}"
    shutil.rmtree(theirs, ignore_errors=True)
    mlx_lm.convert(DEMO, str(theirs), quantize=True, q_group_size=64, q_bits=4, **how)
    a, b = mx.load(str(OURS / name / "model.safetensors")), mx.load(str(theirs / "model.safetensors"))
    if a.keys() != b.keys():
        fail(f"{name}: tensors differ: {sorted(a.keys() ^ b.keys())[:5]}")
    for tensor, value in a.items():
        if value.dtype != b[tensor].dtype or value.shape != b[tensor].shape or not mx.array_equal(value, b[tensor]):
            fail(f"{name}: {tensor} differs")
    index = [json.loads((folder / "model.safetensors.index.json").read_text()) for folder in (OURS / name, theirs)]
    if index[0] != index[1]:
        fail(f"{name}: the index differs: {index[0]['metadata']} and {index[1]['metadata']}")
    usual = [json.loads((folder / "config.json").read_text())["quantization"] for folder in (OURS / name, theirs)]
    for module in usual[0].keys() | usual[1].keys():
        grids = [one.get(module, {"bits": 4, "group_size": 64, "mode": "affine"}) for one in usual]
        if grids[0] != grids[1]:
            fail(f"{name}: the grid of {module} differs: {grids}")
    shutil.rmtree(theirs)
    print(f"{name}: {len(a)} tensors equal to those of mlx-lm")


def greedy(model, tokenizer, count):
    steps = mlx_lm.stream_generate(model, tokenizer, EXPECTED["prompt"], max_tokens=count)
    return [step.token for step in steps]


check_weights("int4")
check_weights("mixed_4_6", quant_predicate="mixed_4_6")

model, tokenizer = mlx_lm.load(str(OURS / "int4"))
tokens = greedy(model, tokenizer, 2)
if len(tokens) != 2:
    fail(f"mlx-lm generated {tokens}")
print(f"mlx-lm generates in the folder's own precision: {tokens}")

# In f32, as our worker computes on a CPU: MLX's kernels there sum in the type they compute in.
model.set_dtype(mx.float32)
logits = model(mx.array([EXPECTED["prompt"]]))[0, -1]
difference = mx.max(mx.abs(logits - mx.array(EXPECTED["logits"]))).item()
print(f"largest difference of a logit: {difference}")
if not difference < 2e-3:
    fail("logits differ")
tokens = greedy(model, tokenizer, len(EXPECTED["generated"]))
if tokens != EXPECTED["generated"]:
    fail(f"mlx-lm goes on with {tokens}, our worker with {EXPECTED['generated']}")
text = "The lighthouse keeper wrote 12 letters."
if tokenizer.decode(tokenizer.encode(text)) != text:
    fail("the tokenizer's files do not work")
print(f"the same {len(tokens)} greedy tokens: {tokens}")
