#include "tensors.h"

#include <array>
#include <cstring>
#include <openvino/openvino.hpp>
#include <utility>

#include "convert.h"
#include "core/clock.h"
#include "core/tensor_inputs.h"
#include "engine.h"

namespace strop::openvino {
namespace {

constexpr std::array kTypes{
    std::pair{ov::element::Type_t::f32, ElementType::f32},
    std::pair{ov::element::Type_t::f16, ElementType::f16},
    std::pair{ov::element::Type_t::bf16, ElementType::bf16},
    std::pair{ov::element::Type_t::i64, ElementType::i64},
    std::pair{ov::element::Type_t::i32, ElementType::i32},
    std::pair{ov::element::Type_t::i8, ElementType::i8},
    std::pair{ov::element::Type_t::u8, ElementType::u8},
    std::pair{ov::element::Type_t::boolean, ElementType::boolean},
};

std::optional<ElementType> our_type(const ov::element::Type& type) {
  for (const auto& [theirs, ours] : kTypes) {
    if (type == theirs) return ours;
  }
  return std::nullopt;
}

Error unsupported(const std::string& name, const std::string& what, const std::string& hint = {}) {
  return {ErrorCode::unsupported, str("[openvino] ", name, " ", what, "."), hint, name};
}

Result<InputPort> port_of(const ov::Output<const ov::Node>& input) {
  const auto name = input.get_any_name();
  const auto type = our_type(input.get_element_type());
  if (!type)
    return unsupported(name, str("is of type ", input.get_element_type().get_type_name(),
                                 ", which cannot be fed here"));
  const auto& shape = input.get_partial_shape();
  if (shape.rank().is_dynamic())
    return unsupported(name, "may have any number of dimensions",
                       str("Say which with the run option shape: ", name, "[1,...]."));
  InputPort port{name, *type, {}};
  for (const auto& size : shape) port.shape.push_back(size.is_static() ? size.get_length() : -1);
  return port;
}

Result<std::string> name_of_output(const ov::Output<const ov::Node>& output, std::size_t index) {
  const auto& names = output.get_names();
  auto name = names.empty() ? str("output_", index) : output.get_any_name();
  if (our_type(output.get_element_type())) return name;
  return unsupported(name, str("is of type ", output.get_element_type().get_type_name(),
                               ", which cannot be compared"));
}

class OpenVinoTensorSession final : public TensorSession {
 public:
  OpenVinoTensorSession(Loaded loaded, std::vector<InputPort> inputs,
                        std::vector<std::string> outputs, SessionInfo info)
      : loaded_(std::move(loaded)),
        request_(loaded_.compiled.create_infer_request()),
        inputs_(std::move(inputs)),
        outputs_(std::move(outputs)),
        info_(std::move(info)) {}

  const SessionInfo& info() const override { return info_; }

  Result<Inference> infer(std::span<const Tensor> given) override {
    return guard("an inference", [&]() -> Result<Inference> {
      STROP_TRY(const auto tensors, in_order("openvino", inputs_, given));
      for (std::size_t i = 0; i < tensors.size(); ++i) {
        const Tensor& tensor = *tensors[i];
        // The engine only reads it.
        auto* data = const_cast<std::byte*>(tensor.data.data());  // NOLINT
        const ov::Shape shape(tensor.shape.begin(), tensor.shape.end());
        const auto type = loaded_.compiled.input(i).get_element_type();
        request_.set_input_tensor(
            i, data == nullptr ? ov::Tensor(type, shape) : ov::Tensor(type, shape, data));
      }
      const Stopwatch watch;
      request_.infer();
      Inference result{.outputs = {}, .seconds = watch.seconds()};
      for (std::size_t i = 0; i < outputs_.size(); ++i)
        result.outputs.push_back(copied(outputs_[i], request_.get_output_tensor(i)));
      return result;
    });
  }

 private:
  static Tensor copied(const std::string& name, const ov::Tensor& from) {
    const auto& shape = from.get_shape();
    Tensor tensor{.name = name,
                  .type = *our_type(from.get_element_type()),
                  .shape = {shape.begin(), shape.end()},
                  .data = std::vector<std::byte>(from.get_byte_size())};
    if (!tensor.data.empty()) std::memcpy(tensor.data.data(), from.data(), tensor.data.size());
    return tensor;
  }

  Loaded loaded_;
  ov::InferRequest request_;
  std::vector<InputPort> inputs_;
  std::vector<std::string> outputs_;
  SessionInfo info_;
};

}  // namespace

Result<std::unique_ptr<Session>> open_tensors(Loaded loaded, const RunOptions& given,
                                              const Workspace& workspace) {
  STROP_CHECK(check_no_decoder(*loaded.model));
  STROP_CHECK(choose(loaded, SessionKind::tensors, given, workspace));
  if (const auto& shape = loaded.options.at("shape"); !shape.empty())
    STROP_CHECK(make_static(*loaded.model, shape, "shape"));
  STROP_CHECK(compile(loaded));
  std::vector<InputPort> inputs;
  for (const auto& input : loaded.compiled.inputs()) {
    STROP_TRY(auto port, port_of(input));
    inputs.push_back(std::move(port));
  }
  std::vector<std::string> outputs;
  for (const auto& output : loaded.compiled.outputs()) {
    STROP_TRY(auto name, name_of_output(output, outputs.size()));
    outputs.push_back(std::move(name));
  }
  auto info = info_of(loaded);
  return std::unique_ptr<Session>(std::make_unique<OpenVinoTensorSession>(
      std::move(loaded), std::move(inputs), std::move(outputs), std::move(info)));
}

}  // namespace strop::openvino
