// Where OpenVINO's exceptions and names become Strop's.
#pragma once

#include <openvino/core/type/element_type.hpp>
#include <openvino/runtime/core.hpp>
#include <stdexcept>
#include <string>

#include "strop/result.h"

namespace strop::openvino {

// The sentence of an engine's message, without its source lines and check macros.
std::string first_sentence(const std::string& message);

// Precisions in which the CPU plug-in can compute here: f32 and perhaps bf16, f16.
std::vector<std::string> cpu_precisions(const ov::Core& core);

// bf16, f16, u8, ...; empty for `dynamic`, which leaves the choice to the plug-in.
std::string name_of(const ov::element::Type& type);

// Runs work that calls the engine; what it throws becomes an Error that says what was being done.
template <class Work>
auto guard(const std::string& doing, const Work& work) -> decltype(work()) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::out_of_memory,
                 str("[openvino] there is not enough memory for ", doing, ".")};
  } catch (const std::logic_error&) {
    throw;  // our own bug, told by the worker's loop
  } catch (const std::exception& error) {
    return Error{ErrorCode::backend,
                 str("[openvino] ", doing, " failed: ", first_sentence(error.what()), ".")};
  }
}

}  // namespace strop::openvino
