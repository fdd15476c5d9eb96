// Self-test results in the user's cache folder, valid for one engine build on one CPU model.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "cpu_variants.h"

namespace strop::llama_cpp {

// Results of variants whose library is unchanged; empty where there is no readable file.
std::map<std::string, SelfTestResult> read_self_tests(const std::vector<CpuVariant>& variants);

// Best effort: a confined worker may not write, and then the tests run again next time.
void write_self_tests(const std::vector<CpuVariant>& variants,
                      const std::map<std::string, SelfTestResult>& results);

// "AMD EPYC 9554" or what else the system calls the CPU; empty when it does not say.
std::string cpu_model();

}  // namespace strop::llama_cpp
