#include "pipeline/golden_prompts.h"

#include <algorithm>
#include <optional>

#include "core/files.h"
#include "core/json.h"
#include "core/rule_file.h"
#include "measure/golden.h"

namespace fs = std::filesystem;

namespace strop::pipeline {
namespace {

constexpr const char* kFile = "golden/golden.json";
constexpr std::uint32_t kDeepTokens = 512;

// The sequences in ids: so many scored positions at the end of each.
GoldenRows rows_of(const std::string& name, std::size_t tokens, std::uint32_t steps,
                   const std::vector<std::vector<TokenId>>& texts) {
  GoldenRows rows{.name = name};
  const std::size_t wanted = measure::kGoldenPositions + 1;
  for (std::vector<TokenId> ids : texts) {
    ids.resize(std::min(ids.size(), tokens));
    if (ids.size() > 2) rows.sequences.push_back(std::move(ids));
  }
  std::size_t shortest = tokens;
  for (const auto& ids : rows.sequences) shortest = std::min(shortest, ids.size());
  rows.first_scored = static_cast<std::uint32_t>(shortest > wanted ? shortest - wanted : 0);
  if (steps > 0 && shortest > steps + 1)
    rows.stepped_from = static_cast<std::uint32_t>(shortest - 1 - steps);
  return rows;
}

}  // namespace

Result<OwnLimits> read_own_limits(const fs::path& share, const std::string& metric) {
  STROP_TRY(const Json json, read_rule_file(share / kFile));
  std::optional<Error> error;
  const RuleReader limits = RuleReader(json, "golden.json", error).object("limits");
  const OwnLimits own{limits.object("own_here").number(metric),
                      limits.object("own_elsewhere").number(metric)};
  if (error) return *std::move(error);
  return own;
}

Result<GoldenPrompts> read_golden_prompts(const fs::path& share) {
  STROP_TRY(const Json json, read_rule_file(share / kFile));
  std::optional<Error> error;
  const RuleReader reader(json, "golden.json", error);
  reader.only({"limits", "sequences", "texts", "chats"});
  const RuleReader sequences = reader.object("sequences");
  GoldenPrompts prompts;
  prompts.brief_and_short = sequences.words("brief");
  for (std::string& text : sequences.words("short")) prompts.brief_and_short.push_back(text);
  const std::string deep = sequences.text("deep");
  prompts.texts = reader.words("texts");
  if (error) return *std::move(error);
  STROP_TRY(prompts.chats,
            decode<std::vector<GoldenChat>>(json.value("chats", Json()), "golden.json"));
  STROP_TRY(prompts.deep, read_text(share / "text" / "evaluation" / (deep + ".txt")));
  return prompts;
}

Result<void> fill_texts(Golden& golden, const GoldenPrompts& prompts, Tokenizer& tokenizer) {
  for (const std::string& text : prompts.texts) {
    for (const bool special : {false, true}) {
      GoldenText one{.text = text, .add_special = special, .parse_special = special};
      STROP_TRY(one.ids, tokenizer.encode(text, special, special));
      STROP_TRY(one.decoded, tokenizer.decode(one.ids));
      golden.texts.push_back(std::move(one));
    }
  }
  for (GoldenChat chat : prompts.chats) {
    if (!tokenizer.info().has_chat_template) break;
    auto text = tokenizer.chat(chat.messages, chat.add_generation_prompt);
    // A template may refuse a conversation, such as one with a system message.
    if (!text && text.error().code == ErrorCode::crashed) return std::move(text).error();
    if (!text) continue;
    chat.text = *std::move(text);
    golden.chats.push_back(std::move(chat));
  }
  return {};
}

Result<std::vector<GoldenRows>> golden_sequences(const GoldenPrompts& prompts, Tokenizer& tokenizer,
                                                 std::uint32_t context_length) {
  std::vector<std::vector<TokenId>> few, long_one(1);
  for (const std::string& text : prompts.brief_and_short) {
    STROP_TRY(few.emplace_back(), tokenizer.encode(text, true, false));
  }
  STROP_TRY(long_one.front(), tokenizer.encode(prompts.deep, true, false));
  const std::size_t few_tokens = std::min<std::size_t>(41, context_length);
  std::vector<GoldenRows> all{rows_of("brief", few_tokens, 16, {few.begin(), few.begin() + 1}),
                              rows_of("short", few_tokens, 0, {few.begin() + 1, few.end()}),
                              rows_of("deep", std::min(kDeepTokens, context_length), 0, long_one)};
  std::erase_if(all, [](const GoldenRows& rows) { return rows.sequences.empty(); });
  return all;
}

}  // namespace strop::pipeline
