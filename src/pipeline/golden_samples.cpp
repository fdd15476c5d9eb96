#include "pipeline/golden_samples.h"

#include <unistd.h>

#include "formats/npz.h"
#include "measure/golden.h"
#include "measure/likeness.h"
#include "measure/tensor_quality.h"

namespace strop::pipeline {
namespace {

constexpr std::string_view kIn = "in.", kOut = "out.";

Result<const Tensor*> output_named(const std::vector<Tensor>& outputs, const std::string& name) {
  const std::size_t index = measure::main_output(outputs, name);
  if (index < outputs.size()) return &outputs[index];
  return Error{.code = ErrorCode::backend,
               .message = str("[golden] the artifact has no output named ", name),
               .field = name};
}

// In f32, which every tool reads and which holds what is compared.
Result<Tensor> in_f32(const Tensor& tensor) {
  STROP_TRY(const auto numbers, measure::numbers_of(tensor));
  const std::vector<float> values(numbers.begin(), numbers.end());
  const auto bytes = std::as_bytes(std::span(values));
  return Tensor{.name = tensor.name,
                .type = ElementType::f32,
                .shape = tensor.shape,
                .data = {bytes.begin(), bytes.end()}};
}

}  // namespace

Result<void> record_sample(TensorSession& session, std::span<const Tensor> inputs,
                           const std::string& output, GoldenSample& sample,
                           const std::filesystem::path& folder, const std::string& prefix) {
  STROP_TRY(const Inference inference, session.infer(inputs));
  STROP_TRY(const Tensor* made, output_named(inference.outputs, output));
  std::vector<Tensor> arrays(inputs.begin(), inputs.end());
  for (Tensor& tensor : arrays) tensor.name.insert(0, kIn);
  STROP_TRY(arrays.emplace_back(), in_f32(*made));
  arrays.back().name.insert(0, kOut);
  const std::filesystem::path aside = folder / str(prefix, "-", sample.name, ".", ::getpid());
  STROP_CHECK(formats::write_npz(aside, arrays));
  return measure::name_by_content(aside, folder, str(prefix, "-", sample.name), ".npz", sample.file,
                                  sample.sha256);
}

Result<RecordedSample> read_recorded(const GoldenSample& sample,
                                     const std::filesystem::path& folder) {
  STROP_TRY(const std::filesystem::path path,
            measure::named_file(sample.file, sample.sha256, folder));
  STROP_TRY(auto arrays, formats::read_npz(path));
  RecordedSample recorded;
  bool found = false;
  for (Tensor& tensor : arrays) {
    if (tensor.name.starts_with(kOut) && !found) {
      found = true;
      tensor.name.erase(0, kOut.size());
      recorded.output = std::move(tensor);
    } else if (tensor.name.starts_with(kIn)) {
      tensor.name.erase(0, kIn.size());
      recorded.inputs.push_back(std::move(tensor));
    } else {
      return Error{.code = ErrorCode::corrupt,
                   .message = str("[golden] ", path.string(), ": ", tensor.name,
                                  " is neither an input nor the one output"),
                   .field = tensor.name};
    }
  }
  if (found) return recorded;
  return Error{.code = ErrorCode::corrupt,
               .message = str("[golden] ", path.string(), " holds no output"),
               .field = sample.file};
}

Result<double> compare_sample(TensorSession& session, const GoldenSample& sample,
                              const std::filesystem::path& folder) {
  STROP_TRY(const RecordedSample recorded, read_recorded(sample, folder));
  STROP_TRY(const Inference inference, session.infer(recorded.inputs));
  STROP_TRY(const Tensor* made, output_named(inference.outputs, recorded.output.name));
  if (made->shape != recorded.output.shape)
    return Error{
        .code = ErrorCode::backend,
        .message = str("[golden] the output ", made->name, " has another shape than the record's"),
        .field = made->name};
  STROP_TRY(const auto wanted, measure::numbers_of(recorded.output));
  STROP_TRY(const auto given, measure::numbers_of(*made));
  return measure::noise_ratio(wanted, given);
}

}  // namespace strop::pipeline
