"""mlx-lm on the folders that the test conformance-mlx made of the demo model and of a small one: the weights are those that
mlx-lm's own conversion makes, bit for bit, and it loads them and computes what our worker computes.

Usage: mlx_lm_check.py FOLDER DEMO_MODEL"""
import json
import os
import pathlib
import shutil
import sys

os.environ["HF_HUB_OFFLINE"] = "1"

import mlx.core as mx  # noqa: E402
import mlx_lm  # noqa: E402

OURS, DEMO = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
ORIGINALS = {"demo": DEMO, "small": OURS / "small"}


def fail(message):
    raise SystemExit(f"FAILED: {message}")


def grids(folder):
    """The grid of a module by its name, as mlx-lm reads it."""
    stated = json.loads((folder / "config.json").read_text())["quantization"]
    usual = {name: stated[name] for name in ("bits", "group_size", "mode")}
    return lambda module: stated.get(module, usual)


def check_weights(name, ours, original, bits, group_size, mixed=None, **_):
    theirs = OURS / "theirs"
    shutil.rmtree(theirs, ignore_errors=True)
    mlx_lm.convert(str(original), str(theirs), quantize=True, q_group_size=group_size, q_bits=bits, quant_predicate=mixed)
    a, b = mx.load(str(ours / "model.safetensors")), mx.load(str(theirs / "model.safetensors"))
    if a.keys() != b.keys():
        fail(f"{name}: tensors differ: {sorted(a.keys() ^ b.keys())[:5]}")
    for tensor, value in a.items():
        if value.dtype != b[tensor].dtype or value.shape != b[tensor].shape or not mx.array_equal(value, b[tensor]):
            fail(f"{name}: {tensor} differs")
    index = [json.loads((folder / "model.safetensors.index.json").read_text()) for folder in (ours, theirs)]
    if index[0] != index[1]:
        fail(f"{name}: the index differs: {index[0]['metadata']} and {index[1]['metadata']}")
    own, their = grids(ours), grids(theirs)
    for tensor in a:
        module = tensor.removesuffix(".scales")
        if module != tensor and own(module) != their(module):
            fail(f"{name}: the grid of {module} differs: {own(module)} and {their(module)}")
    shutil.rmtree(theirs)
    print(f"{name}: {len(a)} tensors equal to those of mlx-lm")


def check_logits(name, folder, prompt, logits):
    model, tokenizer = mlx_lm.load(str(folder))
    # In f32, as our worker computes on a CPU: MLX's kernels there sum in the type they compute in.
    model.set_dtype(mx.float32)
    difference = mx.max(mx.abs(model(mx.array([prompt]))[0, -1] - mx.array(logits))).item()
    if not difference < 2e-3:
        fail(f"{name}: logits differ by {difference}")
    print(f"{name}: largest difference of a logit {difference:.2g}")
    return tokenizer


def check(case):
    folder = OURS / case["folder"]
    name = f"{case['original']} {case.get('mixed') or case['bits']}/{case['group_size']}"
    check_weights(name, folder, **case | {"original": ORIGINALS[case["original"]]})
    if "logits" not in case:
        return
    tokenizer = check_logits(name, folder, case["prompt"], case["logits"])
    text = "The lighthouse keeper wrote 12 letters."
    if case["original"] == "demo" and tokenizer.decode(tokenizer.encode(text)) != text:
        fail("the tokenizer's files do not work")


# mlx-lm wants a tokenizer beside every model; the small one's vocabulary is no real one.
for file in DEMO.glob("*token*"):
    shutil.copy(file, ORIGINALS["small"])
for case in json.loads((OURS / "expected.json").read_text()):
    if case["original"] == "small":
        for file in DEMO.glob("*token*"):
            shutil.copy(file, OURS / case["folder"])
    check(case)

folder = str(OURS / "demo-0")
steps = list(mlx_lm.stream_generate(*mlx_lm.load(folder), "The capital of France is", max_tokens=2))
if len(steps) != 2:
    fail(f"mlx-lm generated {steps}")
print(f"mlx-lm generates in the folder's own precision: {''.join(step.text for step in steps)!r}")
