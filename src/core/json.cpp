#include "core/json.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <type_traits>

#include "core/enum_names.h"
#include "core/fields.h"
#include "core/hash.h"
#include "strop/golden.h"
#include "strop/json.h"

namespace strop {
namespace {

constexpr std::size_t kMaxDepth = 64;

// Thrown inside decode() only, where it becomes an Error.
struct Mismatch {
  std::string path;
  std::string rule;
  std::string value;
};

template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};
template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};

template <class T>
Json write(const T& value);

struct Writer {
  Json object = Json::object();
  template <class T>
  void operator()(const char* name, const T& value) {
    if constexpr (IsOptional<T>::value) {
      if (value) object[name] = write(*value);
    } else if constexpr (std::is_same_v<T, std::string> || IsVector<T>::value) {
      if (!value.empty()) object[name] = write(value);
    } else {
      object[name] = write(value);
    }
  }
};

template <class T>
Json write(const T& value) {
  if constexpr (std::is_enum_v<T>) {
    return std::string(name_of(value));
  } else if constexpr (std::is_floating_point_v<T>) {
    STROP_ASSERT(std::isfinite(value), "a measured value must be finite");
    return value;
  } else if constexpr (std::is_arithmetic_v<T> || std::is_same_v<T, std::string> ||
                       std::is_same_v<T, RunOptions>) {
    return value;
  } else if constexpr (IsVector<T>::value) {
    Json array = Json::array();
    for (const auto& item : value) array.push_back(write(item));
    return array;
  } else {
    Writer writer;
    fields(writer, value);
    return std::move(writer.object);
  }
}

template <class T>
void read(const Json& json, T& value, const std::string& path);

struct Reader {
  const Json& object;
  const std::string& path;
  std::set<std::string, std::less<>> known;
  std::string missing;  // the first

  template <class T>
  void operator()(const char* name, T& value) {
    known.insert(name);
    const auto found = object.find(name);
    const std::string inner = path.empty() ? name : path + "." + name;
    if (found == object.end()) {
      constexpr bool kMayBeAbsent =
          IsOptional<T>::value || IsVector<T>::value || std::is_same_v<T, std::string>;
      if (!kMayBeAbsent && missing.empty()) missing = inner;
      return;
    }
    if constexpr (IsOptional<T>::value) {
      value.emplace();
      read(*found, *value, inner);
    } else {
      read(*found, value, inner);
    }
  }
};

template <class T>
void read_integer(const Json& json, T& value, const std::string& path) {
  const bool fits =
      json.is_number_unsigned()
          ? json.get<std::uint64_t>() <= static_cast<std::uint64_t>(std::numeric_limits<T>::max())
      : json.is_number_integer()
          ? std::is_signed_v<T> &&
                json.get<std::int64_t>() >=
                    static_cast<std::int64_t>(std::numeric_limits<T>::min()) &&
                json.get<std::int64_t>() <= static_cast<std::int64_t>(std::numeric_limits<T>::max())
          : false;
  if (!fits)
    throw Mismatch{path,
                   str("must be an integer from ", +std::numeric_limits<T>::min(), " to ",
                       +std::numeric_limits<T>::max()),
                   shown(json)};
  value = json.get<T>();
}

