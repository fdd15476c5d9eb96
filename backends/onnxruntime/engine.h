// Where ONNX Runtime's exceptions, types and settings become Strop's.
#pragma once

#include <onnxruntime_cxx_api.h>

#include <exception>
#include <filesystem>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include "core/knobs.h"
#include "strop/backend.h"

namespace strop::onnxruntime {

// One per process; made at the first use.
Ort::Env& environment();

std::string version();

// Execution providers that this library holds, by Strop's names (cpu, cuda, ...), and the others
// that ONNX Runtime has.
struct Providers {
  std::vector<std::string> here;
  std::vector<std::string> missing;
};
Providers providers();

// Strop's name for one of the engine's; the engine's own where Strop has none.
std::string provider_word(const std::string& engine_name);

// The knobs of every session; a decoder has the context's in addition.
std::vector<KnobRule> session_knobs();

Ort::SessionOptions session_options(const RunOptions& in_force);

// Nothing for a type that Strop has no name for.
std::optional<ElementType> element_type(ONNXTensorElementDataType type);
ONNXTensorElementDataType engine_type(ElementType type);
std::size_t bytes_of(ElementType type);

// The sentence of an engine's message, without its source lines.
std::string first_sentence(const std::string& message);

// Runs work that calls the engine; what it throws becomes an Error that says what was being done.
template <class Work>
auto guard(const std::string& doing, const Work& work) -> decltype(work()) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::out_of_memory,
                 str("[onnxruntime] there is not enough memory for ", doing, ".")};
  } catch (const Ort::Exception& error) {
    return Error{ErrorCode::backend,
                 str("[onnxruntime] ", doing, " failed: ", first_sentence(error.what()), ".")};
  }
}

}  // namespace strop::onnxruntime
