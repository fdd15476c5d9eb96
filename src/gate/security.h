// What of spec's security and privacy applies to files: that they hold no code, that the chat
// template only formats, that their origin is known, that running them needs no network.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "strop/artifact.h"
#include "strop/measurement.h"
#include "strop/model.h"
#include "strop/result.h"

namespace strop {

struct SecurityCheck {
  std::string name;  // code, template, provenance, integrity
  std::vector<std::string> findings;
  std::string not_checked;  // why it could not be
  bool operator==(const SecurityCheck&) const = default;
};

// Reads the artifact's files. vocabulary: the file that holds its chat template; may be empty.
std::vector<SecurityCheck> check_security(const Artifact& artifact, const Model& original,
                                          const std::filesystem::path& vocabulary);

// security_findings and network_use, or why there is none. network_use is known only where the
// worker's confinement forbids connections: then it is 0.
void add_security(Measurement& measurement, const std::vector<SecurityCheck>& checks,
                  const std::string& samples_path);

// The checks as JSON, whole or not at all.
Result<void> write_checks(const std::vector<SecurityCheck>& checks,
                          const std::filesystem::path& path);

}  // namespace strop