template <class T>
void read(const Json& json, T& value, const std::string& path) {
  if constexpr (std::is_enum_v<T>) {
    const auto found =
        json.is_string() ? from_name<T>(json.get_ref<const std::string&>()) : std::nullopt;
    if (!found) {
      std::string words;
      for (std::string_view word : EnumNames<T>::kNames)
        words += str(words.empty() ? "" : ", ", word);
      throw Mismatch{path, "must be one of " + words, shown(json)};
    }
    value = *found;
  } else if constexpr (std::is_same_v<T, bool>) {
    if (!json.is_boolean()) throw Mismatch{path, "must be true or false", shown(json)};
    value = json.get<bool>();
  } else if constexpr (std::is_floating_point_v<T>) {
    if (!json.is_number()) throw Mismatch{path, "must be a number", shown(json)};
    value = json.get<T>();
  } else if constexpr (std::is_integral_v<T>) {
    read_integer(json, value, path);
  } else if constexpr (std::is_same_v<T, std::string>) {
    if (!json.is_string()) throw Mismatch{path, "must be a string", shown(json)};
    value = json.get<std::string>();
  } else if constexpr (std::is_same_v<T, RunOptions>) {
    if (!json.is_object()) throw Mismatch{path, "must be an object of strings", shown(json)};
    for (const auto& [key, item] : json.items()) read(item, value[key], str(path, ".", key));
  } else if constexpr (IsVector<T>::value) {
    if (!json.is_array()) throw Mismatch{path, "must be an array", shown(json)};
    value.clear();
    value.reserve(json.size());
    for (const auto& item : json) {
      value.emplace_back();
      read(item, value.back(), str(path, "[", value.size() - 1, "]"));
    }
  } else {
    if (!json.is_object()) throw Mismatch{path, "must be an object", shown(json)};
    Reader reader{json, path, {}, {}};
    fields(reader, value);
    for (const auto& [key, _] : json.items()) {
      if (!reader.known.contains(key))
        throw Mismatch{path.empty() ? key : str(path, ".", key), "is not a known field", ""};
    }
    // After the unknown ones: a misspelled name is both.
    if (!reader.missing.empty()) throw Mismatch{reader.missing, "is required", "nothing"};
  }
}

template <class T>
Json schema_of();

struct SchemaWriter {
  Json properties = Json::object();
  Json required = Json::array();
  template <class T>
  void operator()(const char* name, const T&) {
    if constexpr (IsOptional<T>::value) {
      properties[name] = schema_of<typename T::value_type>();
    } else {
      properties[name] = schema_of<T>();
      if (!IsVector<T>::value && !std::is_same_v<T, std::string>) required.push_back(name);
    }
  }
};

template <class T>
Json schema_of() {
  if constexpr (std::is_enum_v<T>) {
    return {{"enum", EnumNames<T>::kNames}};
  } else if constexpr (std::is_same_v<T, bool>) {
    return {{"type", "boolean"}};
  } else if constexpr (std::is_floating_point_v<T>) {
    return {{"type", "number"}};
  } else if constexpr (std::is_integral_v<T>) {
    Json json{{"type", "integer"}};
    if (std::is_unsigned_v<T>) json["minimum"] = 0;
    return json;
  } else if constexpr (std::is_same_v<T, std::string>) {
    return {{"type", "string"}};
  } else if constexpr (std::is_same_v<T, RunOptions>) {
    return {{"type", "object"}, {"additionalProperties", {{"type", "string"}}}};
  } else if constexpr (IsVector<T>::value) {
    return {{"type", "array"}, {"items", schema_of<typename T::value_type>()}};
  } else {
    SchemaWriter writer;
    T value{};
    fields(writer, value);
    return {{"type", "object"},
            {"properties", writer.properties},
            {"required", writer.required},
            {"additionalProperties", false}};
  }
}

}  // namespace

Result<Json> parse_json(std::string_view text, std::string_view what) {
  std::vector<std::set<std::string>> open_objects;
  std::string duplicate;
  bool too_deep = false;
  std::size_t depth = 0;
  const auto watch = [&](int, Json::parse_event_t event, Json& parsed) {
    using Parsed = Json::parse_event_t;
    if (event == Parsed::object_start || event == Parsed::array_start) {
      too_deep = too_deep || ++depth > kMaxDepth;
      if (event == Parsed::object_start) open_objects.emplace_back();
    } else if (event == Parsed::object_end || event == Parsed::array_end) {
      --depth;
      if (event == Parsed::object_end) open_objects.pop_back();
    } else if (event == Parsed::key &&
               !open_objects.back().insert(parsed.get<std::string>()).second) {
      duplicate = parsed.get<std::string>();
    }
    return !too_deep;
  };
  try {
    Json json = Json::parse(text, watch);
    if (too_deep)
      return Error{.code = ErrorCode::corrupt,
                   .message = str(what, " nests deeper than ", kMaxDepth)};
    if (!duplicate.empty())
      return Error{.code = ErrorCode::corrupt,
                   .message = str(what, " has the key \"", duplicate, "\" twice"),
                   .field = duplicate};
    return json;
  } catch (const Json::parse_error& e) {
    return Error{.code = ErrorCode::corrupt,
                 .message = str(what, " is not valid JSON at byte ", e.byte),
                 .offset = e.byte};
  } catch (const Json::out_of_range&) {
    // Such as 1e999, which the parser does not report as an error of the text.
    return Error{.code = ErrorCode::corrupt,
                 .message = str(what, " has a number that is out of range")};
  }
}

