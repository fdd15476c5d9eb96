"""onnxruntime's own static quantisation, calibrated by percentile: calibration_peer.py MODEL SAMPLES OUT PERCENTILE.

MODEL is simplified already, as its manual says to do first: calibration_peer.py simplify MODEL RAISED OUT. RAISED is the
model with a newer set of operators, which its scales per channel need, and nothing else."""

import pathlib
import sys

import numpy
import onnx
import onnx.version_converter
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

OPSET = 17


class Samples(CalibrationDataReader):
    def __init__(self, folder):
        self.files = iter(sorted(pathlib.Path(folder).glob("*.npz")))

    def get_next(self):
        file = next(self.files, None)
        if file is None:
            return None
        with numpy.load(file) as arrays:
            return dict(arrays)


def main(arguments):
    if arguments[0] == "simplify":
        raised = onnx.version_converter.convert_version(onnx.load(arguments[1]), OPSET)
        onnx.save(raised, arguments[2])
        quant_pre_process(arguments[2], arguments[3], skip_symbolic_shape=True)
        return
    model, samples, out, percentile = arguments
    quantize_static(model, out, Samples(samples), quant_format=QuantFormat.QDQ, per_channel=True,
                    activation_type=QuantType.QInt8, weight_type=QuantType.QInt8,
                    calibrate_method=CalibrationMethod.Percentile,
                    extra_options={"CalibPercentile": float(percentile)})


main(sys.argv[1:])
