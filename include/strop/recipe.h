// How an artifact is made (Recipe) and how it is run (RunOptions).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace strop {

enum class Operation { convert, quantize, prune, fuse, compile };

// One step runs in one worker; its input is the output of the step before, the first reads the
// model.
struct Step {
  std::string worker;  // convert, openvino, ...
  Operation op = Operation::convert;
  std::map<std::string, std::string> params;
  bool operator==(const Step&) const = default;
};

struct Calibration {
  std::string dataset_id;
  std::uint32_t samples = 0;
  bool operator==(const Calibration&) const = default;
};

// Scored in place of an artifact whose engine is too slow on this machine for a text: the same
// weights, exactly, for a faster engine.
struct StandIn {
  std::string backend;        // runs it
  std::vector<Step> steps;    // after the recipe's own
  std::uint32_t tokens = 64;  // of the text, on which the artifact's own logits must agree with it
  bool operator==(const StandIn&) const = default;
};

struct Recipe {
  std::string id;       // hash of everything below but name and notes
  std::string name;     // short and unique within a backend: q4_k_m
  std::string backend;  // the worker that runs the artifact
  std::vector<Step> steps;
  std::optional<Calibration> calibration;
  std::optional<StandIn> stand_in;
  std::uint64_t seed = 0;
  double bits_per_weight =
      0;  // nominal, from the type's layout; orders and predicts, never reported as measured
  bool lossless = false;    // keeps the original's precision or a wider one: unquantised
  std::string source_grid;  // the type's grid, to compare with Model::source_grid
  std::string note;         // one phrase for the user: what it is good for
  bool operator==(const Recipe&) const = default;
};

// Open set of names, declared by the worker in its RecipeSpace; values as text.
using RunOptions = std::map<std::string, std::string>;

// Where the engine put a model's nodes, as it ran them.
struct Placement {
  std::string provider;  // cpu, cuda, ...
  std::uint32_t nodes = 0;
  bool operator==(const Placement&) const = default;
};

struct Knob {
  std::string name;
  std::vector<std::string> values;  // empty: any value of the described form
  std::string default_value;
  std::string description;
  bool operator==(const Knob&) const = default;
};

// A named set of run options worth trying.
struct RunPreset {
  std::string name;  // "default" is the engine's own defaults
  RunOptions options;
  std::string note;
  bool operator==(const RunPreset&) const = default;
};

// What a backend offers for one model on one target. Cheapest first.
struct RecipeSpace {
  std::vector<Knob> build_knobs;
  std::vector<Knob> run_knobs;
  std::vector<Recipe> recipes;
  std::vector<RunPreset> run_presets;
  std::vector<std::string> skipped;  // what it would offer but cannot here, with the reason
  bool operator==(const RecipeSpace&) const = default;
};

}  // namespace strop
