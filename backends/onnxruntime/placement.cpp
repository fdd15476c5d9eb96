#include "placement.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "core/files.h"

namespace fs = std::filesystem;

namespace strop::onnxruntime {
namespace {

using Json = nlohmann::json;

constexpr std::uintmax_t kMostBytes = 256u << 20;
constexpr std::size_t kMostNodes = 1'000'000;
constexpr std::size_t kMostProviders = 64;
constexpr std::size_t kDeepest = 16;
constexpr std::size_t kLongestName = 4096;
constexpr std::string_view kKernel = "_kernel_time";
// Sizes to try for dimensions that the model leaves open.
constexpr std::array<std::int64_t, 3> kSizes{1, 64, 256};
constexpr std::size_t kMostElements = 1u << 26;

// [{"cat": "Node", "name": "NODE_kernel_time", "args": {"provider": "...", ...}, ...}, ...]
class ProfileReader final : public nlohmann::json_sax<Json> {
 public:
  bool start_array(std::size_t) override { return open('['); }
  bool end_array() override { return close(); }
  bool start_object(std::size_t) override {
    if (open_.size() == 1) event_ = {};
    return open('{');
  }
  bool end_object() override {
    if (open_.size() == 2 && !count()) return false;
    return close();
  }
  bool key(string_t& text) override {
    if (text.size() > kLongestName) return refuse("a key is too long");
    key_ = text;
    if (open_.size() == 2) outer_ = text;
    if (open_.size() == 2 && !event_.keys.insert(text).second)
      return refuse("an event has the key " + text + " twice");
    return true;
  }
  bool string(string_t& text) override {
    if (text.size() > kLongestName) text.resize(kLongestName);
    if (open_.size() == 2 && key_ == "cat") event_.category = text;
    if (open_.size() == 2 && key_ == "name") event_.name = text;
    if (open_.size() == 3 && outer_ == "args" && key_ == "provider") event_.provider = text;
    return value();
  }
  bool null() override { return value(); }
  bool boolean(bool) override { return value(); }
  bool number_integer(std::int64_t) override { return value(); }
  bool number_unsigned(std::uint64_t) override { return value(); }
  bool number_float(double, const string_t&) override { return value(); }
  bool binary(binary_t&) override { return refuse("it holds bytes"); }
  bool parse_error(std::size_t position, const std::string&, const Json::exception&) override {
    return refuse(str("it is no JSON at byte ", position));
  }

  const std::string& problem() const { return problem_; }
  const std::vector<std::pair<std::string, std::set<std::string>>>& nodes() const { return nodes_; }

 private:
  struct Event {
    std::string category, name, provider;
    std::set<std::string> keys;
  };
  bool refuse(const std::string& why) {
    if (problem_.empty()) problem_ = why;
    return false;
  }
  bool open(char kind) {
    if (open_.empty() && kind != '[') return refuse("it is no array");
    if (open_.size() == 1 && kind != '{') return refuse("an event is no object");
    if (open_.size() == kDeepest) return refuse("it nests too deep");
    open_ += kind;
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }
  bool value() { return open_.size() >= 2 || refuse("an event is no object"); }
  bool count() {
    if (event_.category != "Node" || !event_.name.ends_with(kKernel)) return true;
    if (event_.provider.empty()) return refuse("the node " + event_.name + " has no provider");
    auto found = std::find_if(nodes_.begin(), nodes_.end(),
                              [&](const auto& known) { return known.first == event_.provider; });
    if (found == nodes_.end()) {
      if (nodes_.size() == kMostProviders) return refuse("it names too many providers");
      found = nodes_.insert(nodes_.end(), {event_.provider, {}});
    }
    if (found->second.insert(event_.name).second && ++count_ > kMostNodes)
      return refuse(str("it has more than ", kMostNodes, " nodes"));
    return true;
  }

