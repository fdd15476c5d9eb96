#include "quantize.h"

#include <llama.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <sstream>
#include <thread>

#include "core/files.h"
#include "formats/gguf.h"

namespace fs = std::filesystem;

namespace strop::convert {
namespace {

struct NamedType {
  const char* name;
  llama_ftype type;
};
constexpr std::array kTypes{
    NamedType{"q8_0", LLAMA_FTYPE_MOSTLY_Q8_0},     NamedType{"q6_k", LLAMA_FTYPE_MOSTLY_Q6_K},
    NamedType{"q5_k_m", LLAMA_FTYPE_MOSTLY_Q5_K_M}, NamedType{"q5_k_s", LLAMA_FTYPE_MOSTLY_Q5_K_S},
    NamedType{"q5_0", LLAMA_FTYPE_MOSTLY_Q5_0},     NamedType{"q5_1", LLAMA_FTYPE_MOSTLY_Q5_1},
    NamedType{"q4_k_m", LLAMA_FTYPE_MOSTLY_Q4_K_M}, NamedType{"q4_k_s", LLAMA_FTYPE_MOSTLY_Q4_K_S},
    NamedType{"q4_0", LLAMA_FTYPE_MOSTLY_Q4_0},     NamedType{"q4_1", LLAMA_FTYPE_MOSTLY_Q4_1},
    NamedType{"iq4_nl", LLAMA_FTYPE_MOSTLY_IQ4_NL}, NamedType{"iq4_xs", LLAMA_FTYPE_MOSTLY_IQ4_XS},
    NamedType{"q3_k_m", LLAMA_FTYPE_MOSTLY_Q3_K_M}, NamedType{"q3_k_s", LLAMA_FTYPE_MOSTLY_Q3_K_S},
    NamedType{"q3_k_l", LLAMA_FTYPE_MOSTLY_Q3_K_L}, NamedType{"q2_k", LLAMA_FTYPE_MOSTLY_Q2_K}};

// What the library says: tensors one by one, and fallbacks as warnings.
struct Watcher {
  const Workspace* workspace = nullptr;
  std::uint64_t tensors = 0, seen = 0, fallbacks = 0;
  std::string last_error;

  void hear(ggml_log_level level, std::string_view text) {
    // Said once per tensor; the library's summary at the end uses another word.
    if (text.find("falling back") != std::string_view::npos) ++fallbacks;
    if (level == GGML_LOG_LEVEL_ERROR) last_error = text.substr(0, text.find_last_not_of('\n') + 1);
    if (text.starts_with("[") && workspace->progress && tensors > 0) {
      ++seen;
      workspace->progress->report(
          std::min(1.0, static_cast<double>(seen) / static_cast<double>(tensors)), "tensors");
    }
  }
};

// Types in use with their number of tensors, and bits per weight of the file.
Result<std::vector<std::string>> describe(const fs::path& out, std::uint64_t fallbacks) {
  STROP_TRY(const formats::GgufFile file, formats::GgufFile::open(out));
  std::map<std::string, std::uint64_t> tensors;
  std::uint64_t bytes = 0, elements = 0;
  for (const formats::GgufTensor& tensor : file.tensors()) {
    ++tensors[tensor.type->name];
    bytes += tensor.data.size();
    elements += tensor.elements();
  }
  std::string types;
  for (const auto& [type, count] : tensors)
    types += str(types.empty() ? "" : ", ", count, " ", type);
  std::vector<std::string> notes{str("tensors: ", types)};
  std::ostringstream bits;
  bits.precision(3);
  bits << "bits per weight: "
       << 8.0 * static_cast<double>(bytes) /
              static_cast<double>(std::max<std::uint64_t>(1, elements));
  notes.push_back(bits.str());
  if (fallbacks > 0)
    notes.push_back(
        str(fallbacks,
            " tensors fell back to another type, because their rows are no multiple of 256"));
  return notes;
}

}  // namespace

Result<std::vector<std::string>> quantize(const fs::path& in, const std::string& type,
                                          const fs::path& out, const Workspace& workspace) {
  const auto known = std::find_if(kTypes.begin(), kTypes.end(),
                                  [&](const NamedType& named) { return named.name == type; });
  if (known == kTypes.end()) {
    std::string names;
    for (const NamedType& named : kTypes) names += str(names.empty() ? "" : ", ", named.name);
    return Error{.code = ErrorCode::invalid_input,
                 .message = str("[optimize] type must be one of ", names, ", but is ", type),
                 .field = "type",
                 .value = type};
  }
  Watcher watcher{.workspace = &workspace};
  {
    // Our reader's verdict comes first: the library aborts on some damaged files.
    STROP_TRY(const formats::GgufFile file, formats::GgufFile::open(in));
    watcher.tensors = file.tensors().size();
    for (const formats::GgufTensor& tensor : file.tensors()) {
      const std::string_view name = tensor.type->name;
      if (name != "f32" && name != "f16" && name != "bf16") {
        return Error{
            .code = ErrorCode::unsupported,
            .message = str("[optimize] the weights are quantised already (", tensor.name, " is ",
                           name, "); quantising them again would add a second error"),
            .hint = "Start from the unquantised model.",
            .field = "type",
            .value = std::string(name)};
      }
    }
  }
  llama_log_set([](ggml_log_level level, const char* text,
                   void* data) { static_cast<Watcher*>(data)->hear(level, text); },
                &watcher);
  llama_backend_init();
  llama_model_quantize_params params = llama_model_quantize_default_params();
  params.ftype = known->type;
  params.nthread = static_cast<std::int32_t>(std::thread::hardware_concurrency());
  const fs::path aside = out.parent_path() / str(".", out.filename().string(), ".part");
  errno = 0;
  const std::uint32_t failed = llama_model_quantize(in.c_str(), aside.c_str(), &params);
  const int reason = errno;
  llama_log_set([](ggml_log_level, const char*, void*) {}, nullptr);
  if (failed != 0) {
    std::error_code ignored;
    fs::remove(aside, ignored);
    if (is_of_disk(reason)) return file_error("write", out, reason);
    return Error{.code = ErrorCode::backend,
                 .message = str("[optimize] llama.cpp could not quantise to ", type, ": ",
                                watcher.last_error)};
  }
  STROP_CHECK(sync_file(aside));
  if (::rename(aside.c_str(), out.c_str()) != 0) return file_error("rename to", out, errno);
  return describe(out, watcher.fallbacks);
}

}  // namespace strop::convert
