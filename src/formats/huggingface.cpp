#include "formats/huggingface.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <sstream>

#include "core/files.h"
#include "core/json.h"
#include "core/utf8.h"
#include "formats/mapped_file.h"

namespace fs = std::filesystem;

namespace strop::formats {
namespace {

constexpr std::uint32_t kMaxDimension = 1u << 24;
constexpr std::uint32_t kMaxLayers = 4096;
constexpr std::uint32_t kMaxVocabulary = 1u << 22;
constexpr std::size_t kMaxTemplateBytes = 1u << 20;
constexpr std::uint64_t kMaxJsonBytes = 128ull << 20;

Result<Json> read_json(const fs::path& folder, const char* name) {
  STROP_TRY(const MappedFile file, MappedFile::open_inside(folder, name));
  if (file.bytes().size() > kMaxJsonBytes)
    return Error{.code = ErrorCode::invalid_input,
                 .message = str("[formats] ", file.path().string(), " must be at most ",
                                kMaxJsonBytes, " bytes")};
  STROP_TRY(Json json, parse_json(file.bytes(), file.path().string()));
  if (!json.is_object())
    return Error{.code = ErrorCode::corrupt,
                 .message = str("[formats] ", file.path().string(), " must hold a JSON object")};
  return json;
}

Error refuse(const std::string& file, const std::string& field, const std::string& rule,
             const Json& value) {
  const std::string got = value.is_null() ? "nothing" : shown(value);
  return Error{.code = ErrorCode::invalid_input,
               .message = str("[formats] ", file, ": ", field, " ", rule, ", but is ", got),
               .field = field,
               .value = got};
}

// One field of config.json with its range.
Result<std::uint32_t> whole(const Json& config, const char* field, std::uint32_t most,
                            std::optional<std::uint32_t> absent = {}) {
  const Json value = config.value(field, Json());
  if (value.is_null() && absent) return *absent;
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() < 1 ||
      value.get<std::uint64_t>() > most)
    return refuse("config.json", field, str("must be an integer from 1 to ", most), value);
  return value.get<std::uint32_t>();
}

Result<double> positive(const Json& config, const char* field, double absent) {
  const Json value = config.value(field, Json());
  if (value.is_null()) return absent;
  if (!value.is_number() || !(value.get<double>() > 0) || value.get<double>() > 1e12)
    return refuse("config.json", field, "must be a positive number", value);
  return value.get<double>();
}

bool flag(const Json& config, const char* field) {
  const Json value = config.value(field, Json());
  return value.is_boolean() && value.get<bool>();
}

std::string text(const Json& json, const char* field) {
  const Json value = json.value(field, Json());
  return value.is_string() ? value.get<std::string>() : "";
}

// Some files list several ids; the first is the one that ends a turn.
std::optional<std::uint32_t> token_id(const Json& json, const char* field) {
  Json value = json.value(field, Json());
  if (value.is_array() && !value.empty()) value = value[0];
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() >= kMaxVocabulary)
    return std::nullopt;
  return value.get<std::uint32_t>();
}

std::string precision_word(const std::string& type) {
  if (type == "float32") return "f32";
  if (type == "bfloat16") return "bf16";
  if (type == "float16") return "f16";
  return type;
}

// Newer files call it rope_parameters and keep the base in it too.
const char* rope_field(const Json& config) {
  return config.contains("rope_parameters") ? "rope_parameters" : "rope_scaling";
}

Result<double> read_rope_base(const Json& config) {
  const Json inside = config.value(rope_field(config), Json());
  return positive(inside.is_object() && inside.contains("rope_theta") ? inside : config,
                  "rope_theta", 10000);
}

