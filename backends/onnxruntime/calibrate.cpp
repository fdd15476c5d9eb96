#include "calibrate.h"

#include <algorithm>
#include <fstream>
#include <vector>

#include "core/os.h"
#include "core/stop.h"
#include "engine.h"
#include "formats/npz.h"
#include "formats/protobuf.h"
#include "formats/streamed_file.h"
#include "tensors.h"

namespace fs = std::filesystem;

namespace strop::onnxruntime {
namespace {

using formats::put_field;

constexpr const char* kDomain = "strop.calibration";
constexpr std::size_t kMostSamples = 4096;

// Reads an activation where the engine computed it, so that none has to outlive its next operator.
class ObserveKernel {
 public:
  ObserveKernel(const OrtKernelInfo* info, std::vector<Histogram>* histograms) {
    const auto index =
        static_cast<std::size_t>(Ort::ConstKernelInfo(info).GetAttribute<std::int64_t>("index"));
    histogram_ = &histograms->at(index);
  }
  // The name is the library's. NOLINTNEXTLINE(readability-identifier-naming)
  void Compute(OrtKernelContext* given) {
    const Ort::KernelContext context(given);
    const auto input = context.GetInput(0);
    histogram_->add(
        {input.GetTensorData<float>(), input.GetTensorTypeAndShapeInfo().GetElementCount()});
    constexpr std::array<std::int64_t, 1> kShape{1};
    context.GetOutput(0, kShape.data(), kShape.size()).GetTensorMutableData<float>()[0] = 0;
  }

 private:
  Histogram* histogram_;
};

struct ObserveOperator : Ort::CustomOpBase<ObserveOperator, ObserveKernel> {
  explicit ObserveOperator(std::vector<Histogram>* into) : histograms(into) {}
  void* CreateKernel(const OrtApi&, const OrtKernelInfo* info) const {
    return new ObserveKernel(info, histograms);
  }
  const char* GetName() const { return "Observe"; }
  const char* GetExecutionProviderType() const { return "CPUExecutionProvider"; }
  std::size_t GetInputTypeCount() const { return 1; }
  std::size_t GetOutputTypeCount() const { return 1; }
  ONNXTensorElementDataType GetInputType(std::size_t) const {
    return ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
  }
  ONNXTensorElementDataType GetOutputType(std::size_t) const {
    return ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
  }
  std::vector<Histogram>* histograms;
};

std::string observer_output(std::size_t index) { return str("strop/observed/", index); }

std::string observer_node(const std::string& name, std::size_t index) {
  std::string attribute, node;
  put_field(attribute, 1, std::string_view("index"));
  put_field(attribute, 3, static_cast<std::uint64_t>(index));
  put_field(attribute, 20, std::uint64_t{2});
  put_field(node, 1, name);
  put_field(node, 2, observer_output(index));
  put_field(node, 4, std::string_view("Observe"));
  put_field(node, 5, attribute);
  put_field(node, 7, std::string_view(kDomain));
  return node;
}

std::string observer_result(std::size_t index) {
  std::string tensor, type, value;
  put_field(tensor, 1, std::uint64_t{1});
  put_field(type, 1, tensor);
  put_field(value, 1, observer_output(index));
  put_field(value, 2, type);
  return value;
}

// Fields of a message that are there twice are merged when it is read: what is behind the model's
// bytes is added to its graph.
Result<void> write_observed(const formats::OnnxGraph& graph, const std::set<std::string>& wanted,
                            const fs::path& file) {
  std::string added, opset, tail;
  std::size_t index = 0;
  for (const auto& name : wanted) {
    put_field(added, 1, observer_node(name, index));
    put_field(added, 12, observer_result(index));
    ++index;
  }
  put_field(opset, 1, std::string_view(kDomain));
  put_field(opset, 2, std::uint64_t{1});
  put_field(tail, 7, added);
  put_field(tail, 8, opset);
  formats::StreamedFile out;
  STROP_CHECK(out.begin(file));
  STROP_CHECK(out.write(graph.bytes()));
  STROP_CHECK(out.write(tail));
  return out.finish();
}

Result<std::vector<fs::path>> sample_files(const fs::path& folder) {
  if (folder.empty())
    return Error{ErrorCode::invalid_input,
                 "[onnxruntime] static quantisation needs calibration samples, and there are none.",
                 "Choose a recipe without calibration or give --data.", "calibration"};
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string stem = entry->path().stem().string();
    const bool is_sample =
        entry->path().extension() == ".npz" && !stem.empty() &&
        std::all_of(stem.begin(), stem.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (is_sample) files.push_back(entry->path());
  }
  if (error) return file_error("read", folder, error.value());
  if (files.empty() || files.size() > kMostSamples)
    return Error{ErrorCode::invalid_input,
                 str("[onnxruntime] the calibration folder must hold from 1 to ", kMostSamples,
                     " samples, but holds ", files.size(), "."),
                 {},
                 "calibration",
                 std::to_string(files.size())};
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

Result<Calibrated> calibrate(const formats::OnnxGraph& graph, const std::set<std::string>& wanted,
                             const fs::path& file, const Workspace& workspace) {
  STROP_TRY(const auto files, sample_files(workspace.calibration));
  STROP_CHECK(write_observed(graph, wanted, file));
  std::vector<Histogram> histograms(wanted.size());
  ObserveOperator observe(&histograms);
  Ort::CustomOpDomain domain(kDomain);
  domain.Add(&observe);
  auto ran = guard("calibrating", [&]() -> Result<void> {
    STROP_TRY(auto in_force, options_in_force("onnxruntime", session_knobs(), {}));
    Ort::SessionOptions options = session_options(in_force);
    // What an operator has read goes back at once: the peak is what one sample needs.
    options.DisableCpuMemArena();
    options.DisableMemPattern();
    options.Add(domain);
    Ort::Session engine(environment(), file.c_str(), options);
    STROP_TRY(const auto session, make_tensor_session(std::move(engine), {}));
    for (std::size_t i = 0; i < files.size(); ++i) {
      STROP_CHECK(check_stop(workspace.stop));
      if (workspace.progress)
        workspace.progress->report(static_cast<double>(i) / static_cast<double>(files.size()),
                                   str("sample ", i + 1, " of ", files.size()));
      STROP_TRY(const auto inputs, formats::read_npz(files[i]));
      const auto answered = session->tensors()->infer(inputs);
      if (!answered) {
        Error error = answered.error();
        error.message = str("[onnxruntime] calibration sample ", files[i].filename().string(), ": ",
                            error.message);
        return error;
      }
    }
    return {};
  });
  STROP_CHECK(ran);
  Calibrated calibrated{.histograms = {}, .samples = files.size()};
  std::size_t index = 0;
  for (const auto& name : wanted) calibrated.histograms[name] = histograms[index++];
  return calibrated;
}

}  // namespace strop::onnxruntime
