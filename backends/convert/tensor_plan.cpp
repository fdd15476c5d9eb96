#include "tensor_plan.h"

#include "floats.h"

namespace strop::convert {
namespace {

using namespace formats;

Error refused(const TensorPlan& plan, const std::string& rule) {
  return Error{.code = ErrorCode::invalid_input,
               .message = str("[optimize] the tensor ", plan.source, " ", rule),
               .field = plan.source};
}

std::string shape_of(const std::vector<std::uint64_t>& shape) {
  std::string text;
  for (const std::uint64_t dimension : shape) text += str(text.empty() ? "" : "x", dimension);
  return text;
}

}  // namespace

Error unsupported_config(const std::string& field, const std::string& rule,
                         const std::string& value) {
  return Error{.code = ErrorCode::unsupported,
               .message = str("[optimize] config.json: ", field, " ", rule, ", but is ", value),
               .field = field,
               .value = value};
}

Result<void> check_sizes_stated(const HuggingFaceConfig& config) {
  if (const auto field = unstated_size(config))
    return unsupported_config(*field, "must be stated", "missing");
  return {};
}

Result<void> check_vocabulary(std::size_t words, const HuggingFaceConfig& config) {
  if (words <= config.vocabulary) return {};
  return Error{.code = ErrorCode::invalid_input,
               .message = str("[optimize] the tokenizer has ", words,
                              " words, but the model's vocabulary ", config.vocabulary),
               .hint = "Tokenizer and weights are of different models; fetch the folder again.",
               .field = "vocab_size",
               .value = str(config.vocabulary)};
}

Result<void> expect_shape(const TensorPlan& plan, const std::vector<std::uint64_t>& shape) {
  if (shape == plan.shape) return {};
  return refused(
      plan, str("must be ", shape_of(plan.shape), " by config.json, but is ", shape_of(shape)));
}

Result<const SafeTensor*> expected_tensor(const SafetensorsModel& weights, const TensorPlan& plan) {
  const SafeTensor* tensor = weights.find(plan.source);
  if (!tensor) return refused(plan, "is missing");
  STROP_CHECK(expect_shape(plan, tensor->shape));
  if (!float_type(tensor->type))
    return refused(plan, str("must be f32, f16 or bf16, but is ", tensor->type));
  return tensor;
}

Result<void> refuse_unknown(const SafetensorsModel& weights, const std::set<std::string>& known,
                            const std::string& kind) {
  for (const SafeTensor& tensor : weights.tensors) {
    if (known.contains(tensor.name)) continue;
    return Error{.code = ErrorCode::unsupported,
                 .message = str("[optimize] the tensor ", tensor.name, " has no place in ", kind),
                 .hint = "The model is a variant that this conversion does not know.",
                 .field = tensor.name};
  }
  return {};
}

}  // namespace strop::convert
