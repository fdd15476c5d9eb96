#include "tensors.h"

#include <cstring>
#include <utility>

#include "core/clock.h"
#include "core/tensor_inputs.h"

namespace strop::onnxruntime {
namespace {

Result<InputPort> port_of(std::string name, const Ort::TypeInfo& info) {
  if (info.GetONNXType() == ONNX_TYPE_TENSOR) {
    const auto tensor = info.GetTensorTypeAndShapeInfo();
    if (const auto type = element_type(tensor.GetElementType()))
      return InputPort{std::move(name), *type, tensor.GetShape()};
  }
  return Error{ErrorCode::unsupported,
               str("[onnxruntime] the input ", name,
                   " is no tensor of numbers, which is all that can be fed here."),
               {},
               name};
}

class OnnxTensorSession final : public TensorSession {
 public:
  OnnxTensorSession(Ort::Session session, std::vector<InputPort> inputs,
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
      STROP_TRY(const auto tensors, in_order("onnxruntime", inputs_, given));
      for (const Tensor* tensor : tensors) {
        names.push_back(tensor->name.c_str());
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
  std::vector<InputPort> inputs_;
  std::vector<std::string> outputs_;
  SessionInfo info_;
};

}  // namespace

Result<std::unique_ptr<Session>> make_tensor_session(Ort::Session session, SessionInfo info) {
  Ort::AllocatorWithDefaultOptions allocator;
  std::vector<InputPort> inputs;
  for (std::size_t i = 0; i < session.GetInputCount(); ++i) {
    STROP_TRY(auto port, port_of(session.GetInputNameAllocated(i, allocator).get(),
                                 session.GetInputTypeInfo(i)));
    inputs.push_back(std::move(port));
  }
  std::vector<std::string> outputs;
  for (std::size_t i = 0; i < session.GetOutputCount(); ++i)
    outputs.emplace_back(session.GetOutputNameAllocated(i, allocator).get());
  return std::unique_ptr<Session>(std::make_unique<OnnxTensorSession>(
      std::move(session), std::move(inputs), std::move(outputs), std::move(info)));
}

}  // namespace strop::onnxruntime