Result<std::optional<RopeScaling>> read_rope_scaling(const Json& config) {
  const Json value = config.value(rope_field(config), Json());
  if (value.is_null()) return std::optional<RopeScaling>();
  if (!value.is_object())
    return refuse("config.json", rope_field(config), "must be an object", value);
  RopeScaling scaling{.kind = text(value, value.contains("rope_type") ? "rope_type" : "type")};
  if (scaling.kind == "default" || (scaling.kind.empty() && !value.contains("factor")))
    return std::optional<RopeScaling>();
  STROP_TRY(scaling.factor, positive(value, "factor", 1));
  STROP_TRY(scaling.low_freq_factor, positive(value, "low_freq_factor", 1));
  STROP_TRY(scaling.high_freq_factor, positive(value, "high_freq_factor", 4));
  STROP_TRY(scaling.original_context,
            whole(value, "original_max_position_embeddings", kMaxDimension, 0));
  return std::optional(scaling);
}

bool is_isolated_split(const Json& step, const char* pattern) {
  if (text(step, "type") != "Split" || text(step, "behavior") != "Isolated" || flag(step, "invert"))
    return false;
  return step.contains("pattern") && step["pattern"].is_object() &&
         text(step["pattern"], "Regex") == pattern;
}

bool is_byte_level(const Json& step, bool use_regex) {
  return text(step, "type") == "ByteLevel" &&
         step.value("add_prefix_space", Json()) == Json(false) &&
         step.value("use_regex", Json(true)) == Json(use_regex);
}

struct KnownPattern {
  const char* pattern;
  const char* name;
};
// Patterns as the models' own tokenizer.json files state them, and the names llama.cpp implements
// them under. The first comes with and without ignore_merges, under two names.
constexpr std::array kPatterns{
    KnownPattern{
        R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
        "llama-bpe"},
    KnownPattern{
        R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
        "qwen2"}};

// By structure, so that a tokenizer with other words but the same splitting is known.
Result<std::string> recognise_pre_tokenizer(const Json& tokenizer) {
  const Json step = tokenizer.value("pre_tokenizer", Json());
  const Json normalizer = tokenizer.value("normalizer", Json());
  const bool plain = normalizer.is_null();
  const bool nfc = normalizer.is_object() && text(normalizer, "type") == "NFC";
  const bool whole_words = flag(tokenizer["model"], "ignore_merges");
  if (step.is_object() && plain && !whole_words && is_byte_level(step, true))
    return std::string("gpt-2");
  if (step.is_object() && text(step, "type") == "Sequence" && step.contains("pretokenizers") &&
      step["pretokenizers"].is_array() && step["pretokenizers"].size() == 2) {
    const Json& first = step["pretokenizers"][0];
    const Json& second = step["pretokenizers"][1];
    if (plain && !whole_words && text(first, "type") == "Digits" &&
        first.value("individual_digits", Json()) == Json(true) && is_byte_level(second, true))
      return std::string("smollm");
    for (const KnownPattern& known : kPatterns) {
      const bool normalised_alike = plain || (nfc && std::string_view(known.name) == "qwen2");
      if (!normalised_alike || !is_isolated_split(first, known.pattern) ||
          !is_byte_level(second, false))
        continue;
      if (std::string_view(known.name) != "llama-bpe") {
        if (!whole_words) return std::string(known.name);
      } else {
        return std::string(whole_words ? "llama-bpe" : "smaug-bpe");
      }
    }
  }
  return Error{.code = ErrorCode::unsupported,
               .message = str("[formats] tokenizer.json: this pre-tokenizer is not known, so its "
                              "tokens could be wrong without a sign: ",
                              shown(step, 160)),
               .hint = "Known are those of GPT-2, SmolLM, Llama 3 and Qwen 2.",
               .field = "pre_tokenizer",
               .value = shown(step, 160)};
}

