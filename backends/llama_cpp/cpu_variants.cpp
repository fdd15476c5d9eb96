#include "cpu_variants.h"

#include <dlfcn.h>
#include <ggml-backend.h>
#include <llama.h>

#include <algorithm>

#include "engine_log.h"
#include "self_test_cache.h"

namespace strop::llama_cpp {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "libggml-cpu-";
constexpr std::string_view kSuffix = ".so";

// 0: this CPU lacks what the library needs, or it is not such a library.
int score_of(const fs::path& library) {
  void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return 0;
  const auto score = reinterpret_cast<int (*)()>(dlsym(handle, "ggml_backend_score"));
  const int value = score != nullptr ? score() : 0;
  dlclose(handle);
  return value;
}

std::string joined_names(const std::vector<CpuVariant>& variants) {
  std::string names;
  for (const auto& variant : variants) names += (names.empty() ? "" : ", ") + variant.name;
  return names;
}

}  // namespace

fs::path engine_folder() {
  Dl_info found;
  if (dladdr(reinterpret_cast<const void*>(&llama_version), &found) == 0) return {};
  std::error_code error;
  return fs::canonical(found.dli_fname, error).parent_path();
}

std::vector<CpuVariant> runnable_variants(const fs::path& folder) {
  std::vector<CpuVariant> variants;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const auto file = entry.path().filename().string();
    if (!file.starts_with(kPrefix) || !file.ends_with(kSuffix)) continue;
    const auto name = file.substr(kPrefix.size(), file.size() - kPrefix.size() - kSuffix.size());
    if (const int score = score_of(entry.path()); score > 0)
      variants.push_back({name, entry.path(), score});
  }
  std::sort(variants.begin(), variants.end(), [](const CpuVariant& a, const CpuVariant& b) {
    return a.score != b.score ? a.score > b.score : a.name < b.name;
  });
  return variants;
}

CpuVariants::CpuVariants(fs::path worker)
    : worker_(std::move(worker)),
      variants_(runnable_variants(engine_folder())),
      results_(read_self_tests(variants_)) {}

const SelfTestResult& CpuVariants::tested(const CpuVariant& variant) const {
  const std::lock_guard lock(mutex_);
  if (const auto known = results_.find(variant.name); known != results_.end()) return known->second;
  const auto& result = results_[variant.name] = self_test_in_child(worker_, variant.library);
  write_self_tests(variants_, results_);
  return result;
}

std::vector<CpuVariant> CpuVariants::best(std::size_t count) const {
  std::vector<CpuVariant> passing;
  for (const auto& variant : variants_) {
    if (passing.size() == count) break;
    if (tested(variant).passed) passing.push_back(variant);
  }
  return passing;
}

std::vector<std::string> CpuVariants::failures() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> sentences;
  for (const auto& [name, result] : results_) {
    if (!result.passed)
      sentences.push_back(str("CPU variant ", name, " is skipped: ", result.reason, "."));
  }
  return sentences;
}

Result<CpuVariant> CpuVariants::load(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto passing = name.empty() ? best(1) : variants_;
  const auto found = std::find_if(passing.begin(), passing.end(), [&](const CpuVariant& variant) {
    return name.empty() || variant.name == name;
  });
  if (found == passing.end()) {
    if (name.empty()) {
      return Error{ErrorCode::unsupported,
                   "[llama_cpp] no build of the CPU kernels works on this machine."};
    }
    return Error{ErrorCode::invalid_input,
                 str("[llama_cpp] cpu_variant must be one of ", joined_names(variants_),
                     ", but got ", name, "."),
                 {},
                 "cpu_variant",
                 name};
  }
  if (const auto& test = tested(*found); !test.passed) {
    return Error{ErrorCode::unsupported,
                 str("[llama_cpp] CPU variant ", name, " failed its self-test: ", test.reason, "."),
                 "Leave cpu_variant out to use one that works.", "cpu_variant", name};
  }
  if (loaded_ == found->name) return *found;
  if (!loaded_.empty()) {
    return Error{ErrorCode::busy,
                 str("[llama_cpp] this worker already uses CPU variant ", loaded_,
                     ", so it cannot use ", found->name, "."),
                 "Start another worker.", "cpu_variant", found->name};
  }
  clear_engine_log();
  if (ggml_backend_load(found->library.c_str()) == nullptr) {
    return Error{ErrorCode::backend, str("[llama_cpp] CPU variant ", found->name,
                                         " does not load: ", engine_complaints(), ".")};
  }
  loaded_ = found->name;
  return *found;
}

}  // namespace strop::llama_cpp
