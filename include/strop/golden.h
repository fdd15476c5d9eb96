// Golden records: what an artifact computed when it was found good, small enough to travel with it,
// so that anyone can see anywhere that it still does (docs/golden.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "strop/gate.h"
#include "strop/measurement.h"
#include "strop/text.h"

namespace strop {

enum class GoldenKind {
  original,  // outputs of the original: how far the artifact may drift from it
  own        // the artifact's own outputs when it passed: what it must go on computing
};

struct GoldenText {
  std::string text;
  bool add_special = false;
  bool parse_special = false;
  std::vector<TokenId> ids;
  std::string decoded;  // of ids
  bool operator==(const GoldenText&) const = default;
};

struct GoldenChat {
  std::vector<ChatMessage> messages;
  bool add_generation_prompt = true;
  std::string text;
  bool operator==(const GoldenChat&) const = default;
};

// Outputs at the scored positions of some sequences.
struct GoldenRows {
  std::string name;                // brief, short or deep
  std::uint32_t first_scored = 0;  // positions below are read only
  std::uint32_t stepped_from = 0;  // from here on one id at a time; 0: never
  std::vector<std::vector<TokenId>> sequences;
  std::string file;    // a compact reference (docs/metrics.md) beside the record
  std::string sha256;  // of that file
  bool operator==(const GoldenRows&) const = default;
};

// One sample of a tensor model, and the output that its task is about.
struct GoldenSample {
  std::string name;
  std::string
      file;  // npz beside the record: the inputs as "in.NAME", the output as "out.NAME", f32
  std::string sha256;  // of that file
  bool operator==(const GoldenSample&) const = default;
};

struct Golden {
  std::int32_t schema_version = 2;
  GoldenKind kind = GoldenKind::original;
  std::string model_id;     // of the original
  std::string artifact_id;  // whose outputs they are
  std::string target_id;    // of the machine
  std::string backend;      // that computed them, with these options and in these conditions
  RunOptions run_options;
  Conditions conditions;
  // Of the mean over each group of rows, in nats of KL; of the samples, in shares of noise.
  double limit = 0;
  double limit_elsewhere = 0;  // the same on another device, engine or kernel
  std::vector<GoldenText> texts;
  std::vector<GoldenChat> chats;
  std::vector<GoldenRows> rows;       // of a decoder
  std::vector<GoldenSample> samples;  // of a function of tensors
  bool operator==(const Golden&) const = default;
};

// One thing that was held against a record.
struct GoldenCheck {
  std::string record;  // its file; empty for the artifact's own files
  std::string what;    // files, tokenizer, brief, short, deep, generation, samples
  Verdict verdict = Verdict::not_measured;
  std::optional<double> observed;  // nats; of samples, the share of noise
  std::optional<double> limit;
  std::string reason;  // one sentence, also when it passes
  bool operator==(const GoldenCheck&) const = default;
};

struct GoldenReport {
  std::int32_t schema_version = 1;
  std::string artifact_id;
  std::string folder;
  std::string backend;
  std::vector<GoldenCheck> checks;
  bool passed = false;  // all of them, and there was a record
  bool operator==(const GoldenReport&) const = default;
};

std::string to_json(const GoldenReport& report);
// JSON Schema of a record, and of what verify says.
std::string golden_schema();

}  // namespace strop
