// A framework we can optimise for and run on, as a worker program sees it and as the main program
// uses it. Adding one: a folder in backends/ with a class derived from Backend and one call of
// worker_main.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "strop/artifact.h"
#include "strop/assessment.h"
#include "strop/model.h"
#include "strop/recipe.h"
#include "strop/result.h"
#include "strop/target.h"

namespace strop {

using TokenId = std::int32_t;
using SequenceId = std::uint32_t;

struct BackendInfo {
  std::string name;
  std::string version;
  std::vector<Device> devices;
  std::string unavailable_reason;  // empty: can run here
  std::vector<std::string> notes;  // e.g. CPU variants that failed their self-test
  bool operator==(const BackendInfo&) const = default;
};

// Fraction done in 0..1, and what is being done.
class Progress {
 public:
  virtual ~Progress() = default;
  virtual void report(double fraction, std::string_view what) = 0;
};

struct Workspace {
  std::filesystem::path dir;     // the only folder the call may write to
  Progress* progress = nullptr;  // may be null
  std::stop_token stop;          // asked for: return ErrorCode::cancelled soon
  // A folder of samples to calibrate with, 000000.npz and so on (docs/protocol.md); empty: none.
  std::filesystem::path calibration = {};
  // Files beside the input's own that belong to it, whatever they are called: a confined worker may
  // read them too.
  std::vector<std::filesystem::path> beside = {};
};

struct SessionInfo {
  std::uint32_t vocabulary_size = 0;  // width of a row of logits; 0 for tensor sessions
  std::uint32_t context_length = 0;   // tokens a sequence may hold
  RunOptions run_options;             // every knob with the value in force
  std::string cpu_variant;
  double load_seconds = 0;
  std::vector<Placement> placement = {};  // by the engine's own profile; empty: not reported
  std::vector<std::string> notes = {};    // e.g. why there is no placement
  bool operator==(const SessionInfo&) const = default;
};

// Greedy continuation with the clock inside the worker.
struct Generation {
  std::vector<TokenId> ids;
  std::vector<double> seconds;  // per new token, from the start of the request (steady clock)
  bool operator==(const Generation&) const = default;
};

// Rows of logits that follow neighbouring wanted positions of one call, as the engine gave them:
// they may hold anything.
struct LogitRows {
  std::size_t first = 0;          // index of the first row among the wanted positions
  std::size_t width = 0;          // vocabulary_size, at least 1
  std::span<const float> values;  // [count][width], row-major, valid during the call
  bool shared = false;            // with another process, which may go on writing to values

  std::size_t count() const { return values.size() / width; }
  std::span<const float> row(std::size_t i) const { return values.subspan(i * width, width); }
  // Row i as nobody can change it between two looks: a copy in room where it is shared.
  std::span<const float> row(std::size_t i, std::vector<float>& room) const {
    if (!shared) return row(i);
    room.assign(row(i).begin(), row(i).end());
    return room;
  }
};

// Takes the rows of a call in order, one or more at a time. Its failure ends the call, which fails
// with it.
using RowSink = std::function<Result<void>(const LogitRows& rows)>;

// A sink for one row at a time. use(index, row): which wanted position, 0-based, and its logits;
// gives a Result<void>, or nothing where it cannot fail.
template <class Use>
RowSink each_row(Use use) {
  return [use = std::move(use)](const LogitRows& rows) mutable -> Result<void> {
    std::vector<float> room;
    for (std::size_t i = 0; i < rows.count(); ++i) {
      const std::span<const float> row = rows.row(i, room);
      if constexpr (std::is_void_v<decltype(use(rows.first, row))>)
        use(rows.first + i, row);
      else
        STROP_CHECK(use(rows.first + i, row));
    }
    return {};
  };
}

enum class ElementType { f32, f16, bf16, i64, i32, i8, u8, boolean };

struct Tensor {
  std::string name;
  ElementType type = ElementType::f32;
  std::vector<std::int64_t> shape;
  std::vector<std::byte> data;  // row-major, dense
};

// What a tensor model gave back, with the clock inside the worker.
struct Inference {
  std::vector<Tensor> outputs;
  double seconds = 0;  // of the engine's call alone (steady clock)
};

class DecoderSession;
class TensorSession;

// An opened artifact. Calls come from one thread at a time.
class Session {
 public:
  virtual ~Session() = default;
  virtual const SessionInfo& info() const = 0;
  virtual DecoderSession* decoder() { return nullptr; }
  virtual TensorSession* tensors() { return nullptr; }
};

class DecoderSession : public Session {
 public:
  DecoderSession* decoder() final { return this; }

  // Appends ids to the sequence and hands out the logits that follow each wanted position
  // (indices into ids, ascending). Fails with invalid_input when the context would overflow, and
  // with what the sink fails with. After a failure the sequence may hold a part of ids.
  virtual Result<void> evaluate(SequenceId sequence, std::span<const TokenId> ids,
                                std::span<const std::uint32_t> wanted, const RowSink& sink) = 0;
  // Keeps the first `length` tokens of the sequence.
  virtual Result<void> truncate(SequenceId sequence, std::uint32_t length) = 0;
  // Makes `to` a copy of `from`.
  virtual Result<void> fork(SequenceId from, SequenceId to) = 0;
  // Appends ids, then continues greedily for exactly count tokens (end-of-text does not stop it).
  // The sequence afterwards holds ids and the new tokens but the last.
  virtual Result<Generation> generate(SequenceId sequence, std::span<const TokenId> ids,
                                      std::uint32_t count, std::stop_token stop) = 0;
  // Continues several prompts of one length greedily, each by exactly count tokens; every step of
  // the engine computes the next token of all of them, so that they share the times. Sequences hold
  // nothing afterwards; prompts that are refused leave them as they were. Fails with unsupported
  // where so many cannot be computed together.
  virtual Result<std::vector<Generation>> generate_together(
      std::span<const std::vector<TokenId>> /*prompts*/, std::uint32_t /*count*/,
      std::stop_token /*stop*/) {
    return Error{.code = ErrorCode::unsupported, .message = "it computes one sequence at a time"};
  }
};

class TensorSession : public Session {
 public:
  TensorSession* tensors() final { return this; }
  // Every input of the model by name, once. Fails with invalid_input for another name, type or
  // shape than the artifact takes.
  virtual Result<Inference> infer(std::span<const Tensor> inputs) = 0;
};

// Stateless: any call may come from any thread.
class Backend {
 public:
  virtual ~Backend() = default;
  // Name, version, devices, and why it cannot run here (empty when it can).
  virtual BackendInfo info() const = 0;
  // How well it serves the model on the target. Reads metadata, never weights.
  virtual Fit assess(const Model& model, const Target& target) const = 0;
  // What it offers for this model on this target, cheapest first.
  virtual RecipeSpace space(const Model& model, const Target& target) const = 0;
  // Runs one step of a recipe. `input` is the original model (recipe step 0) or the artifact of the
  // step before; writes only inside workspace.dir. Sets format, entry, files' paths and notes; the
  // caller sets ids, sizes, digests.
  virtual Result<Artifact> build(const Model& input, const Recipe& recipe, std::size_t step,
                                 const Workspace& workspace) const = 0;
  // Loads an artifact, to measure or to serve it.
  virtual Result<std::unique_ptr<Session>> open(const Artifact& artifact, const RunOptions& options,
                                                const Workspace& workspace) const = 0;
};

}  // namespace strop
