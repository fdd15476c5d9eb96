// Whether one build of ggml's CPU kernels computes correctly on this machine. Compilers have
// produced kernels that crash or are wrong on some CPUs, so the test runs in a process of its own.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace strop::llama_cpp {

struct SelfTestResult {
  bool passed = false;
  std::string reason;                 // why not; empty when passed
  std::vector<std::string> features;  // instruction sets the kernels were built for
  bool operator==(const SelfTestResult&) const = default;
};

// Runs the worker program with kSelfTestFlag and judges its end: crash, hang and wrong results all
// fail.
SelfTestResult self_test_in_child(const std::filesystem::path& worker,
                                  const std::filesystem::path& library);

inline constexpr const char* kSelfTestFlag = "--self-test";

// The child's side: multiplies matrices of every weight type Strop makes, compares with a scalar
// computation, prints one line "ok FEATURE..." or "failed REASON", and returns the exit code.
int self_test_main(const std::filesystem::path& library);

}  // namespace strop::llama_cpp
