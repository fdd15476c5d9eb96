// Every domain value as text: canonical JSON with schema_version, keys sorted, absent values left
// out.
#pragma once

#include <string>
#include <string_view>

#include "strop/report.h"

namespace strop {

// Indented when `indent` is not negative.
std::string to_json(const Report& report, int indent = 2);
std::string to_json(const Error& error, int indent = -1);

// Refuses unknown fields, wrong types and another schema_version, naming the field.
Result<Report> report_from_json(std::string_view text);

// JSON Schema of Report.
std::string report_schema();

// JSON Schemas of what the worker protocol's methods take and give: {"backend": {"build":
// {"params":
// ..., "result": ...}, ...}, "text": {...}, "error": ...}.
std::string protocol_schema();

}  // namespace strop
