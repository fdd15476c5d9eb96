// What a request and its answer hold, method by method (docs/protocol.md). The same field lists
// write, check and describe them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/json.h"

namespace strop::protocol {

inline constexpr int kVersion = 1;

// The envelope's methods. Version and role come first.
struct Hello {
  std::int32_t protocol = kVersion;
};
struct Greeting {
  std::int32_t protocol = 0;
  std::string role;  // "backend" or "text"
};
struct Nothing {};

// A backend's.
struct Pair {
  Model model;
  Target target;
};
struct Build {
  Model model;
  Recipe recipe;
  std::uint32_t step = 0;
  std::string workspace;                   // the only folder the worker may write to
  std::optional<std::string> calibration;  // folder of 000000.npz and so on, one sample each
};
struct Open {
  Artifact artifact;
  RunOptions run_options;
  std::string workspace;
};
struct Opened {
  std::string kind;  // "decoder" or "tensors"
  SessionInfo session;
};

// A decoder session's. Rows of logits lie in the shared block, f32, one after the other.
struct Evaluate {
  SequenceId sequence = 0;
  std::vector<TokenId> ids;
  std::vector<std::uint32_t> wanted;
};
struct Rows {
  std::uint64_t rows = 0;
};
struct Generate {
  SequenceId sequence = 0;
  std::vector<TokenId> ids;
  std::uint32_t count = 0;
};
struct GenerateTogether {
  std::vector<std::vector<TokenId>> prompts;
  std::uint32_t count = 0;
};
struct Generations {
  std::vector<Generation> generations;
};
struct Truncate {
  SequenceId sequence = 0;
  std::uint32_t length = 0;
};
struct Fork {
  SequenceId from = 0;
  SequenceId to = 0;
};

// A tensor session's. The bytes lie in the shared block at `offset`, dense and row-major.
struct TensorPlace {
  std::string name;
  ElementType type = ElementType::f32;
  std::vector<std::int64_t> shape;
  std::uint64_t offset = 0;
};
struct Inputs {
  std::vector<TensorPlace> inputs;
};
struct Outputs {
  std::vector<TensorPlace> outputs;
  double seconds = 0;  // of the engine's call, by the worker's steady clock
};

// A text worker's.
struct Vocabulary {
  std::string vocabulary;  // path of a GGUF file
};
struct Encode {
  std::string text;
  bool add_special = false;
  bool parse_special = false;
};
struct Ids {
  std::vector<TokenId> ids;
};
struct Text {
  std::string text;
};
struct Chat {
  std::vector<ChatMessage> messages;
  bool add_generation_prompt = false;
};

// {"backend": {method: {"params": schema, "result": schema}}, "text": {...}, "error": schema}.
Json schema();

}  // namespace strop::protocol
