#include "tensors.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/clock.h"

namespace strop::onnxruntime {
namespace {

struct Port {
  std::string name;
  std::vector<std::int64_t> dimensions;  // -1: any
  std::optional<ElementType> type;
};

Port port_of(std::string name, const Ort::TypeInfo& info) {
  if (info.GetONNXType() != ONNX_TYPE_TENSOR) return {std::move(name), {}, std::nullopt};
  const auto tensor = info.GetTensorTypeAndShapeInfo();
  return {std::move(name), tensor.GetShape(), element_type(tensor.GetElementType())};
}

std::string shape_text(const std::vector<std::int64_t>& dimensions) {
  std::string text = "[";
  for (const auto dimension : dimensions)
    text += str(text.size() > 1 ? ", " : "", dimension < 0 ? "any" : std::to_string(dimension));
  return text + "]";
}

Error bad_input(const std::string& name, const std::string& what, const std::string& value) {
  return {ErrorCode::invalid_input,
          str("[onnxruntime] the input ", name, " ", what, ", but got ", value, "."),
          {},
          name,
          value};
}

Result<void> check(const Port& port, const Tensor& tensor) {
  if (tensor.type != port.type)
    return bad_input(port.name, "must be of the model's type", "another");
  const bool fits = tensor.shape.size() == port.dimensions.size() &&
                    std::equal(tensor.shape.begin(), tensor.shape.end(), port.dimensions.begin(),
                               [](std::int64_t given, std::int64_t wanted) {
                                 return given >= 0 && (wanted < 0 || given == wanted);
                               });
  if (!fits)
    return bad_input(port.name, "must have the shape " + shape_text(port.dimensions),
                     shape_text(tensor.shape));
  std::size_t bytes = bytes_of(tensor.type);
  for (const auto dimension : tensor.shape) {
    if (__builtin_mul_overflow(bytes, static_cast<std::size_t>(dimension), &bytes))
      return bad_input(port.name, "must be addressable", shape_text(tensor.shape));
  }
  if (bytes != tensor.data.size())
    return bad_input(port.name, str("must have ", bytes, " bytes"),
                     std::to_string(tensor.data.size()));
  return {};
}

class OnnxTensorSession final : public TensorSession {
 public:
  OnnxTensorSession(Ort::Session session, std::vector<Port> inputs,
                    std::vector<std::string> outputs, SessionInfo info)
      : session_(std::move(session)),
        memory_(Ort::MemoryInfo::CreateCpu(OrtDeviceAllocator, OrtMemTypeDefault)),
        inputs_(std::move(inputs)),
        outputs_(std::move(outputs)),
        info_(std::move(info)) {}

  const SessionInfo& info() const override { return info_; }

  Result<Inference> infer(std::span<const Tensor> given) override {
    return guard("an inference", [&]() -> Result<Inference> {
      std::vector<const char*> names, wanted;
      std::vector<Ort::Value> values;
      STROP_CHECK(check_names(given));
      for (const Port& port : inputs_) {
        const auto tensor = std::find_if(given.begin(), given.end(),
                                         [&](const Tensor& t) { return t.name == port.name; });
        STROP_CHECK(check(port, *tensor));
        names.push_back(port.name.c_str());
        // The engine only reads it.
        auto* data = const_cast<std::byte*>(tensor->data.data());  // NOLINT
        values.push_back(Ort::Value::CreateTensor(memory_, data, tensor->data.size(),
                                                  tensor->shape.data(), tensor->shape.size(),
                                                  engine_type(tensor->type)));
      }
      for (const auto& name : outputs_) wanted.push_back(name.c_str());
      const Stopwatch watch;
      const auto answers = session_.Run(Ort::RunOptions{nullptr}, names.data(), values.data(),
                                        values.size(), wanted.data(), wanted.size());
      Inference inference{.outputs = {}, .seconds = watch.seconds()};
      for (std::size_t i = 0; i < answers.size(); ++i) {
        STROP_TRY(auto tensor, tensor_of(outputs_[i], answers[i]));
        inference.outputs.push_back(std::move(tensor));
      }
      return inference;
    });
  }

 private:
  // Each of the model's inputs, once, and no other.
  Result<void> check_names(std::span<const Tensor> given) const {
    std::string known;
    for (const Port& port : inputs_) {
      known += str(known.empty() ? "" : ", ", port.name);
      const auto times = std::count_if(given.begin(), given.end(),
                                       [&](const Tensor& t) { return t.name == port.name; });
      if (times != 1) return bad_input(port.name, "must be given once", str(times, " times"));
    }
    if (given.size() == inputs_.size()) return {};
    return Error{ErrorCode::invalid_input,
                 str("[onnxruntime] the model takes ", known, " and nothing else."),
                 {},
                 "inputs"};
  }

  static Result<Tensor> tensor_of(const std::string& name, const Ort::Value& value) {
    const auto shape = value.GetTensorTypeAndShapeInfo();
    const auto type = element_type(shape.GetElementType());
    if (!type) {
      return Error{ErrorCode::unsupported,
                   str("[onnxruntime] the output ", name, " is of a type that cannot be compared."),
                   {},
                   name};
    }
    Tensor tensor{.name = name, .type = *type, .shape = shape.GetShape(), .data = {}};
    tensor.data.resize(shape.GetElementCount() * bytes_of(*type));
    if (!tensor.data.empty())
      std::memcpy(tensor.data.data(), value.GetTensorRawData(), tensor.data.size());
    return tensor;
  }

  Ort::Session session_;
  Ort::MemoryInfo memory_;
  std::vector<Port> inputs_;
  std::vector<std::string> outputs_;
  SessionInfo info_;
};

}  // namespace

Result<std::unique_ptr<Session>> make_tensor_session(Ort::Session session, RunOptions options,
                                                     double load_seconds) {
  Ort::AllocatorWithDefaultOptions allocator;
  std::vector<Port> inputs;
  for (std::size_t i = 0; i < session.GetInputCount(); ++i) {
    inputs.push_back(
        port_of(session.GetInputNameAllocated(i, allocator).get(), session.GetInputTypeInfo(i)));
    if (!inputs.back().type) {
      return Error{ErrorCode::unsupported,
                   str("[onnxruntime] the input ", inputs.back().name,
                       " is no tensor of numbers, which is all that can be fed here."),
                   {},
                   inputs.back().name};
    }
  }
  std::vector<std::string> outputs;
  for (std::size_t i = 0; i < session.GetOutputCount(); ++i)
    outputs.emplace_back(session.GetOutputNameAllocated(i, allocator).get());
  SessionInfo info{.run_options = std::move(options),
                   .cpu_variant = "CPUExecutionProvider",
                   .load_seconds = load_seconds};
  return std::unique_ptr<Session>(std::make_unique<OnnxTensorSession>(
      std::move(session), std::move(inputs), std::move(outputs), std::move(info)));
}

}  // namespace strop::onnxruntime
