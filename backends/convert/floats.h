// Element types of weights that conversions read and write.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace strop::convert {

enum class FloatType { f32, f16, bf16 };

std::optional<FloatType> float_type(std::string_view name);
std::size_t element_bytes(FloatType type);

// Appends the elements of `from` in type `to`, rounded to nearest, ties to even. False when one of
// them is not finite, or becomes so in `to`.
bool append_converted(std::string_view from, FloatType type, FloatType to, std::string& out);

}  // namespace strop::convert
