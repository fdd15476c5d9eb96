#include "self_test_cache.h"

#include <llama.h>

#include <cstdlib>
#include <fstream>

#include "core/files.h"
#include "core/hash.h"
#include "core/json.h"

namespace strop::llama_cpp {
namespace {

namespace fs = std::filesystem;

// The one folder beside its workspace that a confined worker may write to.
fs::path cache_folder() {
  const auto variable = [](const char* name) {
    return std::string(std::getenv(name) ? std::getenv(name) : "");
  };
  if (const auto store = variable("STROP_STORE"); !store.empty())
    return fs::path(store) / "workers";
  if (const auto cache = variable("XDG_CACHE_HOME"); !cache.empty())
    return fs::path(cache) / "strop" / "workers";
  if (const auto home = variable("HOME"); !home.empty())
    return fs::path(home) / ".cache" / "strop" / "workers";
  return {};
}

fs::path cache_file() {
  const auto folder = cache_folder();
  if (folder.empty()) return {};
  return folder / str("self-test-llama_cpp-", llama_version(), "-",
                      sha256_hex(cpu_model()).substr(0, 16), ".json");
}

// A rebuilt library is tested again: the version alone does not say how it was compiled.
std::string stamp_of(const fs::path& library) {
  std::error_code error;
  const auto bytes = fs::file_size(library, error);
  const auto changed = fs::last_write_time(library, error);
  return error ? std::string() : str(bytes, "-", changed.time_since_epoch().count());
}

SelfTestResult result_from(const Json& entry) {
  return {entry.at("passed").get<bool>(), entry.at("reason").get<std::string>(),
          entry.at("features").get<std::vector<std::string>>()};
}

Json entry_of(const CpuVariant& variant, const SelfTestResult& result) {
  return {{"library", stamp_of(variant.library)},
          {"passed", result.passed},
          {"reason", result.reason},
          {"features", result.features}};
}

}  // namespace

std::string cpu_model() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with("model name"))
      return line.substr(std::min(line.size(), line.find(':') + 2));
  }
  return {};
}

std::map<std::string, SelfTestResult> read_self_tests(const std::vector<CpuVariant>& variants) {
  const auto text = read_text(cache_file(), 1 << 20);
  if (!text) return {};
  const auto json = parse_json(*text, "self-test results");
  if (!json) return {};
  std::map<std::string, SelfTestResult> results;
  try {
    for (const auto& variant : variants) {
      const auto entry = json->find(variant.name);
      if (entry != json->end() && entry->at("library") == stamp_of(variant.library)) {
        results[variant.name] = result_from(*entry);
      }
    }
  } catch (const Json::exception&) {
    return {};  // not our file: the tests run again and replace it
  }
  return results;
}

void write_self_tests(const std::vector<CpuVariant>& variants,
                      const std::map<std::string, SelfTestResult>& results) {
  const auto file = cache_file();
  if (file.empty()) return;
  std::error_code ignored;
  fs::create_directories(file.parent_path(), ignored);
  Json json = Json::object();
  for (const auto& variant : variants) {
    if (const auto result = results.find(variant.name); result != results.end()) {
      json[variant.name] = entry_of(variant, result->second);
    }
  }
  (void)write_whole(file, text_of(json, 1));
}

}  // namespace strop::llama_cpp