template <class T>
Json encode(const T& value) {
  return write(value);
}

template <class T>
Result<T> decode(const Json& json, std::string_view what) {
  T value{};
  try {
    read(json, value, "");
  } catch (const Mismatch& m) {
    return Error{.code = ErrorCode::invalid_input,
                 .message = str(what, ": ", m.path.empty() ? "the value" : m.path, " ", m.rule,
                                m.value.empty() ? "" : ", but got ", m.value),
                 .field = m.path,
                 .value = m.value};
  } catch (const Json::exception& e) {
    return Error{.code = ErrorCode::invalid_input, .message = str(what, ": ", e.what())};
  }
  return value;
}

Error error_from(const Json& json, std::string_view what) {
  Error error;
  try {
    read(json, error, "");
  } catch (const Mismatch& m) {
    return Error{.code = ErrorCode::corrupt,
                 .message = str(what, ": ", m.path, " ", m.rule),
                 .field = m.path,
                 .value = m.value};
  }
  return error;
}

template <class T>
Json schema() {
  Json json = schema_of<T>();
  json["$schema"] = "https://json-schema.org/draft/2020-12/schema";
  return json;
}

template <class E>
std::string_view name_of(E value) {
  return EnumNames<E>::kNames.at(static_cast<std::size_t>(value));
}

template <class E>
std::optional<E> from_name(std::string_view name) {
  const auto& names = EnumNames<E>::kNames;
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) return std::nullopt;
  return static_cast<E>(found - names.begin());
}

std::string shown(const Json& json, std::size_t most) {
  std::string text = json.dump(-1, ' ', true, Json::error_handler_t::replace);
  return text.size() <= most ? text : text.substr(0, most - 3) + "...";
}

