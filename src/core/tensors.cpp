#include <algorithm>
#include <cstring>

#include "core/message.h"

namespace strop {
namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kMaxTensors = 1024;

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

Result<Json> tensors_to(std::span<const Tensor> tensors, std::span<std::byte> block) {
  Json list = Json::array();
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
    list.push_back({{"name", tensor.name},
                    {"type", name_of(tensor.type)},
                    {"shape", tensor.shape},
                    {"offset", offset}});
    offset += (bytes + kAlignment - 1) / kAlignment * kAlignment;
  }
  return list;
}

Result<std::vector<Tensor>> tensors_from(const Json& described, std::span<const std::byte> block) {
  if (!described.is_array() || described.size() > kMaxTensors)
    return broken("list must be an array of at most 1024");
  std::vector<Tensor> tensors;
  for (const Json& item : described) {
    if (!item.is_object()) return broken("must be an object");
    const auto name = item.find("name"), type = item.find("type"), shape = item.find("shape"),
               offset = item.find("offset");
    if (name == item.end() || !name->is_string() || type == item.end() || !type->is_string() ||
        shape == item.end() || !shape->is_array() || offset == item.end() ||
        !offset->is_number_unsigned())
      return broken("lacks name, type, shape or offset");
    Tensor tensor{.name = name->get<std::string>(), .type = {}, .shape = {}, .data = {}};
    const auto element = from_name<ElementType>(type->get<std::string>());
    if (!element) return broken(str("has the unknown type ", type->dump()));
    tensor.type = *element;
    for (const Json& dimension : *shape) {
      if (!dimension.is_number_integer()) return broken("has a shape that is no list of integers");
      tensor.shape.push_back(dimension.get<std::int64_t>());
    }
    STROP_TRY(const std::size_t bytes, bytes_of(tensor));
    const auto begin = offset->get<std::uint64_t>();
    if (begin > block.size() || bytes > block.size() - begin)
      return broken(str(tensor.name, " lies outside of the shared block"));
    const auto from = block.begin() + static_cast<std::ptrdiff_t>(begin);
    tensor.data.assign(from, from + static_cast<std::ptrdiff_t>(bytes));
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

}  // namespace strop