Result<std::vector<std::string>> read_vocabulary(const Json& model, const Json& added) {
  const Json vocabulary = model.value("vocab", Json());
  if (!vocabulary.is_object() || vocabulary.size() > kMaxVocabulary)
    return refuse("tokenizer.json", "model.vocab", "must be an object of words", {});
  std::vector<std::string> tokens(vocabulary.size());
  std::vector<bool> taken(vocabulary.size(), false);
  const auto place = [&](std::uint64_t id, const std::string& word) {
    if (id >= tokens.size()) tokens.resize(id + 1), taken.resize(id + 1, false);
    tokens[id] = word;
    taken[id] = true;
  };
  for (const auto& [word, id] : vocabulary.items()) {
    if (!id.is_number_unsigned() || id.get<std::uint64_t>() >= kMaxVocabulary)
      return refuse("tokenizer.json", str("the id of ", word),
                    str("must be below ", kMaxVocabulary), id);
    const auto number = id.get<std::uint64_t>();
    if (number < taken.size() && taken[number])
      return refuse("tokenizer.json", str("the id of ", word), "must be there once", id);
    place(number, word);
  }
  for (const Json& token : added) {
    const auto id = token_id(token, "id");
    if (!id || !token.contains("content") || !token["content"].is_string())
      return refuse("tokenizer.json", "added_tokens", "must have an id and content", token);
    place(*id, token["content"].get<std::string>());
  }
  return tokens;
}

// Both forms: "left right", and ["left", "right"] of newer files.
Result<std::vector<std::string>> read_merges(const Json& model) {
  const Json merges = model.value("merges", Json());
  if (!merges.is_array() || merges.size() > kMaxVocabulary)
    return refuse("tokenizer.json", "model.merges", "must be an array", {});
  std::vector<std::string> list;
  list.reserve(merges.size());
  for (const Json& merge : merges) {
    const auto is_word = [](const Json& part) {
      return part.is_string() && part.get_ref<const std::string&>().find(' ') == std::string::npos;
    };
    if (merge.is_string() && std::count(merge.get_ref<const std::string&>().begin(),
                                        merge.get_ref<const std::string&>().end(), ' ') == 1) {
      list.push_back(merge.get<std::string>());
    } else if (merge.is_array() && merge.size() == 2 && is_word(merge[0]) && is_word(merge[1])) {
      list.push_back(merge[0].get<std::string>() + " " + merge[1].get<std::string>());
    } else {
      return refuse("tokenizer.json", "model.merges", "must hold pairs of words", merge);
    }
  }
  return list;
}

std::optional<std::uint32_t> id_of_token(const std::vector<std::string>& tokens,
                                         const std::string& word) {
  if (word.empty()) return std::nullopt;
  const auto found = std::find(tokens.begin(), tokens.end(), word);
  if (found == tokens.end()) return std::nullopt;
  return static_cast<std::uint32_t>(found - tokens.begin());
}

// What the post-processor puts around every text. Only one token before and one after it can be
// told to an engine.
Result<void> read_post_processor(const Json& tokenizer, const Json& config,
                                 HuggingFaceTokenizer& out) {
  const Json post = tokenizer.value("post_processor", Json());
  if (post.is_null()) {
    out.add_bos = flag(config, "add_bos_token");
    out.add_eos = flag(config, "add_eos_token");
    return {};
  }
  const auto unknown = [&] {
    return Error{
        .code = ErrorCode::unsupported,
        .message = str("[formats] tokenizer.json: this post-processor cannot be carried over: ",
                       shown(post, 160)),
        .hint = "Known are ByteLevel and templates with the model's own begin and end tokens.",
        .field = "post_processor",
        .value = shown(post, 160)};
  };
  const Json steps = post.is_object() && text(post, "type") == "Sequence"
                         ? post.value("processors", Json())
                         : Json::array({post});
  if (!steps.is_array()) return unknown();
  for (const Json& step : steps) {
    if (!step.is_object()) return unknown();
    if (text(step, "type") == "ByteLevel") continue;
    const Json single = step.value("single", Json());
    if (text(step, "type") != "TemplateProcessing" || !single.is_array()) return unknown();
    bool after_text = false;
    for (const Json& part : single) {
      if (!part.is_object()) return unknown();
      if (part.contains("Sequence")) {
        after_text = true;
        continue;
      }
      const Json special = part.value("SpecialToken", Json());
      const auto id =
          special.is_object() ? id_of_token(out.tokens, text(special, "id")) : std::nullopt;
      std::optional<std::uint32_t>& known = after_text ? out.eos : out.bos;
      bool& added = after_text ? out.add_eos : out.add_bos;
      if (!id || added || (known && known != id)) return unknown();
      known = id;
      added = true;
    }
  }
  return {};
}

