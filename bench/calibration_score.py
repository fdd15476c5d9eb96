"""How often models choose what the float model chooses: calibration_score.py FLOAT SAMPLES MODEL...

One JSON line: for each MODEL the part of positions whose highest output is the float model's."""

import json
import pathlib
import sys

import numpy
import onnxruntime


def session(path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def main(original, samples, *models):
    original, candidates = session(original), [session(model) for model in models]
    same, count = [0] * len(models), 0
    for file in sorted(pathlib.Path(samples).glob("*.npz")):
        with numpy.load(file) as arrays:
            feed = dict(arrays)
        best = original.run(None, feed)[0].argmax(-1)
        count += best.size
        for index, candidate in enumerate(candidates):
            same[index] += int((candidate.run(None, feed)[0].argmax(-1) == best).sum())
    print(json.dumps({"positions": count, "agreement": [hits / count for hits in same]}))


main(*sys.argv[1:])
