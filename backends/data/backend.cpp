#include "backend.h"

#include <archive.h>

#include <charconv>

#include "core/json.h"
#include "samples.h"
#include "strop/version.h"

namespace strop::data {
namespace {

constexpr std::uint64_t kMostSamples = 100'000;

Error refuse(const std::string& name, const std::string& rule, const std::string& value) {
  return Error{.code = ErrorCode::invalid_input,
               .message = str("[data] the step's ", name, " ", rule, ", but is ",
                              value.empty() ? "missing" : value),
               .field = name,
               .value = value};
}

std::string param(const Step& step, const std::string& name) {
  const auto found = step.params.find(name);
  return found == step.params.end() ? std::string() : found->second;
}

Result<std::uint64_t> number(const Step& step, const std::string& name, std::uint64_t most) {
  const std::string text = param(step, name);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > most)
    return refuse(name, str("must be an integer from 0 to ", most), text);
  return value;
}

Result<std::vector<Port>> ports(const Step& step, const std::string& name) {
  STROP_TRY(const Json json, parse_json(param(step, name), "the step's " + name));
  return decode<std::vector<Port>>(json, "the step's " + name);
}

std::string file_name(std::size_t index) {
  std::string number = std::to_string(index);
  number.insert(0, number.size() < 6 ? 6 - number.size() : 0, '0');
  return number + ".npz";
}

}  // namespace

BackendInfo DataBackend::info() const {
  return {.name = "data", .version = str(STROP_VERSION, ", ", archive_version_string())};
}

Fit DataBackend::assess(const Model&, const Target&) const {
  return {.supported = false, .score = 0, .reasons = {"makes samples, runs no models"}};
}

RecipeSpace DataBackend::space(const Model&, const Target&) const { return {}; }

Result<Artifact> DataBackend::build(const Model& input, const Recipe& recipe, std::size_t step,
                                    const Workspace& workspace) const {
  const Step& asked = recipe.steps.at(step);
  if (input.format != "data")
    return Error{.code = ErrorCode::unsupported,
                 .message = str("[data] only data becomes samples, but this is ", input.format),
                 .field = "format",
                 .value = input.format};
  Request request{.data = input.path};
  STROP_TRY(request.inputs, ports(asked, "inputs"));
  STROP_TRY(request.outputs, ports(asked, "outputs"));
  if (request.inputs.empty()) return refuse("inputs", "must name the model's inputs", "[]");
  STROP_TRY(request.seed, number(asked, "seed", ~std::uint64_t{0}));
  STROP_TRY(request.calibration, number(asked, "calibration", kMostSamples));
  STROP_TRY(request.evaluation, number(asked, "evaluation", kMostSamples));
  if (request.evaluation == 0) return refuse("evaluation", "must be at least 1", "0");
  STROP_TRY(const SampleList list, make_samples(request, workspace));
  Artifact artifact{.format = "samples", .entry = "samples.json", .notes = list.notes};
  artifact.files.push_back({.path = "samples.json"});
  for (std::size_t i = 0; i < list.count; ++i) artifact.files.push_back({.path = file_name(i)});
  for (std::size_t i = 0; i < list.calibration_count; ++i)
    artifact.files.push_back({.path = "calibration/" + file_name(i)});
  return artifact;
}

Result<std::unique_ptr<Session>> DataBackend::open(const Artifact&, const RunOptions&,
                                                   const Workspace&) const {
  return Error{.code = ErrorCode::unsupported,
               .message = "[measure] the data worker runs no models"};
}

}  // namespace strop::data