// The tokens around a text and a pair of texts: [CLS] A [SEP], [CLS] A [SEP] B [SEP].
Result<std::pair<std::string, std::string>> read_bert_post_processor(const Json& post) {
  const auto unknown = [&] {
    const std::string got = shown(post, 160);
    return Error{
        .code = ErrorCode::unsupported,
        .message = str("[formats] tokenizer.json: this post-processor is not BERT's: ", got),
        .field = "post_processor",
        .value = got};
  };
  if (!post.is_object()) return unknown();
  if (text(post, "type") == "BertProcessing") {
    const Json before = post.value("cls", Json()), after = post.value("sep", Json());
    const auto named = [](const Json& one) {
      return one.is_array() && one.size() == 2 && one[0].is_string();
    };
    if (!named(before) || !named(after)) return unknown();
    return std::pair(before[0].get<std::string>(), after[0].get<std::string>());
  }
  const Json single = post.value("single", Json()), pair = post.value("pair", Json());
  const auto special = [](const Json& list, std::size_t i) {
    const Json part = list[i].is_object() ? list[i].value("SpecialToken", Json()) : Json();
    return part.is_object() ? text(part, "id") : "";
  };
  const auto sequence = [](const Json& list, std::size_t i, std::uint64_t type) {
    const Json part = list[i].is_object() ? list[i].value("Sequence", Json()) : Json();
    return part.is_object() && part.value("type_id", Json()) == Json(type);
  };
  if (text(post, "type") != "TemplateProcessing" || !single.is_array() || single.size() != 3 ||
      !pair.is_array() || pair.size() != 5)
    return unknown();
  const std::string before = special(single, 0), after = special(single, 2);
  if (before.empty() || after.empty() || !sequence(single, 1, 0) || special(pair, 0) != before ||
      !sequence(pair, 1, 0) || special(pair, 2) != after || !sequence(pair, 3, 1) ||
      special(pair, 4) != after)
    return unknown();
  return std::pair(before, after);
}

// A special token of tokenizer_config.json: a string, or an object with content.
std::string special_token(const Json& config, const char* field) {
  const Json value = config.value(field, Json());
  return value.is_object()   ? text(value, "content")
         : value.is_string() ? value.get<std::string>()
                             : "";
}

std::string chat_template_of(const Json& config) {
  const Json value = config.value("chat_template", Json());
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return "";
  for (const Json& named : value) {
    if (named.is_object() && text(named, "name") == "default") return text(named, "template");
  }
  return "";
}

// A line "key: value" of the README's front matter.
std::string front_matter(const fs::path& folder, std::string_view key) {
  const auto readme = MappedFile::open_inside(folder, "README.md");
  if (!readme || !readme->bytes().starts_with("---")) return "";
  std::istringstream lines{std::string(readme->bytes().substr(3, 4096))};
  for (std::string line; std::getline(lines, line) && line != "---";) {
    if (line.starts_with(str(key, ": ")))
      return repaired_utf8(std::string_view(line).substr(key.size() + 2, 100));
  }
  return "";
}

}  // namespace

