// What every malformed file must meet: an error of the right kind that says where.
#pragma once

#include <doctest/doctest.h>

#include "core/json.h"
#include "strop/result.h"
#include "support/temporary_folder.h"

namespace strop::test {

template <class T>
void check_refused(const Result<T>& result, ErrorCode code, std::string_view field = {}) {
  REQUIRE_FALSE(result);
  CHECK(name_of(result.error().code) == name_of(code));
  CHECK(result.error().message.find('\n') == std::string::npos);
  CHECK(!result.error().field.empty());
  if (!field.empty()) CHECK(result.error().field == field);
}

}  // namespace strop::test
