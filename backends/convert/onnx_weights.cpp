#include "onnx_weights.h"

#include <algorithm>
#include <cstring>
#include <thread>

#include "core/stop.h"

namespace strop::convert {
namespace {

using namespace formats;

constexpr std::uint64_t kChunkBytes = 8u << 20;

OnnxType onnx_type(FloatType type) {
  return type == FloatType::f32 ? OnnxType::f32 : OnnxType::f16;
}

std::string_view bytes_of(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

std::int64_t dimension(std::uint64_t size) { return static_cast<std::int64_t>(size); }

// At least one of `count`, and as many as fit in a chunk.
std::uint64_t per_chunk(std::uint64_t bytes_each) {
  return std::max<std::uint64_t>(1, kChunkBytes / bytes_each);
}

Error not_finite(const SafeTensor& tensor) {
  return Error{.code = ErrorCode::corrupt,
               .message = str("[optimize] the tensor ", tensor.name,
                              " holds a value that is not finite, or not in the range of the "
                              "wanted type"),
               .hint = "The weights are damaged, or need a wider type.",
               .field = tensor.name};
}

std::uint64_t rows_of(const SafeTensor& tensor) {
  return tensor.shape.size() > 1 ? tensor.shape[0] : 1;
}

// Copies columns [begin, end) of one tensor's rows below each other: out is [rows, end - begin].
void copy_columns(const SafeTensor& tensor, std::size_t element, std::uint64_t begin,
                  std::uint64_t end, std::string& out) {
  const std::uint64_t row_bytes = tensor.shape.back() * element;
  for (std::uint64_t row = 0; row < rows_of(tensor); ++row)
    out += tensor.data.substr(row * row_bytes + begin * element, (end - begin) * element);
}

// [rows, columns] -> [columns, stride], at the given row. In squares, so that both sides stay in
// the cache.
template <class T>
void transpose_into(const std::string& from, std::uint64_t rows, std::uint64_t columns,
                    std::string& to, std::uint64_t stride, std::uint64_t at) {
  constexpr std::uint64_t kSquare = 32;
  for (std::uint64_t r0 = 0; r0 < rows; r0 += kSquare) {
    for (std::uint64_t c0 = 0; c0 < columns; c0 += kSquare) {
      for (std::uint64_t r = r0; r < std::min(rows, r0 + kSquare); ++r) {
        for (std::uint64_t c = c0; c < std::min(columns, c0 + kSquare); ++c)
          std::memcpy(to.data() + (c * stride + at + r) * sizeof(T),
                      from.data() + (r * columns + c) * sizeof(T), sizeof(T));
      }
    }
  }
}

}  // namespace

std::uint64_t Stacked::rows() const {
  std::uint64_t sum = 0;
  for (const SafeTensor* part : parts) sum += rows_of(*part);
  return sum;
}

std::uint64_t Stacked::width() const { return parts.front()->shape.back(); }

void OnnxWeights::release(const Stacked& matrix) const {
  for (const SafeTensor* part : matrix.parts) weights_.files[part->file].release(part->data);
}

Result<void> OnnxWeights::read_rows(const Stacked& matrix, std::uint64_t begin, std::uint64_t end,
                                    FloatType to, std::string& out) const {
  STROP_CHECK(check_stop(workspace_.stop));
  std::uint64_t first = 0;
  for (const SafeTensor* part : matrix.parts) {
    const std::uint64_t rows = rows_of(*part), row_bytes = part->data.size() / rows;
    const std::uint64_t from = std::clamp(begin, first, first + rows) - first,
                        until = std::clamp(end, first, first + rows) - first;
    if (!append_converted(part->data.substr(from * row_bytes, (until - from) * row_bytes),
                          *float_type(part->type), to, out))
      return not_finite(*part);
    first += rows;
  }
  return {};
}

Result<void> OnnxWeights::write(const std::string& name, const Stacked& matrix, FloatType to) {
  const std::uint64_t rows = matrix.rows(), width = matrix.width();
  const bool is_vector = matrix.parts.front()->shape.size() == 1;
  const auto slot = writer_.tensor(
      name, onnx_type(to),
      is_vector ? std::vector{dimension(width)} : std::vector{dimension(rows), dimension(width)});
  const std::uint64_t step = per_chunk(width * element_bytes(to));
  std::string buffer;
  for (std::uint64_t begin = 0; begin < rows; begin += step) {
    buffer.clear();
    STROP_CHECK(read_rows(matrix, begin, std::min(rows, begin + step), to, buffer));
    STROP_CHECK(writer_.append(slot, buffer));
  }
  release(matrix);
  return {};
}

Result<void> OnnxWeights::write_transposed(const std::string& name, const Stacked& matrix,
                                           FloatType to) {
  const std::uint64_t rows = matrix.rows(), width = matrix.width();
  const auto slot = writer_.tensor(name, onnx_type(to), {dimension(width), dimension(rows)});
  const std::uint64_t step = per_chunk(rows * element_bytes(to));
  std::string columns, converted, out;
  for (std::uint64_t begin = 0; begin < width; begin += step) {
    STROP_CHECK(check_stop(workspace_.stop));
    const std::uint64_t end = std::min(width, begin + step);
    out.resize(rows * (end - begin) * element_bytes(to));
    std::uint64_t at = 0;
    for (const SafeTensor* part : matrix.parts) {
      const FloatType type = *float_type(part->type);
      columns.clear();
      converted.clear();
      copy_columns(*part, element_bytes(type), begin, end, columns);
      if (!append_converted(columns, type, to, converted)) return not_finite(*part);
      if (to == FloatType::f32)
        transpose_into<float>(converted, rows_of(*part), end - begin, out, rows, at);
      else
        transpose_into<std::uint16_t>(converted, rows_of(*part), end - begin, out, rows, at);
      at += rows_of(*part);
    }
    STROP_CHECK(writer_.append(slot, out));
  }
  release(matrix);
  return {};
}

Result<QuantizedNames> OnnxWeights::write_quantized(const std::string& name, const Stacked& matrix,
                                                    const BlockFormat& format,
                                                    const std::string& gathered) {
  const std::uint64_t rows = matrix.rows(), width = matrix.width(), blocks = width / format.block;
  const QuantizedNames names{.codes = str(name, "_q", format.bits),
                             .scales = name + "_scales",
                             .zero_points = format.symmetric ? "" : name + "_zero_points"};
  const auto codes = writer_.tensor(
      names.codes, OnnxType::u8,
      {dimension(rows), dimension(blocks), dimension(format.block * format.bits / 8)});
  if (!gathered.empty())
    writer_.alias(gathered, OnnxType::u8, {dimension(rows), dimension(width * format.bits / 8)},
                  codes);
  const auto scales =
      writer_.tensor(names.scales, OnnxType::f32, {dimension(rows), dimension(blocks)});
  const auto zero_points =
      format.symmetric
          ? scales
          : writer_.tensor(names.zero_points, OnnxType::u8,
                           {dimension(rows), dimension(zero_point_bytes(width, format))});
  const unsigned threads = std::max(1u, std::thread::hardware_concurrency());
  const std::uint64_t step = per_chunk(width * sizeof(float));
  std::string buffer;
  for (std::uint64_t begin = 0; begin < rows; begin += step) {
    buffer.clear();
    STROP_CHECK(read_rows(matrix, begin, std::min(rows, begin + step), FloatType::f32, buffer));
    const std::span values(reinterpret_cast<const float*>(buffer.data()),
                           buffer.size() / sizeof(float));
    const QuantizedRows made = quantize_rows(values, width, format, threads);
    STROP_CHECK(writer_.append(codes, made.codes));
    STROP_CHECK(writer_.append(scales, bytes_of(made.scales)));
    if (!format.symmetric) STROP_CHECK(writer_.append(zero_points, made.zero_points));
  }
  release(matrix);
  return names;
}

}  // namespace strop::convert
