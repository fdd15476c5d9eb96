"""Artifacts in their frameworks' own runtimes: each goes on after a prompt as our session goes on.

Usage: parity.py llama_cpp FOLDER PROGRAM KERNELS   (llama-simple or llama-completion)
       parity.py mlx FOLDER [generated]
       parity.py onnxruntime|openvino FOLDER

FOLDER is what the test conformance-parity made: artifacts, and in expected.json the ids that our session chose, with the gap
between its two best logits at each. The runtime may take another id only where that gap is below NEAR_TIE: such a place is
printed and ends the comparison of that text. A runtime may end early where our session chose the end of the text.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys

NEAR_TIE = 0.01  # logits; two orders of summation in f32 differ by some 0.0001
LEAST_SHARE = 0.75  # of the tokens, that must be compared before near-ties end it

os.environ["HF_HUB_OFFLINE"] = "1"


def fail(message):
    sys.exit(f"FAILED: {message}")


def alike(name, case, theirs, eos):
    """How many of their tokens are ours, up to a near-tie or the end of the text."""
    for place, own in enumerate(case["ids"]):
        if place == len(theirs):
            if eos not in case["ids"][max(0, place - 1):place + 1]:  # some runtimes give the end's token, some do not
                fail(f"{name}: ended after {place} tokens of {case['prompt']!r}, where our session chose {own}")
            return place
        if own != theirs[place]:
            gap = case["gaps"][place]
            if gap >= NEAR_TIE:
                fail(f"{name}: token {place} of {case['prompt']!r} is {theirs[place]}, not {own}, by a gap of {gap:.4g}")
            print(f"{name}: near-tie at token {place} of {case['prompt']!r}: {theirs[place]} or {own}, gap {gap:.2g}")
            return place
    return len(case["ids"])


def ids_in(case, text):
    """The ids of our session that a text begins with, and -1 for what follows when it differs there."""
    # Half a character is in no text: a longer beginning decides.
    count = max((place + 1 for place, own in enumerate(case["texts"]) if text.startswith(own)), default=0)
    ours = case["texts"][count - 1] if count else ""
    return case["ids"][:count] + ([-1] if len(text) > len(ours) else [])


def llama_cpp(artifact, program, kernels):
    """A program of llama.cpp with the CPU variant that our session used: it takes the best-scored one of its working folder.
    llama-completion is what llama-cli was before it answered in chats only."""
    if not pathlib.Path(program).exists():
        print(f"skipped: {program} is missing, tools/setup --bench-tools builds it")
        sys.exit(77)
    folder = pathlib.Path(artifact["folder"]).parent / "kernels"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    library = f"libggml-cpu-{artifact['cpu_variant']}.so"
    (folder / library).symlink_to(pathlib.Path(kernels) / library)
    file, name = pathlib.Path(artifact["folder"]) / artifact["entry"], pathlib.Path(program).name
    flags, ending = {"llama-simple": ([], "\n"),
                     "llama-completion": (["-c", "512", "-t", "1", "--temp", "0", "--no-conversation", "--no-escape", "-p"],
                                          "\n\n")}[name]
    for case in artifact["cases"]:
        done = subprocess.run([program, "-m", file, "-n", str(len(case["ids"])), *flags, case["prompt"]], cwd=folder,
                              timeout=120, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                              check=False)
        if done.returncode != 0:
            fail(f"{name} ended with {done.returncode}: {done.stderr[-500:]}")
        if not done.stdout.startswith(case["prompt"]):
            fail(f"{name} answers {done.stdout[:200]!r}")
        text = done.stdout.removeprefix(case["prompt"]).removesuffix(ending).removesuffix(" [end of text]\n")
        yield case, ids_in(case, text)


def mlx(artifact, how="evaluated"):
    """Our ids evaluated at once, mlx-lm's own choice at each place, and one short text really generated, as that is slow here.
    `generated`: every text is, in full."""
    import mlx.core as mx
    import mlx_lm

    model, tokenizer = mlx_lm.load(artifact["folder"])
    model.set_dtype(mx.float32)  # as our worker computes on a CPU: MLX's kernels there sum in the type they compute in

    def evaluated(case):
        ids = case["prompt_ids"] + case["ids"][:-1]
        return mx.argmax(model(mx.array([ids]))[0, len(case["prompt_ids"]) - 1:], axis=-1).tolist()

    def generated(case):
        return [step.token for step in mlx_lm.stream_generate(model, tokenizer, case["prompt_ids"], max_tokens=len(case["ids"]))]

    for case in artifact["cases"]:
        if tokenizer.encode(case["prompt"]) != case["prompt_ids"]:
            fail(f"mlx-lm's tokenizer gives {tokenizer.encode(case['prompt'])} for {case['prompt']!r}")
        yield case, generated(case) if how == "generated" else evaluated(case)
    if how == "evaluated":
        case = artifact["cases"][0]
        short = case | {"ids": case["ids"][:8], "gaps": case["gaps"][:8]}
        yield short, generated(short)


def onnxruntime(artifact):
    import onnxruntime_genai

    model = onnxruntime_genai.Model(artifact["folder"])
    tokenizer = onnxruntime_genai.Tokenizer(model)
    for case in artifact["cases"]:
        prompt = [int(id) for id in tokenizer.encode(case["prompt"])]
        if prompt != case["prompt_ids"]:
            fail(f"onnxruntime-genai's tokenizer gives {prompt} for {case['prompt']!r}")
        parameters = onnxruntime_genai.GeneratorParams(model)
        parameters.set_search_options(max_length=len(prompt) + len(case["ids"]), do_sample=False)
        generator = onnxruntime_genai.Generator(model, parameters)
        generator.append_tokens(prompt)
        ids = []
        while len(ids) < len(case["ids"]) and not generator.is_done():
            generator.generate_next_token()
            ids.append(int(generator.get_next_tokens()[0]))
        yield case, ids


def openvino(artifact):
    import openvino
    import openvino_genai
    from openvino_tokenizers import convert_tokenizer
    from transformers import AutoTokenizer

    folder = pathlib.Path(artifact["folder"])
    tokenizer, detokenizer = convert_tokenizer(AutoTokenizer.from_pretrained(folder / "tokenizer"), with_detokenizer=True)
    openvino.save_model(tokenizer, folder / "openvino_tokenizer.xml")
    openvino.save_model(detokenizer, folder / "openvino_detokenizer.xml")
    pipeline = openvino_genai.LLMPipeline(folder, "CPU", INFERENCE_PRECISION_HINT="f32", KV_CACHE_PRECISION="f32",
                                          DYNAMIC_QUANTIZATION_GROUP_SIZE=0)
    for case in artifact["cases"]:
        prompt = pipeline.get_tokenizer().encode(case["prompt"], add_special_tokens=False)
        if prompt.input_ids.data[0].tolist() != case["prompt_ids"]:
            fail(f"the converted tokenizer gives {prompt.input_ids.data[0].tolist()} for {case['prompt']!r}")
        config = openvino_genai.GenerationConfig(max_new_tokens=len(case["ids"]), do_sample=False, ignore_eos=True)
        yield case, list(pipeline.generate(prompt, config).tokens[0])


RUNTIMES = {"llama_cpp": llama_cpp, "mlx": mlx, "onnxruntime": onnxruntime, "openvino": openvino}


def main(framework, folder, *more):
    expected = pathlib.Path(folder) / framework / "expected.json"
    for artifact in json.loads(expected.read_text(encoding="utf-8")):
        name = f"{framework} {artifact['name']}"
        compared = same = 0
        for case, ids in RUNTIMES[framework](artifact, *more):
            ends = case["ids"].index(artifact["eos"]) + 1 if artifact["eos"] in case["ids"] else len(case["ids"])
            compared += ends
            same += alike(name, case, ids, artifact["eos"])
        print(f"{name}: {same} of {compared} tokens are the same")
        if same < LEAST_SHARE * compared:
            fail(f"{name}: too few tokens could be compared")


main(*sys.argv[1:])
