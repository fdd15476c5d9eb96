#include "formats/ports.h"

#include <algorithm>

#include "core/half.h"

namespace strop::formats {
namespace {

bool is_channels(std::int64_t dimension) {
  return dimension == 1 || dimension == 3 || dimension == 4;
}

// Height and width are large or any size; channels are few.
bool is_image(const Port& port) {
  if (port.shape.size() != 4 || !(is_float(port.type) || port.type == "u8")) return false;
  const auto large = [&](std::size_t i) { return port.shape[i] == -1 || port.shape[i] >= 16; };
  return (is_channels(port.shape[1]) && large(2) && large(3)) ||
         (is_channels(port.shape[3]) && large(1) && large(2));
}

}  // namespace

bool takes_token_ids(const std::vector<Port>& inputs) {
  const auto known = [](const Port& port) {
    return (port.name == "input_ids" || port.name == "attention_mask" ||
            port.name == "token_type_ids") &&
           port.type == "i64" && port.shape.size() == 2;
  };
  const auto ids = [](const Port& port) { return port.name == "input_ids"; };
  return std::all_of(inputs.begin(), inputs.end(), known) &&
         std::any_of(inputs.begin(), inputs.end(), ids);
}

ModelKind kind_of_graph(const std::vector<Port>& inputs, const std::vector<Port>& outputs) {
  if (std::any_of(inputs.begin(), inputs.end(), is_image)) return ModelKind::vision;
  // Hidden states and embeddings have the model's width, known beforehand.
  const auto is_vector = [](const Port& port) {
    return is_float(port.type) && port.name != "logits" && port.shape.size() >= 2 &&
           port.shape.back() > 0;
  };
  if (takes_token_ids(inputs) && !outputs.empty() &&
      std::all_of(outputs.begin(), outputs.end(), is_vector))
    return ModelKind::embedding;
  return ModelKind::other;
}

}  // namespace strop::formats
