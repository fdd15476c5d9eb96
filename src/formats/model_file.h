// Any model the tool understands, from its metadata and a glance at its weights.
#pragma once

#include <filesystem>
#include <vector>

#include "strop/model.h"
#include "strop/result.h"

namespace strop {

// Reads a folder or a file by what is in it, not by its name. Leaves id empty: that needs every
// byte of the weights.
Result<Model> read_model(const std::filesystem::path& path);

// Mean of a weight as it is stored; 16 where the parameters were not counted.
double stored_bits_per_weight(const Model& model);

// Of a model that is a file: it, and those beside it that keep its weights (external data of ONNX,
// the .bin of OpenVINO IR).
Result<std::vector<std::filesystem::path>> files_of_model(const std::filesystem::path& file,
                                                          const Model& model);

// Of a model that is a file: those beside it that describe it, such as its tokenizer. A link to a
// file of another place describes nothing (is_own_file).
std::vector<std::filesystem::path> descriptions_of_model(const std::filesystem::path& file);

}  // namespace strop
