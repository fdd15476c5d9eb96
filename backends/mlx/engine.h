// Where MLX's names and exceptions become Strop's.
#pragma once

#include <mlx/mlx.h>

#include <new>
#include <stdexcept>
#include <string>

#include "strop/result.h"

namespace strop::mlx {

namespace mx = ::mlx::core;

// Is there an Apple GPU that MLX computes on?
bool has_gpu();

// f32, f16 or bf16.
mx::Dtype dtype_of(const std::string& word);
std::string word_of(mx::Dtype type);

// Runs work that calls the engine; what it throws becomes an Error that says what was being done.
template <class Work>
auto guard(const std::string& doing, const Work& work) -> decltype(work()) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return Error{.code = ErrorCode::out_of_memory,
                 .message = str("[mlx] there is not enough memory for ", doing, ".")};
  } catch (const std::runtime_error& error) {
    return Error{.code = ErrorCode::backend,
                 .message = str("[mlx] ", doing, " failed: ", error.what(), ".")};
  } catch (const std::invalid_argument& error) {  // MLX's word for shapes that do not fit
    return Error{.code = ErrorCode::backend,
                 .message = str("[mlx] ", doing, " failed: ", error.what(), ".")};
  }
}

}  // namespace strop::mlx
