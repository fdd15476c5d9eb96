#include "formats/sentence.h"

#include <algorithm>

#include "core/json.h"
#include "formats/mapped_file.h"

namespace fs = std::filesystem;

namespace strop::formats {
namespace {

constexpr std::uint64_t kMaxBytes = 16u << 20;

Result<Json> read_json(const fs::path& folder, const std::string& name) {
  STROP_TRY(const MappedFile file, MappedFile::open_inside(folder, name));
  if (file.bytes().size() > kMaxBytes)
    return Error{.code = ErrorCode::invalid_input,
                 .message = str("[formats] ", file.path().string(), " must be at most ", kMaxBytes,
                                " bytes"),
                 .field = name};
  return parse_json(file.bytes(), file.path().string());
}

bool is_true(const Json& json, const std::string& key) {
  return json.is_object() && json.value(key, Json()) == Json(true);
}

// Files without a limit of their own say 1e30.
std::uint32_t limit(const Json& json, const char* key) {
  constexpr std::uint64_t kMost = 1u << 20;
  if (!json.is_object()) return 0;
  const Json value = json.value(key, Json());
  return value.is_number_unsigned() && value.get<std::uint64_t>() <= kMost
             ? value.get<std::uint32_t>()
             : 0;
}

}  // namespace

Result<SentencePooling> read_sentence_pooling(const fs::path& folder) {
  std::error_code error;
  if (!fs::exists(folder / "modules.json", error)) return SentencePooling{};
  STROP_TRY(const Json modules, read_json(folder, "modules.json"));
  SentencePooling pooling;
  const auto leave_out = [](const std::string& why) {
    return SentencePooling{.left_out = "sentence_embedding is left out: " + why};
  };
  if (!modules.is_array()) return leave_out("modules.json is no list");
  for (const Json& module : modules) {
    const Json type = module.is_object() ? module.value("type", Json()) : Json();
    const std::string name = type.is_string() ? type.get<std::string>() : "";
    if (name.ends_with(".Transformer")) continue;
    if (name.ends_with(".Normalize") && pooling.mean) {
      pooling.normalise = true;
      continue;
    }
    const Json path = module.is_object() ? module.value("path", Json()) : Json();
    if (!name.ends_with(".Pooling") || pooling.mean || path != Json("1_Pooling"))
      return leave_out(str("the module ", name, " is not known here"));
    STROP_TRY(const Json config, read_json(folder / "1_Pooling", "config.json"));
    if (!config.is_object()) return leave_out("1_Pooling/config.json is no object");
    for (const auto& [key, value] : config.items()) {
      if (key.starts_with("pooling_mode_") && key != "pooling_mode_mean_tokens" &&
          value == Json(true))
        return leave_out(key + " is not known here");
    }
    pooling.mean = is_true(config, "pooling_mode_mean_tokens");
    if (!pooling.mean) return leave_out("1_Pooling states no mean over tokens");
  }
  return pooling;
}

Result<std::uint32_t> read_text_limit(const fs::path& folder) {
  std::error_code error;
  std::uint32_t stated = 0;
  for (const auto& [file, key] : {std::pair{"sentence_bert_config.json", "max_seq_length"},
                                  {"tokenizer_config.json", "model_max_length"}}) {
    if (stated > 0 || !fs::exists(folder / file, error)) continue;
    STROP_TRY(const Json json, read_json(folder, file));
    stated = limit(json, key);
  }
  std::uint32_t positions = 0;
  if (fs::exists(folder / "config.json", error)) {
    STROP_TRY(const Json config, read_json(folder, "config.json"));
    positions = limit(config, "max_position_embeddings");
  }
  return stated == 0 || positions == 0 ? std::max(stated, positions) : std::min(stated, positions);
}

}  // namespace strop::formats
