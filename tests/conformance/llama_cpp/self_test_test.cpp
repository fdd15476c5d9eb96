// The self-test of CPU variants tells good builds from broken ones.
#include "self_test.h"

#include <doctest/doctest.h>

#include "cpu_variants.h"

using namespace strop::llama_cpp;

TEST_CASE("every variant this CPU can run passes, with its instruction sets") {
  const auto variants = runnable_variants(engine_folder());
  REQUIRE_FALSE(variants.empty());
  for (const auto& variant : variants) {
    CHECK(variant.score > 0);
    const auto test = self_test_in_child(STROP_LLAMA_WORKER, variant.library);
    CHECK_MESSAGE(test.passed, variant.name << ": " << test.reason);
    CHECK_FALSE(test.features.empty());
  }
}

TEST_CASE("a variant that crashes fails with the signal as the reason") {
  const auto test = self_test_in_child(STROP_LLAMA_WORKER, STROP_BROKEN_VARIANT);
  CHECK_FALSE(test.passed);
  CHECK(test.reason.starts_with("it crashes: "));
}

TEST_CASE("a file that is no library fails with the loader's words") {
  const auto test = self_test_in_child(STROP_LLAMA_WORKER, STROP_SOURCE_DIR "/README.md");
  CHECK_FALSE(test.passed);
  CHECK(test.reason.starts_with("it does not load"));
}

TEST_CASE("a worker that cannot be started fails the test") {
  const auto test = self_test_in_child("/nonexistent", STROP_BROKEN_VARIANT);
  CHECK_FALSE(test.passed);
  CHECK_FALSE(test.reason.empty());
}
