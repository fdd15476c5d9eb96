// Any graph as a function from named tensors to named tensors.
#pragma once

#include "load.h"

namespace strop::openvino {

// `given`: the run options.
Result<std::unique_ptr<Session>> open_tensors(Loaded loaded, const RunOptions& given,
                                              const Workspace& workspace);

// Makes inputs static: "ids[1,128]mask[1,128]". What does not fit the model is invalid_input that
// says what the model allows; `field` names the option.
Result<void> make_static(ov::Model& model, const std::string& shapes, const std::string& field);

}  // namespace strop::openvino
