// What golden records ask of a model of text: share/golden/golden.json.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "strop/golden.h"
#include "strop/text.h"

namespace strop::pipeline {

struct GoldenPrompts {
  std::vector<std::string> brief_and_short;  // brief first
  std::string deep;
  std::vector<std::string> texts;
  std::vector<GoldenChat> chats;
};

Result<GoldenPrompts> read_golden_prompts(const std::filesystem::path& share);

// How far an artifact may be from its own record: on the same device, engine and kernels, and
// elsewhere.
struct OwnLimits {
  double here = 0, elsewhere = 0;
};
// metric: kl_mean or noise_ratio.
Result<OwnLimits> read_own_limits(const std::filesystem::path& share, const std::string& metric);

// Texts and conversations with what the tokenizer makes of them.
Result<void> fill_texts(Golden& golden, const GoldenPrompts& prompts, Tokenizer& tokenizer);

// The sequences whose logits are recorded.
Result<std::vector<GoldenRows>> golden_sequences(const GoldenPrompts& prompts, Tokenizer& tokenizer,
                                                 std::uint32_t context_length);

}  // namespace strop::pipeline
