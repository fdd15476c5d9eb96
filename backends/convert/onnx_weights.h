// Matrices of a safetensors folder into an ONNX file, a few megabytes at a time.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "block_quantize.h"
#include "decoder_source.h"
#include "floats.h"
#include "formats/onnx_writer.h"
#include "strop/backend.h"

namespace strop::convert {

// Rows of several tensors of one width, one below the other.
struct Stacked {
  std::vector<const formats::SafeTensor*> parts;
  std::uint64_t rows() const;
  std::uint64_t width() const;
};

// Names of a matrix's tensors in the graph; zero_points is empty where there are none.
struct QuantizedNames {
  std::string codes, scales, zero_points;
};

class OnnxWeights {
 public:
  OnnxWeights(formats::OnnxWriter& writer, const formats::SafetensorsModel& weights,
              const Workspace& workspace)
      : writer_(writer), weights_(weights), workspace_(workspace) {}

  // Every element in type `to`, as the safetensors have them: [rows, width], or [width].
  Result<void> write(const std::string& name, const Stacked& matrix, FloatType to);
  // The same transposed: [width, rows].
  Result<void> write_transposed(const std::string& name, const Stacked& matrix, FloatType to);
  // In blocks, rows of whole blocks, for MatMulNBits. With `gathered` the codes are there under
  // that name too, in the shape that GatherBlockQuantized wants.
  Result<QuantizedNames> write_quantized(const std::string& name, const Stacked& matrix,
                                         const BlockFormat& format,
                                         const std::string& gathered = {});

 private:
  // Appends rows [begin, end) of the matrix to out.
  Result<void> read_rows(const Stacked& matrix, std::uint64_t begin, std::uint64_t end,
                         FloatType to, std::string& out) const;
  void release(const Stacked& matrix) const;
  formats::OnnxWriter& writer_;
  const formats::SafetensorsModel& weights_;
  const Workspace& workspace_;
};

}  // namespace strop::convert
