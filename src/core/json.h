// JSON of every domain value. One field list per type serves writing, strict reading and the
// schema.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "strop/backend.h"
#include "strop/lock_file.h"
#include "strop/report.h"
#include "strop/samples.h"
#include "strop/side_by_side.h"
#include "strop/store.h"
#include "strop/text.h"

namespace strop {

using Json = nlohmann::json;

// Parses text from outside: UTF-8, no duplicate keys, nesting at most 64. `what` names the source
// in the error.
Result<Json> parse_json(std::string_view text, std::string_view what);

// Defined for every domain type, vectors of them, and strings and numbers.
template <class T>
Json encode(const T& value);
// Refuses unknown fields, wrong types and unknown enumerators; Error.field is the path of the
// field.
template <class T>
Result<T> decode(const Json& json, std::string_view what);
// The Error that the JSON describes, or one that says why it describes none.
Error error_from(const Json& json, std::string_view what);
// JSON Schema of the type, for documents and tests.
template <class T>
Json schema();

// The word used in code, in JSON and on the command line.
template <class E>
std::string_view name_of(E value);
template <class E>
std::optional<E> from_name(std::string_view name);

// In messages: ASCII, cut with dots when longer.
std::string shown(const Json& json, std::size_t most = 80);

// As text. A path or an engine's words may be any bytes: what is not UTF-8 becomes U+FFFD.
std::string text_of(const Json& json, int indent = -1);

// SHA-256 of the canonical JSON (sorted keys, no spaces), as 64 hex digits.
std::string id_of(const Json& json);

}  // namespace strop
