// Which execution provider runs a model's nodes, by the profile that the engine writes itself.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "engine.h"

namespace strop::onnxruntime {

// Counts the nodes of one profiled inference by provider, each once however often it ran, in the
// order of providers(). The file is read as it streams by and checked: an array of objects, no
// deeper than profiles are, of at most 256 MiB and 1 million nodes.
Result<std::vector<Placement>> placement_of(const std::filesystem::path& profile);

// Options of a session that will be asked below.
void profile_into(Ort::SessionOptions& options, const std::filesystem::path& folder);

struct Placed {
  std::vector<Placement> placement;
  std::vector<std::string> notes;
};

// Ends the profile of a session that has run nothing yet, with one inference of small, made-up
// inputs; the session goes on unprofiled. Without a placement a note says why.
Placed placed(Ort::Session& session);

}  // namespace strop::onnxruntime
