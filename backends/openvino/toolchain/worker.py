"""NNCF on OpenVINO IR files: compresses the weights of decoders, quantises tensor models with calibration samples."""
import importlib.metadata
import logging
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).absolute().parent.parent))
import protocol  # noqa: E402
from protocol import Refusal  # noqa: E402

sys.modules["openvino_telemetry"] = None  # NNCF does without what cannot be imported, so nothing is reported home

NAME = "nncf"
# backends/openvino/rewrite.cpp puts positions into these; in 8 bits the model would be wrong at depth.
POSITION_TABLES = ("rope_cos_table", "rope_sin_table")
SWITCHES = ("awq", "scale_estimation", "gptq", "all_layers")
WEIGHTS = ("method", "mode", "group_size", "ratio", "calibration", *SWITCHES)
ACTIVATIONS = ("method", "model_type", "preset", "max_drop", "calibration")
MOST_SAMPLES = 1 << 16


def switch(params, name):
    return params.get(name) is not None and protocol.choice(NAME, params, name, ("on", "off")) == "on"


def show_progress(task):
    """NNCF draws bars on the terminal; what moves them is told to Strop instead."""
    from nncf.common.logging import nncf_logger
    from nncf.common.logging.track_progress import track

    nncf_logger.setLevel(logging.WARNING)
    walk, move = track.__iter__, track.update

    def iterate(self):
        total = len(self.sequence) if hasattr(self.sequence, "__len__") else 0
        for count, item in enumerate(walk(self)):
            task.report(count / total if total else 0, str(self.description).strip(" ."))
            yield item

    def update(self, advance, **more):
        move(self, advance, **more)
        done = [shown.percentage for shown in self.progress.tasks if shown.id == self.task]
        task.report(done[0] / 100 if done else 0, str(self.description).strip(" ."))

    track.__iter__, track.update = iterate, update


def flatten_activations():
    """Decoders of the GGUF frontend have activations of four dimensions, of which GPTQ of NNCF 3.4 knows at most three."""
    from nncf.quantization.algorithms.weight_compression.gptq import GPTQ

    calculate = GPTQ._calculate_hessian

    def of_rows(self, node, inputs, is_3d_weight=False):
        if not is_3d_weight:
            inputs = [rows.reshape((-1, rows.shape[-1])) if len(rows.shape) > 3 else rows for rows in inputs]
        return calculate(self, node, inputs, is_3d_weight)

    GPTQ._calculate_hessian = of_rows


def position_tables(model):
    """Operations that read the tables: they must stay as they are."""
    readers = set()
    for node in model.get_ordered_ops():
        if node.get_friendly_name().startswith(POSITION_TABLES):
            for output in node.outputs():
                readers.update(target.get_node().get_friendly_name() for target in output.get_target_inputs())
    return sorted(readers)


def samples_for(model, request):
    """Feeds of the samples' arrays, checked against the model's inputs. A decoder's sample holds input_ids; masks and
    positions follow from it."""
    import numpy

    inputs = {name for port in model.inputs for name in port.get_names()}
    _, params = protocol.params_of(request)
    most = protocol.number(NAME, params, "calibration", 1, MOST_SAMPLES, MOST_SAMPLES)
    feeds = []
    for path in protocol.samples(request)[:most]:
        try:
            with numpy.load(path, allow_pickle=False) as arrays:
                feed = {name: arrays[name] for name in arrays.files}
        except (OSError, ValueError) as error:
            raise Refusal("corrupt", f"[{NAME}] {path.name} is no sample: {error}", field="calibration", value=path.name)
        unknown = sorted(set(feed) - inputs)
        if unknown:
            raise Refusal("invalid_input", f"[{NAME}] {path.name} has the array {unknown[0]}, which is no input of the model.",
                          field="calibration", value=unknown[0])
        if "beam_idx" in inputs and "input_ids" in feed:
            ids = feed["input_ids"].astype("int64")
            if ids.ndim != 2 or ids.shape[0] != 1 or ids.shape[1] == 0:
                raise Refusal("invalid_input", f"[{NAME}] input_ids must be of shape [1, n], but are {list(ids.shape)} in "
                              f"{path.name}.", field="calibration", value=path.name)
            feed = {"input_ids": ids, "attention_mask": numpy.ones_like(ids),
                    "position_ids": numpy.arange(ids.shape[1], dtype="int64")[None], "beam_idx": numpy.zeros(1, "int32")}
        missing = sorted({port.get_any_name() for port in model.inputs} - set(feed))
        if missing:
            raise Refusal("invalid_input", f"[{NAME}] {path.name} lacks the model's input {missing[0]}.", field="calibration",
                          value=missing[0])
        feeds.append(feed)
    return feeds


def needs_samples(feeds, what):
    if not feeds:
        raise Refusal("invalid_input", f"[{NAME}] {what} needs calibration samples, and there are none.",
                      "Choose a recipe without calibration or give --data.", "calibration")


