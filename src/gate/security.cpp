#include "gate/security.h"

#include <algorithm>

#include "core/files.h"
#include "core/hash.h"
#include "core/json.h"
#include "formats/hazards.h"

namespace fs = std::filesystem;

namespace strop {
namespace {

SecurityCheck code_check(const Artifact& artifact) {
  SecurityCheck check{.name = "code"};
  for (const ArtifactFile& file : artifact.files) {
    const auto found = formats::code_in(fs::path(artifact.folder) / file.path);
    if (found)
      check.findings.insert(check.findings.end(), found->begin(), found->end());
    else
      check.findings.push_back(str(file.path, " cannot be read: ", found.error().message));
  }
  if (artifact.files.empty()) check.not_checked = "the artifact lists no files";
  return check;
}

SecurityCheck template_check(const fs::path& vocabulary) {
  SecurityCheck check{.name = "template"};
  if (vocabulary.empty()) return check;  // no tokenizer, no template
  const auto text = formats::chat_template_in(vocabulary);
  if (text)
    check.findings = formats::template_hazards(*text);
  else
    check.not_checked = text.error().message;
  return check;
}

// The ids chain from the files to the recipe to the model's bytes.
SecurityCheck provenance_check(const Artifact& artifact, const Model& original) {
  SecurityCheck check{.name = "provenance"};
  if (original.id.empty() || artifact.model_id != original.id)
    check.findings.push_back("the artifact does not name the model that it was made of");
  if (artifact.recipe_id.empty()) check.findings.push_back("the artifact names no recipe");
  if (artifact.backend_version.empty())
    check.findings.push_back("the artifact does not say which version made it");
  return check;
}

SecurityCheck integrity_check(const Artifact& artifact) {
  SecurityCheck check{.name = "integrity"};
  for (const ArtifactFile& file : artifact.files) {
    const auto digest = sha256_file(fs::path(artifact.folder) / file.path);
    if (!digest)
      check.findings.push_back(str(file.path, ": ", digest.error().message));
    else if (*digest != file.sha256)
      check.findings.push_back(
          str(file.path, " does not have the digest that its manifest states"));
  }
  return check;
}

// Either makes no socket, of whatever kind.
bool forbids_network(const std::vector<std::string>& enforced) {
  return std::any_of(enforced.begin(), enforced.end(), [](const std::string& word) {
    return word == "seccomp" || word == "no_network";
  });
}

}  // namespace

std::vector<SecurityCheck> check_security(const Artifact& artifact, const Model& original,
                                          const fs::path& vocabulary) {
  return {code_check(artifact), template_check(vocabulary), provenance_check(artifact, original),
          integrity_check(artifact)};
}

void add_security(Measurement& measurement, const std::vector<SecurityCheck>& checks,
                  const std::string& samples_path) {
  std::string open;
  double findings = 0;
  for (const SecurityCheck& check : checks) {
    findings += static_cast<double>(check.findings.size());
    if (!check.not_checked.empty())
      open += str(open.empty() ? "" : "; ", check.name, ": ", check.not_checked);
  }
  // A finding counts even when another check is open; none counts only when all were made.
  if (findings > 0 || open.empty())
    measurement.metrics.push_back({.metric = "security_findings",
                                   .unit = "findings",
                                   .value = findings,
                                   .samples = static_cast<std::uint32_t>(checks.size()),
                                   .samples_path = samples_path});
  else
    measurement.not_measured.push_back({"security_findings", {}, open});
  if (forbids_network(measurement.conditions.confinement))
    measurement.metrics.push_back({.metric = "network_use",
                                   .unit = "connections",
                                   .value = 0,
                                   .samples = 1,
                                   .samples_path = samples_path});
  else
    measurement.not_measured.push_back(
        {"network_use", {}, "the confinement in force does not forbid connections"});
}

Result<void> write_checks(const std::vector<SecurityCheck>& checks, const fs::path& path) {
  Json all = Json::array();
  for (const SecurityCheck& check : checks)
    all.push_back(
        {{"check", check.name}, {"findings", check.findings}, {"not_checked", check.not_checked}});
  return write_whole(path, text_of(all, 2) + "\n");
}

}  // namespace strop