  std::string open_, key_, outer_, problem_;
  Event event_;
  std::vector<std::pair<std::string, std::set<std::string>>> nodes_;
  std::size_t count_ = 0;
};

Error bad_profile(const std::string& why) {
  return {ErrorCode::corrupt,
          str("[onnxruntime] the engine's profile cannot be used: ", why, "."),
          {},
          "profile"};
}

// Zeros; a mask of attention is all ones.
template <class T>
Ort::Value filled(Ort::AllocatorWithDefaultOptions& allocator,
                  const std::vector<std::int64_t>& shape, T value) {
  Ort::Value tensor = Ort::Value::CreateTensor<T>(allocator, shape.data(), shape.size());
  std::fill_n(tensor.GetTensorMutableData<T>(),
              tensor.GetTensorTypeAndShapeInfo().GetElementCount(), value);
  return tensor;
}

Ort::Value made_up(const std::string& name, const Ort::TypeInfo& info, std::int64_t size) {
  if (info.GetONNXType() != ONNX_TYPE_TENSOR)
    throw Ort::Exception("the input " + name + " is no tensor", ORT_INVALID_ARGUMENT);
  const auto tensor = info.GetTensorTypeAndShapeInfo();
  auto shape = tensor.GetShape();
  // A decoder's cache begins empty.
  const bool is_cache = name.starts_with("past");
  std::size_t elements = 1;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] < 0) shape[i] = is_cache && i > 0 ? 0 : i == 0 ? 1 : size;
    elements *= static_cast<std::size_t>(shape[i]);
    if (elements > kMostElements)
      throw Ort::Exception("the input " + name + " is too large", ORT_INVALID_ARGUMENT);
  }
  Ort::AllocatorWithDefaultOptions allocator;
  const bool is_mask = name.find("mask") != std::string::npos;
  switch (tensor.GetElementType()) {
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT:
      return filled<float>(allocator, shape, is_mask ? 1.0f : 0.0f);
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64:
      return filled<std::int64_t>(allocator, shape, is_mask ? 1 : 0);
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32:
      return filled<std::int32_t>(allocator, shape, is_mask ? 1 : 0);
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8:
      return filled<std::uint8_t>(allocator, shape, 0);
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8:
      return filled<std::int8_t>(allocator, shape, 0);
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL:
      return filled<bool>(allocator, shape, is_mask);
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16:
      return filled<Ort::Float16_t>(allocator, shape, Ort::Float16_t(0.0f));
    default:
      throw Ort::Exception("the input " + name + " is of a type that is not made up",
                           ORT_INVALID_ARGUMENT);
  }
}

void run_once(Ort::Session& session, std::int64_t size) {
  Ort::AllocatorWithDefaultOptions allocator;
  std::vector<std::string> names, results;
  std::vector<Ort::Value> values;
  for (std::size_t i = 0; i < session.GetInputCount(); ++i) {
    names.emplace_back(session.GetInputNameAllocated(i, allocator).get());
    values.push_back(made_up(names.back(), session.GetInputTypeInfo(i), size));
  }
  for (std::size_t i = 0; i < session.GetOutputCount(); ++i)
    results.emplace_back(session.GetOutputNameAllocated(i, allocator).get());
  std::vector<const char*> given, wanted;
  for (const auto& name : names) given.push_back(name.c_str());
  for (const auto& name : results) wanted.push_back(name.c_str());
  session.Run(Ort::RunOptions{nullptr}, given.data(), values.data(), values.size(), wanted.data(),
              wanted.size());
}

// Why no size of the open dimensions could be run; empty when one could.
std::string why_not_run(Ort::Session& session) {
  std::string reason;
  for (const std::int64_t size : kSizes) {
    try {
      run_once(session, size);
      return {};
    } catch (const Ort::Exception& error) {
      reason = first_sentence(error.what());
    }
  }
  return reason;
}

}  // namespace

Result<std::vector<Placement>> placement_of(const fs::path& profile) {
  std::error_code error;
  const auto bytes = fs::file_size(profile, error);
  if (error) return file_error("read", profile, error.value());
  if (bytes > kMostBytes) return bad_profile(str("it has ", bytes, " bytes"));
  std::ifstream file(profile, std::ios::binary);
  ProfileReader reader;
  if (!file || !Json::sax_parse(file, &reader))
    return bad_profile(reader.problem().empty() ? "it cannot be read" : reader.problem());
  if (reader.nodes().empty()) return bad_profile("it has no nodes");
  std::vector<Placement> placement;
  for (const auto& [provider, nodes] : reader.nodes())
    placement.push_back({provider_word(provider), static_cast<std::uint32_t>(nodes.size())});
  std::sort(placement.begin(), placement.end(), [](const Placement& a, const Placement& b) {
    return a.nodes != b.nodes ? a.nodes > b.nodes : a.provider < b.provider;
  });
  return placement;
}

void profile_into(Ort::SessionOptions& options, const fs::path& folder) {
  options.EnableProfiling((folder / "profile").c_str());
}

Placed placed(Ort::Session& session) {
  Placed found;
  const auto not_reported = [&](const std::string& why) {
    found.notes.push_back("placement not reported: " + why);
  };
  std::string reason;
  const auto profile = guard("profiling", [&]() -> Result<fs::path> {
    reason = why_not_run(session);
    Ort::AllocatorWithDefaultOptions allocator;
    return fs::path(session.EndProfilingAllocated(allocator).get());
  });
  if (!profile) {
    not_reported(profile.error().message);
    return found;
  }
  auto placement = placement_of(*profile);
  std::error_code error;
  fs::remove(*profile, error);
  if (!reason.empty()) {
    not_reported("no made-up input could be run: " + reason);
  } else if (!placement) {
    not_reported(placement.error().message);
  } else {
    found.placement = *std::move(placement);
    if (providers().here.size() == 1)
      found.notes.push_back("this library has the CPU provider only: nothing could run elsewhere");
    else if (found.placement.size() > 1 && found.placement.front().provider != "cpu")
      found.notes.push_back("some nodes fell back to another provider");
  }
  return found;
}

}  // namespace strop::onnxruntime