Result<HuggingFaceConfig> read_config(const fs::path& folder) {
  STROP_TRY(const Json json, read_json(folder, "config.json"));
  HuggingFaceConfig config;
  const Json architectures = json.value("architectures", Json());
  if (!architectures.is_array() || architectures.empty() || !architectures[0].is_string())
    return refuse("config.json", "architectures", "must name the model's class", architectures);
  config.architecture = architectures[0].get<std::string>();
  config.model_type = text(json, "model_type");
  STROP_TRY(config.vocabulary, whole(json, "vocab_size", kMaxVocabulary, 0));
  STROP_TRY(config.width, whole(json, "hidden_size", kMaxDimension, 0));
  STROP_TRY(config.layers, whole(json, "num_hidden_layers", kMaxLayers, 0));
  STROP_TRY(config.heads, whole(json, "num_attention_heads", kMaxDimension, 0));
  STROP_TRY(config.kv_heads, whole(json, "num_key_value_heads", kMaxDimension, config.heads));
  STROP_TRY(config.head_width,
            whole(json, "head_dim", kMaxDimension, config.heads ? config.width / config.heads : 0));
  STROP_TRY(config.feed_forward, whole(json, "intermediate_size", kMaxDimension, 0));
  STROP_TRY(config.context, whole(json, "max_position_embeddings", kMaxDimension, 0));
  if (const Json window = json.value("sliding_window", Json()); window.is_number_unsigned()) {
    STROP_TRY(config.sliding_window, whole(json, "sliding_window", kMaxDimension));
  }
  if (config.kv_heads && config.heads % config.kv_heads != 0)
    return refuse("config.json", "num_key_value_heads",
                  str("must divide the ", config.heads, " heads"), config.kv_heads);
  if (json.contains("num_local_experts")) {
    STROP_TRY(config.experts, whole(json, "num_local_experts", 65536));
  }
  STROP_TRY(
      config.norm_epsilon,
      positive(json, json.contains("rms_norm_eps") ? "rms_norm_eps" : "layer_norm_eps", 1e-5));
  STROP_TRY(config.rope_base, read_rope_base(json));
  STROP_TRY(config.rope_scaling, read_rope_scaling(json));
  config.tied_embeddings = flag(json, "tie_word_embeddings");
  config.attention_bias = flag(json, "attention_bias");
  config.mlp_bias = flag(json, "mlp_bias");
  config.activation = text(json, "hidden_act");
  config.precision =
      precision_word(text(json, json.contains("torch_dtype") ? "torch_dtype" : "dtype"));
  config.bos = token_id(json, "bos_token_id");
  config.eos = token_id(json, "eos_token_id");
  config.pad = token_id(json, "pad_token_id");
  return config;
}

Result<HuggingFaceTokenizer> read_tokenizer(const fs::path& folder) {
  STROP_TRY(const Json json, read_json(folder, "tokenizer.json"));
  const Json model = json.value("model", Json());
  if (!model.is_object() || text(model, "type") != "BPE") {
    return Error{.code = ErrorCode::unsupported,
                 .message = str("[formats] tokenizer.json: model.type must be BPE, but is ",
                                model.is_object() ? text(model, "type") : "nothing"),
                 .hint = "Only byte-level BPE tokenizers can be converted so far.",
                 .field = "model.type"};
  }
  if (flag(model, "byte_fallback"))
    return Error{
        .code = ErrorCode::unsupported,
        .message = "[formats] tokenizer.json: BPE with byte fallback is not byte-level BPE",
        .field = "model.byte_fallback"};
  HuggingFaceTokenizer tokenizer;
  const Json added = json.value("added_tokens", Json::array());
  if (!added.is_array()) return refuse("tokenizer.json", "added_tokens", "must be an array", added);
  STROP_TRY(tokenizer.tokens, read_vocabulary(model, added));
  STROP_TRY(tokenizer.merges, read_merges(model));
  STROP_TRY(tokenizer.pre_tokenizer, recognise_pre_tokenizer(json));
  for (const Json& token : added)
    tokenizer.added.push_back({.id = *token_id(token, "id"),
                               .content = token["content"].get<std::string>(),
                               .special = flag(token, "special")});

  for (const char* affix : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!text(model, affix).empty())
      return Error{.code = ErrorCode::unsupported,
                   .message = str("[formats] tokenizer.json: model.", affix,
                                  " must be empty in byte-level BPE"),
                   .field = str("model.", affix)};
  }

  std::error_code error;
  Json config = Json::object();
  if (fs::exists(folder / "tokenizer_config.json", error)) {
    STROP_TRY(config, read_json(folder, "tokenizer_config.json"));
    tokenizer.bos = id_of_token(tokenizer.tokens, special_token(config, "bos_token"));
    tokenizer.eos = id_of_token(tokenizer.tokens, special_token(config, "eos_token"));
    tokenizer.unknown = id_of_token(tokenizer.tokens, special_token(config, "unk_token"));
    tokenizer.pad = id_of_token(tokenizer.tokens, special_token(config, "pad_token"));
    if (const Json value = config.value("add_prefix_space", Json()); value.is_boolean())
      tokenizer.add_space_prefix = value.get<bool>();
    tokenizer.chat_template = chat_template_of(config);
  }
  STROP_CHECK(read_post_processor(json, config, tokenizer));
  if (tokenizer.chat_template.empty() && fs::exists(folder / "chat_template.jinja", error)) {
    STROP_TRY(const MappedFile file, MappedFile::open_inside(folder, "chat_template.jinja"));
    tokenizer.chat_template = std::string(file.bytes().substr(0, kMaxTemplateBytes));
  }
  return tokenizer;
}

