// ggml's CPU kernels come in one library per instruction set. Which of them this CPU can run, which
// of those proved right in a self-test, and the one this process uses: a process can use only one.
#pragma once

#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "self_test.h"
#include "strop/result.h"

namespace strop::llama_cpp {

struct CpuVariant {
  std::string name;  // zen4, sapphirerapids, ...
  std::filesystem::path library;
  int score = 0;  // ggml's own; higher is faster, never 0 here
};

// The variants in the folder that this CPU can run, best first; ggml's score of 0 excludes one.
std::vector<CpuVariant> runnable_variants(const std::filesystem::path& folder);

// The folder of the engine library in use, where its CPU variants lie.
std::filesystem::path engine_folder();

// The variants with their self-tests, each run when first asked for and remembered in a file.
class CpuVariants {
 public:
  // worker: the program that tests a variant on itself.
  explicit CpuVariants(std::filesystem::path worker);

  const std::vector<CpuVariant>& runnable() const { return variants_; }
  const SelfTestResult& tested(const CpuVariant& variant) const;
  // The best `count` that pass, best first. Tests no more than it needs.
  std::vector<CpuVariant> best(std::size_t count) const;
  // One sentence for each variant that was tested and failed.
  std::vector<std::string> failures() const;
  // Loads the variant of that name, or the best one that passes for an empty name.
  Result<CpuVariant> load(const std::string& name) const;

 private:
  std::filesystem::path worker_;
  std::vector<CpuVariant> variants_;
  mutable std::recursive_mutex mutex_;  // guards what follows
  mutable std::map<std::string, SelfTestResult> results_;
  mutable std::string loaded_;
};

}  // namespace strop::llama_cpp
