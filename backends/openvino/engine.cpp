#include "engine.h"

#include <algorithm>
#include <openvino/runtime/properties.hpp>
#include <sstream>

namespace strop::openvino {

std::string first_sentence(const std::string& message) {
  // The engine writes "Exception from file:line:" and "Check 'x' failed at file:line:" on lines of
  // their own.
  std::istringstream lines(message);
  std::string line, sentence;
  while (std::getline(lines, line)) {
    const bool is_place = line.starts_with("Exception from ") || line.starts_with("Check '");
    if (line.empty() || is_place) continue;
    sentence = line;
    break;
  }
  if (sentence.empty()) sentence = message.substr(0, message.find('\n'));
  while (!sentence.empty() && (sentence.back() == '.' || sentence.back() == ' '))
    sentence.pop_back();
  return sentence.substr(0, 400);
}

std::vector<std::string> cpu_precisions(const ov::Core& core) {
  const auto capabilities = core.get_property("CPU", ov::device::capabilities);
  std::vector<std::string> precisions{"f32"};
  for (const auto& [capability, name] : {std::pair{"BF16", "bf16"}, std::pair{"FP16", "f16"}}) {
    if (std::find(capabilities.begin(), capabilities.end(), capability) != capabilities.end())
      precisions.emplace_back(name);
  }
  return precisions;
}

std::string name_of(const ov::element::Type& type) {
  return type.is_dynamic() ? std::string() : type.get_type_name();
}

}  // namespace strop::openvino
