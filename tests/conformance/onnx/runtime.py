"""Our ONNX artifacts in ONNX Runtime, against llama.cpp's F32; onnxruntime-genai on them is in tests/conformance/parity.

Every artifact: logits near the reference's by its precision; logits_start and a cache that grows change nothing. F32 and
F16: the same greedy tokens as llama.cpp. Two best logits that lie nearer to each other than NEAR_TIE may come in either
order: such a place is printed and ends the comparison.
The encoder: states and sentence embeddings as numpy computes them in double precision.
"""

import json
import math
import pathlib
import sys

import numpy
import onnxruntime

NEAR_TIE = 0.01
# By artifact: most squared error over squared size, most mean KL divergence. Those of quantised weights are somewhat
# above what was measured; a scale or zero point out of its place costs several nats.
LIMITS = {"f32": (1e-9, 1e-7), "f16": (1e-9, 1e-7), "int8": (None, 0.02), "int8_asymmetric_64": (None, 0.03),
          "int4": (None, 0.75), "int4_asymmetric_8": (None, 0.45)}


class Session:
    def __init__(self, folder):
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options)
        self.past = [value.name for value in self.session.get_inputs() if value.name.startswith("past_key_values.")]
        shape = self.session.get_inputs()[2].shape
        self.empty = [numpy.zeros((1, shape[1], 0, shape[3]), numpy.float32)] * len(self.past)

    def run(self, ids, cache=None, start=None):
        """Rows of logits, and the cache after the ids."""
        cache = cache or self.empty
        length = cache[0].shape[2] + len(ids)
        feed = {"input_ids": numpy.array([ids], numpy.int64), "attention_mask": numpy.ones((1, length), numpy.int64)}
        feed |= zip(self.past, cache)
        if start is not None:
            feed["logits_start"] = numpy.array([start], numpy.int64)
        out = self.session.run(None, feed)
        return out[0][0], out[1:]

    def continued(self, prompt, count):
        """New ids, chosen greedily."""
        ids, (rows, cache) = [], self.run(prompt, start=-1)
        while True:
            ids.append(int(numpy.argmax(rows[-1])))
            if len(ids) == count:
                return ids
            rows, cache = self.run(ids[-1:], cache)


def log_softmax(rows):
    rows = rows.astype(numpy.float64)
    rows -= rows.max(-1, keepdims=True)
    return rows - numpy.log(numpy.exp(rows).sum(-1, keepdims=True))


def check_logits(name, session, ids, reference):
    rows, _ = session.run(ids)
    assert rows.shape == reference.shape, rows.shape
    error = ((rows - reference) ** 2).sum() / (reference**2).sum()
    expected, got = log_softmax(reference), log_softmax(rows)
    divergence = (numpy.exp(expected) * (expected - got)).sum(-1).mean()
    print(f"{name}: squared error {error:.3g} of squared size, KL {divergence:.4g}")
    most_error, most_divergence = LIMITS[name]
    assert most_error is None or error <= most_error, error
    assert divergence <= most_divergence, divergence

    most = numpy.abs(rows).max()
    half = len(ids) // 2
    first, cache = session.run(ids[:half], start=half - 1)
    assert first.shape[0] == 1
    rest, _ = session.run(ids[half:], cache, start=1)
    assert rest.shape[0] == len(ids) - half - 1
    last, _ = session.run(ids, start=-1)
    for part, whole in ((first[0], rows[half - 1]), (rest, rows[half + 1:]), (last[0], rows[-1])):
        assert numpy.abs(part - whole).max() <= 1e-4 * most, numpy.abs(part - whole).max()


def check_alike(what, expected, gaps, got):
    """The same ids, up to a near-tie."""
    for place, (one, other) in enumerate(zip(expected, got)):
        if one != other:
            assert gaps[place] < NEAR_TIE, f"{what}: token {place} is {other}, not {one}, by a gap of {gaps[place]}"
            print(f"{what}: near-tie at token {place}, gap {gaps[place]:.2g}")
            return