Result<WordPieceTokenizer> read_word_piece(const fs::path& folder) {
  STROP_TRY(const Json json, read_json(folder, "tokenizer.json"));
  const auto unknown_part = [&](const char* part, const Json& value) {
    const std::string got = shown(value, 160);
    return Error{.code = ErrorCode::unsupported,
                 .message = str("[formats] tokenizer.json: ", part,
                                " is not that of a plain BERT tokenizer, so its tokens could be "
                                "wrong without a sign: ",
                                got),
                 .hint = "Give the samples as .npz files with --data.",
                 .field = part,
                 .value = got};
  };
  const Json model = json.value("model", Json());
  if (!model.is_object() || text(model, "type") != "WordPiece" ||
      text(model, "continuing_subword_prefix") != "##")
    return unknown_part("model", model.is_object() ? model.value("type", Json()) : model);
  WordPieceTokenizer tokenizer;
  const Json normalizer = json.value("normalizer", Json()),
             pre_tokenizer = json.value("pre_tokenizer", Json());
  if (!normalizer.is_object() || text(normalizer, "type") != "BertNormalizer" ||
      !flag(normalizer, "clean_text") || !flag(normalizer, "handle_chinese_chars"))
    return unknown_part("normalizer", normalizer);
  tokenizer.fold = flag(normalizer, "lowercase");
  // Accents go where case goes, unless the file says otherwise; half of it is not carried over.
  const Json strip = normalizer.value("strip_accents", Json());
  if (!strip.is_null() && strip != Json(tokenizer.fold))
    return unknown_part("normalizer", normalizer);
  if (!pre_tokenizer.is_object() || text(pre_tokenizer, "type") != "BertPreTokenizer")
    return unknown_part("pre_tokenizer", pre_tokenizer);
  const Json added = json.value("added_tokens", Json::array());
  if (!added.is_array()) return refuse("tokenizer.json", "added_tokens", "must be an array", added);
  STROP_TRY(tokenizer.tokens, read_vocabulary(model, added));
  for (const Json& token : added) {
    if (!flag(token, "special") || flag(token, "normalized") || flag(token, "lstrip") ||
        flag(token, "rstrip") || flag(token, "single_word") || text(token, "content").empty())
      return unknown_part("added_tokens", token);
    tokenizer.added.push_back(
        {.id = *token_id(token, "id"), .content = text(token, "content"), .special = true});
  }
  const Json longest = model.value("max_input_chars_per_word", Json(100));
  if (!longest.is_number_unsigned() || longest.get<std::uint64_t>() > 1'000'000)
    return unknown_part("model", longest);
  tokenizer.longest_word = longest.get<std::uint32_t>();
  const auto id_named = [&](const std::string& word) {
    return id_of_token(tokenizer.tokens, word);
  };
  const auto unknown = id_named(text(model, "unk_token"));
  if (!unknown) return unknown_part("model", model.value("unk_token", Json()));
  tokenizer.unknown = *unknown;
  tokenizer.pad = id_named("[PAD]");
  STROP_TRY(const auto around, read_bert_post_processor(json.value("post_processor", Json())));
  const auto before = id_named(around.first), after = id_named(around.second);
  if (!before || !after)
    return unknown_part("post_processor", json.value("post_processor", Json()));
  std::error_code error;
  if (fs::exists(folder / "config.json", error)) {
    STROP_TRY(const HuggingFaceConfig config, read_config(folder));
    if (config.vocabulary > 0 && tokenizer.tokens.size() > config.vocabulary)
      return refuse(
          "tokenizer.json", "model.vocab",
          str("must have no more words than config.json's vocab_size, ", config.vocabulary),
          tokenizer.tokens.size());
  }
  tokenizer.before = *before;
  tokenizer.after = *after;
  return tokenizer;
}

