#include "gate/security.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "core/hash.h"
#include "formats/gguf.h"
#include "support/temporary_folder.h"

using namespace strop;

namespace {

struct Shipped {
  test::TemporaryFolder folder;
  Artifact artifact{.model_id = "m", .recipe_id = "r", .backend_version = "1"};
  Model original{.id = "m"};

  Shipped() { artifact.folder = folder.path().string(); }
  void add(const std::string& name, const std::string& bytes) {
    folder.write(name, bytes);
    artifact.files.push_back({.path = name, .bytes = bytes.size(), .sha256 = sha256_hex(bytes)});
  }
  std::filesystem::path vocabulary(const std::string& chat_template) {
    formats::GgufWriter writer;
    writer.add("general.architecture", "llama");
    writer.add("tokenizer.chat_template", chat_template);
    const auto path = folder.path() / "vocab.gguf";
    REQUIRE(writer.begin(path));
    REQUIRE(writer.finish());
    return path;
  }
};

const SecurityCheck& named(const std::vector<SecurityCheck>& checks, const char* name) {
  return *std::find_if(checks.begin(), checks.end(),
                       [&](const SecurityCheck& check) { return check.name == name; });
}

const Metric* metric(const Measurement& measurement, const char* name) {
  return find(measurement, name);
}

}  // namespace

TEST_CASE("an artifact of data with a known origin has no findings") {
  Shipped shipped;
  shipped.add("weights.dat", "just numbers");
  const auto vocabulary =
      shipped.vocabulary("{% for m in messages %}{{ m['content'] }}{% endfor %}");
  const auto checks = check_security(shipped.artifact, shipped.original, vocabulary);
  Measurement measurement;
  measurement.conditions.confinement = {"landlock-4", "seccomp", "no_network"};
  add_security(measurement, checks, "samples/security.json");
  REQUIRE(metric(measurement, "security_findings"));
  CHECK(metric(measurement, "security_findings")->value == 0);
  CHECK(metric(measurement, "network_use")->value == 0);
  CHECK(measurement.not_measured.empty());
}

TEST_CASE("code, a template that does more, and a broken chain are findings") {
  Shipped shipped;
  shipped.add("weights.dat", "numbers");
  shipped.add("loader.so",
              "\x7f"
              "ELF....");
  const auto vocabulary = shipped.vocabulary("{{ messages.__class__ }}");
  shipped.folder.write("weights.dat", "other numbers");
  shipped.original.id = "another";
  const auto checks = check_security(shipped.artifact, shipped.original, vocabulary);
  CHECK(named(checks, "code").findings.size() == 1);
  CHECK(named(checks, "template").findings.size() == 1);
  CHECK(named(checks, "provenance").findings.size() == 1);
  CHECK(named(checks, "integrity").findings.size() == 1);
  Measurement measurement;
  add_security(measurement, checks, "");
  CHECK(metric(measurement, "security_findings")->value == 4);
  CHECK_FALSE(metric(measurement, "network_use"));
  CHECK(measurement.not_measured.front().metric == "network_use");
}

TEST_CASE("what cannot be checked is not passed") {
  Shipped shipped;
  shipped.add("weights.dat", "numbers");
  const auto broken = shipped.folder.write("vocab.gguf", "no vocabulary");
  const auto checks = check_security(shipped.artifact, shipped.original, broken);
  CHECK_FALSE(named(checks, "template").not_checked.empty());
  Measurement measurement;
  add_security(measurement, checks, "");
  CHECK_FALSE(metric(measurement, "security_findings"));
}
