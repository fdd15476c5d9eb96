#include "engine.h"

#include <dlfcn.h>
#include <onnxruntime_session_options_config_keys.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "core/os.h"

namespace strop::onnxruntime {
namespace {

constexpr std::uint32_t kMostThreads = 1024;

constexpr std::array kProviders{std::pair{"cpu", "CPUExecutionProvider"},
                                std::pair{"cuda", "CUDAExecutionProvider"},
                                std::pair{"tensorrt", "TensorrtExecutionProvider"},
                                std::pair{"openvino", "OpenVINOExecutionProvider"},
                                std::pair{"coreml", "CoreMLExecutionProvider"},
                                std::pair{"qnn", "QNNExecutionProvider"},
                                std::pair{"nnapi", "NnapiExecutionProvider"}};

struct TypeNames {
  ONNXTensorElementDataType engine;
  ElementType ours;
  std::size_t bytes;
};
constexpr std::array kTypes{TypeNames{ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, ElementType::f32, 4},
                            TypeNames{ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16, ElementType::f16, 2},
                            TypeNames{ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16, ElementType::bf16, 2},
                            TypeNames{ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64, ElementType::i64, 8},
                            TypeNames{ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32, ElementType::i32, 4},
                            TypeNames{ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8, ElementType::i8, 1},
                            TypeNames{ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8, ElementType::u8, 1},
                            TypeNames{ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL, ElementType::boolean, 1}};

const TypeNames& row_of(ElementType type) {
  const auto found = std::find_if(kTypes.begin(), kTypes.end(),
                                  [&](const TypeNames& names) { return names.ours == type; });
  STROP_ASSERT(found != kTypes.end(), "an element type is missing in the table");
  return *found;
}

GraphOptimizationLevel level_named(const std::string& name) {
  if (name == "disable") return ORT_DISABLE_ALL;
  if (name == "basic") return ORT_ENABLE_BASIC;
  return name == "extended" ? ORT_ENABLE_EXTENDED : ORT_ENABLE_ALL;
}

void append_cuda(Ort::SessionOptions& options) {
  OrtCUDAProviderOptionsV2* settings = nullptr;
  Ort::ThrowOnError(Ort::GetApi().CreateCUDAProviderOptions(&settings));
  const std::unique_ptr<OrtCUDAProviderOptionsV2, decltype(OrtApi::ReleaseCUDAProviderOptions)>
      owner(settings, Ort::GetApi().ReleaseCUDAProviderOptions);
  options.AppendExecutionProvider_CUDA_V2(*settings);
}

void append_tensorrt(Ort::SessionOptions& options) {
  OrtTensorRTProviderOptionsV2* settings = nullptr;
  Ort::ThrowOnError(Ort::GetApi().CreateTensorRTProviderOptions(&settings));
  const std::unique_ptr<OrtTensorRTProviderOptionsV2,
                        decltype(OrtApi::ReleaseTensorRTProviderOptions)>
      owner(settings, Ort::GetApi().ReleaseTensorRTProviderOptions);
  options.AppendExecutionProvider_TensorRT_V2(*settings);
}

// The only one without a place in the common interface: a function that its builds export.
void append_nnapi(Ort::SessionOptions& options) {
  using Append = OrtStatus* (*)(OrtSessionOptions*, std::uint32_t);
  const auto append = reinterpret_cast<Append>(
      ::dlsym(RTLD_DEFAULT, "OrtSessionOptionsAppendExecutionProvider_Nnapi"));
  if (append == nullptr)
    throw Ort::Exception("the library does not export its NNAPI provider", ORT_NOT_IMPLEMENTED);
  Ort::ThrowOnError(append(options, 0));
}

// Nothing for cpu, which every session has and which takes what the others do not.
void append_provider(Ort::SessionOptions& options, const std::string& name) {
  if (name == "tensorrt") append_tensorrt(options);
  // TensorRT leaves to CUDA what it cannot take.
  if (name == "tensorrt" || name == "cuda") append_cuda(options);
  if (name == "openvino") options.AppendExecutionProvider_OpenVINO_V2({});
  if (name == "coreml") options.AppendExecutionProvider("CoreML", {});
  if (name == "qnn") options.AppendExecutionProvider("QNN", {});
  if (name == "nnapi") append_nnapi(options);
}

}  // namespace

Ort::Env& environment() {
  static Ort::Env instance(ORT_LOGGING_LEVEL_ERROR, "strop");
  return instance;
}

std::string version() { return OrtGetApiBase()->GetVersionString(); }

Providers providers() {
  const auto available = Ort::GetAvailableProviders();
  Providers result;
  for (const auto& [name, engine_name] : kProviders) {
    const bool here = std::find(available.begin(), available.end(), engine_name) != available.end();
    (here ? result.here : result.missing).emplace_back(name);
  }
  return result;
}

std::string provider_word(const std::string& engine_name) {
  const auto found = std::find_if(kProviders.begin(), kProviders.end(),
                                  [&](const auto& names) { return names.second == engine_name; });
  return found == kProviders.end() ? engine_name : found->first;
}

std::vector<KnobRule> session_knobs() {
  return {
      {{"threads", {}, std::to_string(os::usable_cores()), "threads that compute; a whole number"},
       kMostThreads},
      {{"inter_threads",
        {},
        "1",
        "operators that may run side by side, with execution parallel; a whole number"},
       kMostThreads},
      {{"execution",
        {"sequential", "parallel"},
        "sequential",
        "parallel: operators that do not need each other run side by side"}},
      {{"provider", providers().here, "cpu", "what the graph runs on; the CPU takes the rest"}},
      {{"graph_optimization",
        {"disable", "basic", "extended", "all"},
        "all",
        "how far the graph is rewritten when it is loaded"}},
      {{"arena",
        {"on", "off"},
        "on",
        "memory is kept for the next run; off: given back, lower peak"}},
      {{"memory_pattern",
        {"on", "off"},
        "on",
        "one block for all that an inference needs, where shapes repeat"}},
      {{"placement",
        {"on", "off"},
        "on",
        "one profiled inference after loading tells what runs the nodes"}},
      {{"spinning",
        {"on", "off"},
        "on",
        "threads wait busily between operators; off: they sleep, which leaves the cores to "
        "others"}},
      {{"prepacking",
        {"on", "off"},
        "on",
        "weights are laid out for the kernels when loaded; off: less memory, slower products"}}};
}

Ort::SessionOptions session_options(const RunOptions& in_force) {
  Ort::SessionOptions options;
  options.SetIntraOpNumThreads(static_cast<int>(number_of(in_force, "threads")));
  options.SetInterOpNumThreads(static_cast<int>(number_of(in_force, "inter_threads")));
  if (in_force.at("execution") == "parallel") options.SetExecutionMode(ORT_PARALLEL);
  if (in_force.at("memory_pattern") == "off") options.DisableMemPattern();
  options.SetGraphOptimizationLevel(level_named(in_force.at("graph_optimization")));
  if (in_force.at("arena") == "off") options.DisableCpuMemArena();
  if (in_force.at("spinning") == "off")
    options.AddConfigEntry(kOrtSessionOptionsConfigAllowIntraOpSpinning, "0");
  if (in_force.at("prepacking") == "off")
    options.AddConfigEntry(kOrtSessionOptionsConfigDisablePrepacking, "1");
  append_provider(options, in_force.at("provider"));
  return options;
}

std::optional<ElementType> element_type(ONNXTensorElementDataType type) {
  const auto found = std::find_if(kTypes.begin(), kTypes.end(),
                                  [&](const TypeNames& names) { return names.engine == type; });
  return found == kTypes.end() ? std::nullopt : std::optional(found->ours);
}

ONNXTensorElementDataType engine_type(ElementType type) { return row_of(type).engine; }

std::size_t bytes_of(ElementType type) { return row_of(type).bytes; }

std::string first_sentence(const std::string& message) {
  std::string sentence = message.substr(0, message.find('\n'));
  // "Non-zero status code returned while running X node. Name:'n' Status Message: file.cc:12 f(...)
  // the sentence": what is behind the place says it.
  if (const auto at = sentence.rfind("Status Message: "); at != std::string::npos)
    sentence = sentence.substr(at + 16);
  while (!sentence.empty() && (sentence.back() == '.' || sentence.back() == ' '))
    sentence.pop_back();
  return sentence.substr(0, 400);
}

}  // namespace strop::onnxruntime
