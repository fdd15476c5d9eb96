// Any model as a function from named tensors to named tensors.
#pragma once

#include <memory>

#include "engine.h"

namespace strop::onnxruntime {

Result<std::unique_ptr<Session>> make_tensor_session(Ort::Session session, SessionInfo info);

}  // namespace strop::onnxruntime
