#include "core/tensor_inputs.h"

#include <algorithm>

#include "core/json.h"

namespace strop {
namespace {

struct Checks {
  const std::string& worker;

  Error refuse(const InputPort& port, const std::string& rule, const std::string& value) const {
    return {ErrorCode::invalid_input,
            str("[", worker, "] the input ", port.name, " ", rule, ", but got ", value, "."),
            {},
            port.name,
            value};
  }

  Result<void> check(const InputPort& port, const Tensor& tensor) const {
    if (tensor.type != port.type)
      return refuse(port, str("must be of type ", name_of(port.type)), str(name_of(tensor.type)));
    const bool fits = std::equal(tensor.shape.begin(), tensor.shape.end(), port.shape.begin(),
                                 port.shape.end(), [](std::int64_t size, std::int64_t wanted) {
                                   return size >= 0 && (wanted < 0 || size == wanted);
                                 });
    if (!fits)
      return refuse(port, "must have the shape " + shape_text(port.shape),
                    shape_text(tensor.shape));
    std::size_t bytes = element_bytes(tensor.type);
    for (const auto size : tensor.shape) {
      if (__builtin_mul_overflow(bytes, static_cast<std::size_t>(size), &bytes))
        return refuse(port, "must be addressable", shape_text(tensor.shape));
    }
    if (bytes == tensor.data.size()) return {};
    return refuse(port, str("must have ", bytes, " bytes"), std::to_string(tensor.data.size()));
  }
};

}  // namespace

std::string shape_text(std::span<const std::int64_t> shape) {
  std::string text = "[";
  for (const auto size : shape)
    text += str(text.size() > 1 ? ", " : "", size < 0 ? "any" : std::to_string(size));
  return text + "]";
}

Result<std::vector<const Tensor*>> in_order(const std::string& worker,
                                            std::span<const InputPort> ports,
                                            std::span<const Tensor> given) {
  const Checks checks{worker};
  std::vector<const Tensor*> ordered;
  std::string known;
  for (const InputPort& port : ports) {
    known += str(known.empty() ? "" : ", ", port.name);
    const auto is_it = [&](const Tensor& tensor) { return tensor.name == port.name; };
    const auto times = std::count_if(given.begin(), given.end(), is_it);
    if (times != 1) return checks.refuse(port, "must be given once", str(times, " times"));
    ordered.push_back(&*std::find_if(given.begin(), given.end(), is_it));
    STROP_CHECK(checks.check(port, *ordered.back()));
  }
  if (given.size() == ports.size()) return ordered;
  return Error{ErrorCode::invalid_input,
               str("[", worker, "] the model takes ", known, " and nothing else."),
               {},
               "inputs"};
}

}  // namespace strop
