// What Strop knows about a model from its metadata alone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace strop {

enum class ModelKind { llm, multimodal, vision, audio, embedding, other };

// A named tensor that a model takes or gives.
struct Port {
  std::string name;
  std::string type;                 // f32, i64, bool, ...: a word as in Model::precision
  std::vector<std::int64_t> shape;  // -1: any size
  bool any_rank = false;            // the model does not say how many dimensions; shape is empty
  bool operator==(const Port&) const = default;
};

struct Model {
  std::string id;            // digest of the contents of all its files
  std::string path;          // absolute; a folder or a file
  std::string format;        // word of src/formats: huggingface, gguf, ...
  std::string architecture;  // as the file names it: llama, bert, ...
  ModelKind kind = ModelKind::other;
  std::optional<std::uint64_t> parameter_count;
  std::uint64_t weight_bytes = 0;
  std::string precision;                         // type of most weights: f32, bf16, f16, q4_1, ...
  std::optional<std::uint32_t> context_length;   // tokens
  std::optional<std::uint32_t> vocabulary_size;  // tokens
  std::optional<std::uint32_t> layer_count;
  std::optional<std::uint32_t> width;        // of the residual stream
  std::optional<std::uint32_t> cache_width;  // keys and values that a token adds to each layer
  std::optional<std::uint32_t> experts;
  std::string license;
  std::string provenance;  // what the files say about their origin
  // Of weights that were in 4 bits before: q4_1 with any offset, int4 with zero on the grid; else
  // empty.
  std::string source_grid;
  // Of a model that runs on tensors, in the model's order; empty for decoders of text.
  std::vector<Port> inputs, outputs;
  bool operator==(const Model&) const = default;
};

}  // namespace strop
