#include <algorithm>
#include <cstring>

#include "core/message.h"
#include "core/tensor_inputs.h"

namespace strop {
using protocol::TensorPlace;

namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kMaxTensors = 1024;

Error broken(const std::string& what) {
  return Error{.code = ErrorCode::corrupt,
               .message = str("a tensor of the worker protocol ", what)};
}

// Bytes of a dense tensor of that shape; fails on overflow or a negative dimension.
Result<std::size_t> bytes_of(const Tensor& tensor) {
  std::size_t bytes = element_bytes(tensor.type);
  for (std::int64_t dimension : tensor.shape) {
    if (dimension < 0 || __builtin_mul_overflow(bytes, static_cast<std::size_t>(dimension), &bytes))
      return broken(str(tensor.name, " has an impossible shape"));
  }
  return bytes;
}

}  // namespace

std::size_t element_bytes(ElementType type) {
  switch (type) {
    case ElementType::i64:
      return 8;
    case ElementType::f32:
    case ElementType::i32:
      return 4;
    case ElementType::f16:
    case ElementType::bf16:
      return 2;
    case ElementType::i8:
    case ElementType::u8:
    case ElementType::boolean:
      return 1;
  }
  return 1;
}

Result<std::vector<TensorPlace>> tensors_to(std::span<const Tensor> tensors,
                                            std::span<std::byte> block) {
  std::vector<TensorPlace> places;
  std::size_t offset = 0;
  for (const Tensor& tensor : tensors) {
    STROP_TRY(const std::size_t bytes, bytes_of(tensor));
    if (bytes != tensor.data.size())
      return broken(
          str(tensor.name, " must hold ", bytes, " bytes, but holds ", tensor.data.size()));
    if (offset > block.size() || bytes > block.size() - offset)
      return broken(str(tensor.name, " does not fit the shared block of ", block.size(), " bytes"));
    std::copy(tensor.data.begin(), tensor.data.end(),
              block.begin() + static_cast<std::ptrdiff_t>(offset));
    places.push_back({tensor.name, tensor.type, tensor.shape, offset});
    offset += (bytes + kAlignment - 1) / kAlignment * kAlignment;
  }
  return places;
}

Result<std::vector<Tensor>> tensors_from(std::span<const TensorPlace> places,
                                         std::span<const std::byte> block) {
  if (places.size() > kMaxTensors) return broken("list must have at most 1024");
  std::vector<Tensor> tensors;
  std::size_t total = 0;
  for (const TensorPlace& place : places) {
    Tensor tensor{.name = place.name, .type = place.type, .shape = place.shape, .data = {}};
    STROP_TRY(const std::size_t bytes, bytes_of(tensor));
    if (place.offset > block.size() || bytes > block.size() - place.offset)
      return broken(str(tensor.name, " lies outside of the shared block"));
    // Places that overlap would make a short answer cost any amount of memory.
    if (bytes > block.size() - total)
      return broken(str("list must hold at most the shared block's ", block.size(), " bytes"));
    total += bytes;
    const auto from = block.begin() + static_cast<std::ptrdiff_t>(place.offset);
    tensor.data.assign(from, from + static_cast<std::ptrdiff_t>(bytes));
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

}  // namespace strop