std::vector<float> rotary_factors(const HuggingFaceConfig& config) {
  if (!config.rope_scaling || config.rope_scaling->kind != "llama3") return {};
  const RopeScaling& scaling = *config.rope_scaling;
  const double low_wavelength = scaling.original_context / scaling.low_freq_factor;
  const double high_wavelength = scaling.original_context / scaling.high_freq_factor;
  std::vector<float> factors;
  for (std::uint32_t i = 0; i < config.head_width; i += 2) {
    const double frequency =
        1.0 / std::pow(config.rope_base, static_cast<double>(i) / config.head_width);
    const double wavelength = 2 * 3.14159265358979323846 / frequency;
    if (wavelength < high_wavelength) {
      factors.push_back(1);
    } else if (wavelength > low_wavelength) {
      factors.push_back(static_cast<float>(scaling.factor));
    } else {
      const double smooth = (scaling.original_context / wavelength - scaling.low_freq_factor) /
                            (scaling.high_freq_factor - scaling.low_freq_factor);
      factors.push_back(static_cast<float>(1.0 / ((1.0 - smooth) / scaling.factor + smooth)));
    }
  }
  return factors;
}

std::string read_license(const fs::path& folder) { return front_matter(folder, "license"); }
std::string read_base_model(const fs::path& folder) { return front_matter(folder, "base_model"); }

Result<void> refuse_pickles(const fs::path& folder) {
  std::error_code error;
  std::string pickle;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string extension = entry.path().extension().string();
    if (extension == ".safetensors") return {};
    for (const char* carries_code :
         {".bin", ".pt", ".pth", ".ckpt", ".pkl", ".h5", ".keras", ".npy", ".npz", ".msgpack"}) {
      if (extension == carries_code) pickle = entry.path().filename().string();
    }
  }
  if (pickle.empty()) return {};
  return Error{.code = ErrorCode::unsupported,
               .message = str("[formats] ", folder.string(), ": the weights are in ", pickle,
                              ", a format that can carry code"),
               .hint = "Convert them to safetensors where you trust them, then give that folder.",
               .field = "path",
               .value = pickle};
}

std::optional<std::string> unstated_size(const HuggingFaceConfig& config) {
  for (const auto& [field, value] : {std::pair{"vocab_size", config.vocabulary},
                                     {"hidden_size", config.width},
                                     {"num_hidden_layers", config.layers},
                                     {"num_attention_heads", config.heads},
                                     {"intermediate_size", config.feed_forward},
                                     {"max_position_embeddings", config.context}}) {
    if (value == 0) return field;
  }
  return std::nullopt;
}

}  // namespace strop::formats
