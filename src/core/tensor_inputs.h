// What a tensor session asks of the tensors that it is given, whichever engine computes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "strop/backend.h"

namespace strop {

struct InputPort {
  std::string name;
  ElementType type = ElementType::f32;
  std::vector<std::int64_t> shape;  // -1: any size
};

std::size_t element_bytes(ElementType type);

// [1, 3, any, any]
std::string shape_text(std::span<const std::int64_t> shape);

// The tensors in the order of the ports: each port once, of its type and shape, as large as its
// shape says, and no other. Else invalid_input with the port's name in Error.field; `worker` begins
// the messages.
Result<std::vector<const Tensor*>> in_order(const std::string& worker,
                                            std::span<const InputPort> ports,
                                            std::span<const Tensor> given);

}  // namespace strop
