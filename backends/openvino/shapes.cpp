#include <algorithm>
#include <charconv>
#include <map>

#include "engine.h"
#include "tensors.h"

namespace strop::openvino {
namespace {

using Shapes = std::map<std::string, std::vector<std::int64_t>>;

constexpr std::size_t kMostDimensions = 32;

std::string allowed(const ov::Model& model) {
  std::string text;
  for (const auto& input : model.inputs()) {
    const auto& shape = input.get_partial_shape();
    text += str(text.empty() ? "" : ", ", input.get_any_name(), " ",
                shape.rank().is_dynamic() ? "of any number of dimensions" : shape.to_string());
  }
  return "The model takes " + text + "; ? is any size.";
}

std::optional<std::vector<std::int64_t>> sizes_in(std::string_view text) {
  std::vector<std::int64_t> sizes;
  while (sizes.size() < kMostDimensions) {
    std::int64_t size = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, size);
    if (error != std::errc() || size < 1) return std::nullopt;
    sizes.push_back(size);
    if (stop == end) return sizes;
    if (*stop != ',') return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(stop - text.data()) + 1);
  }
  return std::nullopt;
}

// Nothing when the text is not of the form name[1,2]name[3]; a comma may stand between them.
std::optional<Shapes> read_shapes(std::string_view text) {
  Shapes shapes;
  while (!text.empty()) {
    const auto open = text.find('['), close = text.find(']');
    if (open == std::string_view::npos || close == std::string_view::npos || close < open)
      return std::nullopt;
    const auto sizes = sizes_in(text.substr(open + 1, close - open - 1));
    const bool fresh = sizes && open > 0 && shapes.emplace(text.substr(0, open), *sizes).second;
    if (!fresh) return std::nullopt;
    text.remove_prefix(close + 1);
    if (text.starts_with(',')) text.remove_prefix(1);
  }
  return shapes;
}

}  // namespace

Result<void> make_static(ov::Model& model, const std::string& shapes, const std::string& field) {
  const auto refuse = [&](const std::string& what) {
    return Error{ErrorCode::invalid_input, str("[openvino] ", field, " ", what, "."),
                 allowed(model), field, shapes};
  };
  const auto wanted = read_shapes(shapes);
  if (!wanted || wanted->empty())
    return refuse("must be of the form name[1,3,224,224], but is " + shapes);
  std::map<std::string, ov::PartialShape> asked;
  for (const auto& [name, sizes] : *wanted) {
    const auto& inputs = model.inputs();
    const auto input = std::find_if(inputs.begin(), inputs.end(), [&name = name](const auto& port) {
      return port.get_names().count(name) != 0;
    });
    if (input == inputs.end()) return refuse("names " + name + ", which is no input of the model");
    const ov::PartialShape shape(std::vector<ov::Dimension>(sizes.begin(), sizes.end()));
    const auto& takes = input->get_partial_shape();
    if (!takes.compatible(shape))
      return refuse(str("gives ", name, " the shape ", shape.to_string(), ", but the model takes ",
                        takes.to_string()));
    asked[name] = shape;
  }
  try {
    model.reshape(asked);
  } catch (const ov::Exception& error) {
    return refuse("does not go through the model: " + first_sentence(error.what()));
  }
  return {};
}

}  // namespace strop::openvino