def compress_weights(model, params, request):
    import nncf

    protocol.known_only(NAME, params, WEIGHTS)
    mode = protocol.choice(NAME, params, "mode", ("int8_sym", "int8_asym", "int4_sym", "int4_asym"))
    options = {"mode": nncf.CompressWeightsMode(mode), "ignored_scope": nncf.IgnoredScope(names=position_tables(model))}
    four_bits = mode.startswith("int4")
    if four_bits:
        options["group_size"] = protocol.number(NAME, params, "group_size", -1, 1024, 64)
        options["ratio"] = protocol.number(NAME, params, "ratio", 0.0, 1.0, 1.0, float)
        options["all_layers"] = switch(params, "all_layers")
    elif params.keys() & {"group_size", "ratio", *SWITCHES}:
        raise Refusal("invalid_input", f"[{NAME}] {mode} has one scale per row: group_size, ratio and the methods for 4 bits do "
                      "not apply.", field="mode", value=mode)
    wanted = [name for name in ("awq", "scale_estimation", "gptq") if switch(params, name)]
    if wanted:
        feeds = samples_for(model, request)
        needs_samples(feeds, " and ".join(wanted))
        flatten_activations()
        options |= {name: True for name in wanted}
        options |= {"dataset": nncf.Dataset(feeds), "subset_size": len(feeds)}
    notes = [f"NNCF weight compression {mode}" + (f", groups of {options['group_size']}" if four_bits else "") +
             (f", {', '.join(wanted)} on {len(feeds)} samples" if wanted else "") + "."]
    if four_bits and not options["all_layers"]:
        notes.append("The embedding and the output layer are in 8 bits.")
    return nncf.compress_weights(model, **options), notes


def outputs_of(compiled, feed):
    import numpy

    request = compiled.create_infer_request()
    return [numpy.asarray(value, "float64").ravel() for value in request.infer(feed).values()]


def similarity(compiled, pairs):
    """Mean cosine similarity of the outputs to the original's, and that of every sample."""
    import numpy

    each = []
    for feed, original in pairs:
        cosines = []
        for ours, theirs in zip(outputs_of(compiled, feed), original):
            length = numpy.linalg.norm(ours) * numpy.linalg.norm(theirs)
            cosines.append(float(ours @ theirs / length) if length else 1.0)
        each.append(float(numpy.mean(cosines)))
    return float(numpy.mean(each)), each


def quantise(model, params, request, accuracy_aware):
    import nncf
    import openvino

    protocol.known_only(NAME, params, ACTIVATIONS)
    feeds = samples_for(model, request)
    needs_samples(feeds, "post-training quantisation")
    preset = nncf.QuantizationPreset(protocol.choice(NAME, {"preset": "mixed"} | params, "preset", ("mixed", "performance")))
    options = {"preset": preset}
    if "model_type" in params:
        options["model_type"] = nncf.ModelType(protocol.choice(NAME, params, "model_type", ("transformer",)))
    if not accuracy_aware:
        made = nncf.quantize(model, nncf.Dataset(feeds), subset_size=len(feeds), **options)
        return made, [f"NNCF int8 quantisation of weights and activations, calibrated on {len(feeds)} samples."]
    drop = protocol.number(NAME, params, "max_drop", 0.0, 1.0, 0.01, float)
    if len(feeds) < 4:
        raise Refusal("invalid_input", f"[{NAME}] accuracy-aware quantisation needs at least 4 samples, but got {len(feeds)}.",
                      field="calibration", value=len(feeds))
    held_out = max(1, len(feeds) // 4)
    original = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    checked = [(feed, outputs_of(original, feed)) for feed in feeds[-held_out:]]
    # The similarity of the samples that were not calibrated with.
    made = nncf.quantize_with_accuracy_control(
        model, nncf.Dataset(feeds[:-held_out]), nncf.Dataset(checked), lambda compiled, pairs: similarity(compiled, pairs),
        max_drop=drop, drop_type=nncf.DropType.ABSOLUTE, subset_size=len(feeds) - held_out, **options)
    compiled = openvino.Core().compile_model(made, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    reached, _ = similarity(compiled, checked)
    if 1 - reached > drop:
        raise Refusal("backend", f"[{NAME}] no quantised model keeps within a drop of {drop}: the best has a cosine similarity of "
                      f"{reached:.4f} to the original.", "Allow a larger max_drop.", "max_drop", drop)
    return made, [f"NNCF accuracy-aware int8 quantisation: cosine similarity {reached:.4f} to the original on {held_out} samples "
                  f"that were not calibrated with; allowed was a drop of {drop}."]


class Nncf(protocol.Backend):
    name = NAME

    def info(self):
        openvino = importlib.metadata.version("openvino")
        return super().info() | {"version": importlib.metadata.version("nncf"), "notes": [f"works on IR of OpenVINO {openvino}"]}

    def build(self, request, task):
        op, params = protocol.params_of(request)
        if op != "quantize":
            raise Refusal("unsupported", f"[{NAME}] this worker only quantises, but op is {op}.", field="op", value=op)
        method = protocol.choice(NAME, params, "method", ("weights", "post_training", "accuracy_aware"))
        if request["model"].get("format") != "openvino_ir":
            raise Refusal("unsupported", f"[{NAME}] the input must be OpenVINO IR, but is {request['model'].get('format')}.",
                          "Name a step of the worker openvino before.", "format", request["model"].get("format"))
        source, workspace = pathlib.Path(request["model"]["path"]), pathlib.Path(request["workspace"])
        task.report(0, "starting NNCF")
        import openvino

        show_progress(task)
        model = openvino.Core().read_model(source)
        if method == "weights":
            model, notes = compress_weights(model, params, request)
        else:
            model, notes = quantise(model, params, request, method == "accuracy_aware")
        task.report(1, "writing the IR")
        # Compression would turn the position tables into f16.
        openvino.save_model(model, workspace / "openvino_model.xml", compress_to_fp16=False)
        files = ["openvino_model.xml", "openvino_model.bin"] + protocol.bring_tokenizer(source.parent, workspace)
        return protocol.artifact(f"nncf {importlib.metadata.version('nncf')}", "openvino_ir", "openvino_model.xml", files, notes)


protocol.serve(Nncf())