std::string text_of(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

std::string id_of(const Json& json) { return sha256_hex(text_of(json)); }

#define STROP_CODEC(T)                                         \
  template Json encode<T>(const T&);                           \
  template Result<T> decode<T>(const Json&, std::string_view); \
  template Json schema<T>();
template Json encode<Error>(const Error&);
template Json schema<Error>();
STROP_CODEC(Model)
STROP_CODEC(Target)
STROP_CODEC(Goal)
STROP_CODEC(Recipe)
STROP_CODEC(RunPreset)
STROP_CODEC(RecipeSpace)
STROP_CODEC(Fit)
STROP_CODEC(BackendFit)
STROP_CODEC(Assessment)
STROP_CODEC(Plan)
STROP_CODEC(Artifact)
STROP_CODEC(Metric)
STROP_CODEC(Measurement)
STROP_CODEC(Trial)
STROP_CODEC(Front)
STROP_CODEC(Gate)
STROP_CODEC(GateReport)
STROP_CODEC(Control)
STROP_CODEC(CrossCheck)
STROP_CODEC(Report)
STROP_CODEC(LockFile)
STROP_CODEC(Repeat)
STROP_CODEC(SideBySide)
STROP_CODEC(StoreListing)
STROP_CODEC(StoreCheck)
STROP_CODEC(StoreCleaning)
STROP_CODEC(Contrast)
STROP_CODEC(LoadOutcome)
STROP_CODEC(BackendInfo)
STROP_CODEC(SessionInfo)
STROP_CODEC(Generation)
STROP_CODEC(TokenizerInfo)
STROP_CODEC(SampleList)
STROP_CODEC(std::vector<Port>)
STROP_CODEC(Golden)
STROP_CODEC(GoldenChat)
STROP_CODEC(GoldenReport)
STROP_CODEC(std::vector<GoldenText>)
STROP_CODEC(std::vector<GoldenChat>)
STROP_CODEC(RunOptions)
STROP_CODEC(std::vector<Trial>)
STROP_CODEC(std::vector<Metric>)
STROP_CODEC(std::vector<BackendFit>)
STROP_CODEC(std::vector<BackendInfo>)
STROP_CODEC(std::vector<TokenId>)
STROP_CODEC(std::vector<std::vector<TokenId>>)
STROP_CODEC(std::vector<double>)
STROP_CODEC(std::vector<std::string>)
STROP_CODEC(std::string)
STROP_CODEC(std::uint32_t)
STROP_CODEC(bool)
STROP_CODEC(double)
STROP_CODEC(protocol::Hello)
STROP_CODEC(protocol::Greeting)
STROP_CODEC(protocol::Nothing)
STROP_CODEC(protocol::Pair)
STROP_CODEC(protocol::Build)
STROP_CODEC(protocol::Open)
STROP_CODEC(protocol::Opened)
STROP_CODEC(protocol::Evaluate)
STROP_CODEC(protocol::Rows)
STROP_CODEC(protocol::Generate)
STROP_CODEC(protocol::GenerateTogether)
STROP_CODEC(protocol::Generations)
STROP_CODEC(protocol::Truncate)
STROP_CODEC(protocol::Fork)
STROP_CODEC(protocol::Inputs)
STROP_CODEC(protocol::Outputs)
STROP_CODEC(protocol::Vocabulary)
STROP_CODEC(protocol::Encode)
STROP_CODEC(protocol::Ids)
STROP_CODEC(protocol::Text)
STROP_CODEC(protocol::Chat)
#undef STROP_CODEC

#define STROP_ENUM(E)                      \
  template std::string_view name_of<E>(E); \
  template std::optional<E> from_name<E>(std::string_view);
STROP_ENUM(ErrorCode)
STROP_ENUM(ModelKind)
STROP_ENUM(DeviceKind)
STROP_ENUM(TargetForm)
STROP_ENUM(Profile)
STROP_ENUM(Operation)
STROP_ENUM(Bottleneck)
STROP_ENUM(Role)
STROP_ENUM(TrialStatus)
STROP_ENUM(Comparison)
STROP_ENUM(Verdict)
STROP_ENUM(Finding)
STROP_ENUM(Stage)
STROP_ENUM(MilestoneKind)
STROP_ENUM(Sameness)
STROP_ENUM(ElementType)
STROP_ENUM(GoldenKind)
#undef STROP_ENUM

std::string to_json(const Report& report, int indent) { return text_of(encode(report), indent); }
std::string to_json(const Contrast& contrast, int indent) {
  return text_of(encode(contrast), indent);
}
std::string to_json(const LoadOutcome& outcome, int indent) {
  return text_of(encode(outcome), indent);
}
std::string to_json(const Error& error, int indent) { return text_of(encode(error), indent); }

Result<Report> report_from_json(std::string_view text) {
  STROP_TRY(const Json json, parse_json(text, "the report"));
  if (json.is_object() && json.value("schema_version", Json()) != Json(Report{}.schema_version)) {
    return Error{.code = ErrorCode::unsupported,
                 .message = str("the report: schema_version must be ", Report{}.schema_version,
                                ", but got ", shown(json.value("schema_version", Json()))),
                 .field = "schema_version"};
  }
  return decode<Report>(json, "the report");
}

std::string to_json(const GoldenReport& report) { return text_of(encode(report), 2); }
std::string golden_schema() {
  return text_of({{"record", schema<Golden>()}, {"verify", schema<GoldenReport>()}}, 2);
}

std::string report_schema() { return text_of(schema<Report>(), 2); }
std::string protocol_schema() { return text_of(protocol::schema(), 2); }

}  // namespace strop
