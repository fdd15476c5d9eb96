#include "gguf_tensors.h"

#include <algorithm>
#include <span>

#include "core/stop.h"
#include "decoder_layout.h"

namespace strop::convert {
namespace {

using namespace formats;

constexpr std::size_t kChunkBytes = 8u << 20;

// Rows of one tensor in the wanted type.
class Rows {
 public:
  Rows(const SafeTensor& tensor, std::uint64_t rows, FloatType to)
      : data_(tensor.data),
        from_(*float_type(tensor.type)),
        to_(to),
        row_bytes_(tensor.data.size() / rows) {}

  Rows(const MlxMatrix& matrix, FloatType to)
      : data_(matrix.weight.data),
        from_(FloatType::f32),
        to_(to),
        row_bytes_(packed_bytes(matrix.grid, matrix.columns)),
        matrix_(&matrix) {}

  std::uint64_t row_bytes() const { return row_bytes_; }

  // False when a value is not finite in the wanted type.
  bool append(std::uint64_t row, std::uint64_t count, std::string& out) {
    if (!matrix_)
      return append_converted(data_.substr(row * row_bytes_, count * row_bytes_), from_, to_, out);
    bool finite = true;
    for (std::uint64_t end = row + count; row < end; ++row) finite &= append_unpacked(row, out);
    return finite;
  }

 private:
  // The row's scales or biases, as bytes of f32.
  bool widen(const SafeTensor& tensor, std::uint64_t row, std::string& out) const {
    const std::uint64_t bytes = tensor.data.size() / matrix_->rows;
    out.clear();
    return append_converted(tensor.data.substr(row * bytes, bytes), *float_type(tensor.type),
                            FloatType::f32, out);
  }

  bool append_unpacked(std::uint64_t row, std::string& out) {
    if (!widen(matrix_->scales, row, scales_) || !widen(matrix_->biases, row, biases_))
      return false;
    const auto floats = [](const std::string& bytes) {
      return std::span(reinterpret_cast<const float*>(bytes.data()), bytes.size() / sizeof(float));
    };
    values_.resize(matrix_->columns);
    dequantise_row(data_.substr(row * row_bytes_, row_bytes_), matrix_->grid, floats(scales_),
                   floats(biases_), values_);
    return append_converted(
        {reinterpret_cast<const char*>(values_.data()), values_.size() * sizeof(float)}, from_, to_,
        out);
  }

  std::string_view data_;
  FloatType from_, to_;
  std::uint64_t row_bytes_;
  const MlxMatrix* matrix_ = nullptr;
  std::string scales_, biases_;
  std::vector<float> values_;
};

class TensorCopy {
 public:
  TensorCopy(GgufWriter& writer, const SafetensorsModel& weights, const MlxMatrices& packed)
      : writer_(writer), weights_(weights), packed_(packed) {}

  Result<void> copy(const TensorPlan& plan, FloatType to) {
    const std::uint64_t count = plan.shape.size() > 1 ? plan.shape[0] : 1;
    const auto packed = packed_.find(plan.source);
    if (packed != packed_.end())
      return copy_rows(Rows(packed->second, to), packed->second.weight, count, plan);
    STROP_TRY(const SafeTensor* tensor, expected_tensor(weights_, plan));
    return copy_rows(Rows(*tensor, count, to), *tensor, count, plan);
  }

 private:
  // Converts in chunks of whole rows, so that memory stays at a few megabytes whatever the tensor's
  // size.
  Result<void> copy_rows(Rows rows, const SafeTensor& tensor, std::uint64_t count,
                         const TensorPlan& plan) {
    const std::uint64_t rows_per_chunk = std::max<std::uint64_t>(1, kChunkBytes / rows.row_bytes());
    for (std::uint64_t begin = 0; begin < count; begin += rows_per_chunk) {
      const std::uint64_t end = std::min(count, begin + rows_per_chunk);
      buffer_.clear();
      bool finite = true;
      if (plan.rotary_heads == 0) {
        finite = rows.append(begin, end - begin, buffer_);
      } else {
        for (std::uint64_t row = begin; row < end; ++row)
          finite &= rows.append(source_row(row, count, plan.rotary_heads), 1, buffer_);
      }
      if (!finite) {
        return Error{
            .code = ErrorCode::corrupt,
            .message =
                str("[optimize] the tensor ", plan.source,
                    " holds a value that is not finite, or not in the range of the wanted type"),
            .hint = "The weights are damaged; no artifact made of them could be right.",
            .field = plan.source};
      }
      STROP_CHECK(writer_.append(buffer_));
    }
    weights_.files[tensor.file].release(tensor.data);
    return {};
  }

  GgufWriter& writer_;
  const SafetensorsModel& weights_;
  const MlxMatrices& packed_;
  std::string buffer_;
};

}  // namespace

FloatType stored_type(const TensorPlan& tensor, FloatType type) {
  return tensor.always_f32 || tensor.shape.size() == 1 ? FloatType::f32 : type;
}

std::uint32_t file_type(FloatType type) {
  return type == FloatType::f32 ? 0 : type == FloatType::f16 ? 1 : 32;
}

const TensorType& ggml_type(FloatType type) {
  return *tensor_type(type == FloatType::f32 ? "f32" : type == FloatType::f16 ? "f16" : "bf16");
}

void add_identity(GgufWriter& writer, const std::string& architecture,
                  const std::filesystem::path& folder) {
  writer.add("general.architecture", architecture);
  writer.add("general.type", "model");
  writer.add("general.name", folder.filename().string());
  if (const std::string license = read_license(folder); !license.empty())
    writer.add("general.license", license);
}

void declare_tensors(GgufWriter& writer, const std::vector<TensorPlan>& plan, FloatType type) {
  for (const TensorPlan& tensor : plan)
    writer.add_tensor(tensor.name, ggml_type(stored_type(tensor, type)),
                      {tensor.shape.rbegin(), tensor.shape.rend()});
}

Result<void> append_tensors(GgufWriter& writer, const SafetensorsModel& weights,
                            const MlxMatrices& packed, const std::vector<TensorPlan>& plan,
                            FloatType type, const Workspace& workspace) {
  TensorCopy copier(writer, weights, packed);
  for (std::size_t i = 0; i < plan.size(); ++i) {
    STROP_CHECK(check_stop(workspace.stop));
    if (workspace.progress)
      workspace.progress->report(static_cast<double>(i) / static_cast<double>(plan.size()),
                                 plan[i].name);
    STROP_CHECK(copier.copy(plan[i], stored_type(plan[i], type)));
  }
  return {};
}

}  // namespace strop::convert
