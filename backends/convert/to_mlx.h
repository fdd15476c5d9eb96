// A Hugging Face folder of a llama-type decoder -> an MLX folder that mlx-lm loads, tensor by
// tensor, with memory for a chunk of rows and one tensor's scales.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "decoder_source.h"
#include "floats.h"
#include "formats/affine.h"
#include "strop/backend.h"

namespace strop::convert {

// What modules whose name matches the pattern get in place of the usual grid. `*` stands for any
// run of characters.
struct MlxOverride {
  std::string pattern;
  std::optional<formats::AffineGrid> grid;  // nothing: stored whole
};

struct MlxOptions {
  formats::AffineGrid grid;
  // Of the value and down projections of sensitive layers, and of an output matrix of its own, as
  // in mlx-lm's mixed recipes. Nothing: as of the others.
  std::optional<std::uint32_t> sensitive_bits;
  std::vector<MlxOverride> modules;  // before that; the first that matches counts
  std::optional<FloatType> type;     // of scales and whole tensors; nothing: the original's own
};

// From the step's params: bits, sensitive_bits, group_size, type (auto, f32, f16, bf16) and
// modules, a list such as "*.v_proj=6/64,lm_head=whole". An unknown name or value is invalid_input.
Result<MlxOptions> mlx_options(const std::map<std::string, std::string>& params);

struct MlxFolder {
  std::vector<std::string> files;  // in workspace.dir, without the tokenizer's
  std::vector<std::string> notes;  // modules that stay whole; true bits per weight
};

// Writes config.json, the weights with their index and vocab.gguf into workspace.dir. Matrices are
// quantised as mlx-lm does it, bit for bit; those whose rows are no multiple of the group stay
// whole, as there. Refuses options under which no matrix would be quantised.
Result<MlxFolder> huggingface_to_mlx(const std::filesystem::path& folder, const MlxOptions& options,
                                     const Workspace& workspace);

}  // namespace strop::convert