def safetensors(path):
    raw = path.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:8 + length])
    return {name: numpy.frombuffer(raw[8 + length:], numpy.float32, offset=entry["data_offsets"][0],
                                   count=(entry["data_offsets"][1] - entry["data_offsets"][0]) // 4)
            .reshape(entry["shape"]).astype(numpy.float64)
            for name, entry in header.items() if entry.get("dtype") == "F32"}


def encoded(config, tensors, ids, mask, types):
    """BERT's forward pass of one text in double precision, and the direction of its tokens' mean."""
    def linear(x, name):
        return x @ tensors[name + ".weight"].T + tensors[name + ".bias"]

    def normalised(x, name):
        x = x - x.mean(-1, keepdims=True)
        x = x / numpy.sqrt((x**2).mean(-1, keepdims=True) + config["layer_norm_eps"])
        return x * tensors[name + ".weight"] + tensors[name + ".bias"]

    def heads(x):
        return x.reshape(len(ids), config["num_attention_heads"], -1).transpose(1, 0, 2)

    tables = "embeddings.{}_embeddings.weight"
    x = tensors[tables.format("word")][ids] + tensors[tables.format("token_type")][types]
    x = normalised(x + tensors[tables.format("position")][:len(ids)], "embeddings.LayerNorm")
    for layer in range(config["num_hidden_layers"]):
        name = f"encoder.layer.{layer}."
        query, key, value = (heads(linear(x, f"{name}attention.self.{side}")) for side in ("query", "key", "value"))
        scores = query @ key.transpose(0, 2, 1) / numpy.sqrt(query.shape[-1]) + numpy.where(mask, 0, -1e30)
        shares = numpy.exp(scores - scores.max(-1, keepdims=True))
        attended = (shares / shares.sum(-1, keepdims=True) @ value).transpose(1, 0, 2).reshape(x.shape)
        x = normalised(x + linear(attended, name + "attention.output.dense"), name + "attention.output.LayerNorm")
        inner = linear(x, name + "intermediate.dense")
        inner = inner / 2 * (1 + numpy.vectorize(math.erf)(inner / math.sqrt(2)))
        x = normalised(x + linear(inner, name + "output.dense"), name + "output.LayerNorm")
    mean = (x * numpy.array(mask)[:, None]).sum(0) / sum(mask)
    return x, mean / numpy.linalg.norm(mean)


def check_encoder(folder, original):
    """Two texts of different length in one batch, against each alone."""
    config = json.loads((original / "config.json").read_text(encoding="utf-8"))
    tensors = safetensors(original / "model.safetensors")
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
    random = numpy.random.default_rng(3)
    ids = random.integers(0, config["vocab_size"], (2, 17))
    types = random.integers(0, 2, ids.shape)
    mask = numpy.ones_like(ids)
    mask[1, 11:] = 0
    states, sentences = session.run(["last_hidden_state", "sentence_embedding"],
                                    {"input_ids": ids, "attention_mask": mask, "token_type_ids": types})
    worst = 0
    for row in range(2):
        expected, sentence = encoded(config, tensors, ids[row], mask[row], types[row])
        kept = mask[row] == 1
        worst = max(worst, numpy.abs(states[row] - expected)[kept].max(), numpy.abs(sentences[row] - sentence).max())
    print(f"encoder: {worst:.3g} away at most")
    assert worst < 1e-4, worst


def main(folder):
    folder = pathlib.Path(folder)
    check_encoder(folder / "encoder", folder / "encoder_original")
    reference = json.loads((folder / "reference.json").read_text(encoding="utf-8"))
    ids = reference["ids"]
    logits = numpy.fromfile(folder / "logits.f32", numpy.float32).reshape(len(ids), -1)
    compared = 0
    for name in LIMITS:
        session = Session(folder / name)
        check_logits(name, session, ids, logits)
        if not LIMITS[name][0]:
            continue
        for case in reference["prompts"]:
            own = session.continued(case["prompt"], len(case["continuation"]))
            compared += len(own)
            check_alike(f"{name}, llama.cpp", case["continuation"], case["gaps"], own)
    print(f"{compared} tokens compared with llama.cpp's")


main(*sys.argv[1:])
