// Every fault that an artifact or an engine may have, made on the two-layer model and opened by the
// real engine: each is caught, and nothing sound is refused. A fault counts as one when its KL to
// the clean artifact exceeds a stated floor, or when text comes out otherwise.
#include <doctest/doctest.h>

#include <bit>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <limits>

#include "conformance/faults/gguf_faults.h"
#include "core/files.h"
#include "core/hash.h"
#include "gate/gate.h"
#include "measure/golden.h"
#include "pipeline/golden.h"
#include "pipeline/optimize.h"
#include "pipeline/stages.h"
#include "support/temporary_folder.h"

namespace fs = std::filesystem;

namespace {

using namespace strop;
using namespace strop::pipeline;
using strop::test::EditedGguf;

// A fault of weights or arithmetic is one from here on, in nats; below, nobody could tell it from
// rounding. The floor lies above what 8 bits may cost (share/plan/gates.json) for the 8-bit
// artifact, above what 15 bits may cost for the others.
constexpr double kFloor = 0.02, kFloor8Bits = 0.1;

class Silent : public Observer {
  void on(const Event&) override {}
};

template <class T>
std::string message_of(const Result<T>& result) {
  return result ? std::string() : result.error().message;
}

template <class T>
T taken(Result<T> result) {
  if (!result) FAIL(result.error().message);
  return *std::move(result);
}

Artifact manifest_of(const Artifact& artifact, const fs::path& folder) {
  Artifact moved = artifact;
  moved.folder = folder.string();
  for (ArtifactFile& file : moved.files) {
    file.bytes = fs::file_size(folder / file.path);
    file.sha256 = taken(sha256_file(folder / file.path));
  }
  return moved;
}

// The two-layer model, its original's record, and two sound artifacts with their records.
class Lab {
 public:
  static Lab& get() {
    static Lab lab;
    return lab;
  }

  struct Sound {
    Trial trial;
    double kl = 0;  // from the original
  };
  Sound f32, q8_0;
  Report report;
  Context& context() { return *context_; }
  const fs::path& place() const { return place_.path(); }
  const measure::Evaluation& evaluation() const { return evaluation_; }

  std::unique_ptr<WorkerSession> opened_unchecked(const Trial& trial) {
    const fs::path scratch = taken(context().scratch());
    return taken(context()
                     .worker(trial.recipe.backend)
                     .open(*trial.artifact, options_for(trial, report), {.dir = scratch}));
  }

  double kl_between(DecoderSession& reference, DecoderSession& candidate) {
    const auto samples = measure::score_in_step(reference, candidate, evaluation_, nullptr, {});
    if (!samples) {
      MESSAGE(samples.error().message);
      return std::numeric_limits<double>::infinity();  // no finite row: not a distribution at all
    }
    return measure::mean(samples->kl);
  }

 private:
  Lab() {
    if (!fs::exists(fs::path(STROP_TINY_MODEL) / "config.json")) {
      std::cout << "skipped: the two-layer model is missing (integration.tiny_model makes it)"
                << std::endl;
      std::exit(77);
    }
    ::setenv("STROP_PREFIX", STROP_BUILD_DIR, 1);
    request_.model = fs::canonical(STROP_TINY_MODEL).string();
    request_.out = (place() / "out").string();
    fs::create_directories(request_.out);
    context_.emplace(request_, silent_, std::stop_token(), taken(Store::open(place() / "store")),
                     std::nullopt);
    report.goal = request_.goal;
    REQUIRE_MESSAGE(assess_stage(report, context()), "assess");
    REQUIRE_MESSAGE(plan_stage(report, context()), "plan");
    f32.trial = made(Role::quality_reference, "");
    q8_0.trial = made(Role::candidate, "q8_0");
    const auto recorded = record_original(f32.trial, report, context());
    REQUIRE_MESSAGE(recorded, message_of(recorded));
    read_evaluation();
    f32.trial.role = Role::candidate;
    for (Sound* sound : {&f32, &q8_0}) {
      const auto original = opened_unchecked(f32.trial);
      auto worker = open(sound->trial, report, context());
      REQUIRE_MESSAGE(worker, message_of(worker));
      sound->kl = kl_between(*original->session().decoder(), *(*worker)->session().decoder());
      const auto attached = attach_records(sound->trial, sound->kl, **worker, report, context());
      REQUIRE_MESSAGE(attached, message_of(attached));
      REQUIRE(fs::exists(fs::path(sound->trial.artifact->folder) / "golden" / "original.json"));
    }
  }

  Trial made(Role role, const std::string& name) {
    for (const PlannedTrial& planned : report.plan->trials) {
      if (planned.role != role || planned.recipe.backend != "llama_cpp") continue;
      if (!name.empty() && planned.recipe.name != name) continue;
      Trial trial{.id = name + "trial", .role = role, .recipe = planned.recipe};
      trial.artifact = taken(artifact_of(planned.recipe, report, context()));
      return trial;
    }
    FAIL("the plan has no trial ", name);
    return {};
  }

  // The record's own sequences, longer and decoded one by one at their end.
  void read_evaluation() {
    const auto tokenizer = taken(open_tokenizer(context().where().workers / "strop-worker-text",
                                                fs::path(f32.trial.artifact->folder) / "vocab.gguf",
                                                context().policy()));
    for (const char* name : {"news-en", "code-python", "story-fr"}) {
      const std::string text = taken(read_text(context().where().share / "text" / "evaluation" /
                                               (std::string(name) + ".txt")));
      auto ids = taken(tokenizer->encode(text, true, false));
      ids.resize(std::min<std::size_t>(ids.size(), 320));
      evaluation_.sequences.push_back(std::move(ids));
    }
    evaluation_.stepped_from = 240;
  }

  strop::test::TemporaryFolder place_;
  Silent silent_;
  RunRequest request_;
  std::optional<Context> context_;
  measure::Evaluation evaluation_;
};

// What happened to a faulty artifact.
struct Outcome {
  double kl = 0;
  std::string by_own_record;  // the refusal; empty: it was not caught
  std::string at_conversion;  // likewise, with nothing but the original's record and the gate
};

std::string gate_refusal(const Trial& trial, double kl) {
  auto& lab = Lab::get();
  const auto rules = taken(load_gate_rules(lab.context().where().share / "plan" / "gates.json"));
  const auto limit = divergence_limit(trial.recipe, "kl_mean", lab.report.goal, rules, {});
  REQUIRE(limit);
  return kl > *limit ? "[gate] conversion" : "";
}

enum class Fails { kl, text };

struct FileFault {
  const char* name;
  Fails how = Fails::kl;
  std::function<void(EditedGguf&)> edit;
  bool eight_bits = false;
  bool in_vocabulary_file = false;  // instead of the model's file
};

Outcome outcome_of(const FileFault& fault) {
  auto& lab = Lab::get();
  const Lab::Sound& sound = fault.eight_bits ? lab.q8_0 : lab.f32;
  const fs::path from = sound.trial.artifact->folder;
  const fs::path folder =
      lab.place() / "faults" / std::to_string(std::hash<std::string>{}(fault.name));
  fs::create_directories(folder);
  fs::copy(from, folder, fs::copy_options::recursive);
  for (const std::string entry : {"model.gguf", "vocab.gguf"}) {
    // A tokenizer's fault is in both files, or in the one beside the model alone.
    const bool touched =
        entry == "vocab.gguf" ? fault.how == Fails::text : !fault.in_vocabulary_file;
    if (!touched) continue;
    const auto file = taken(formats::GgufFile::open(from / entry));
    EditedGguf edited = strop::test::read_gguf(file);
    fault.edit(edited);
    fs::remove(folder / entry);
    const auto written = strop::test::write_gguf(file, edited, folder / entry);
    REQUIRE_MESSAGE(written, message_of(written));
  }
  Trial trial = sound.trial;
  trial.artifact = manifest_of(*sound.trial.artifact, folder);
  trial.artifact->id = fault.name;

  Outcome outcome;
  const auto own = open(trial, lab.report, lab.context());
  if (!own) outcome.by_own_record = own.error().message;
  fs::remove_all(folder / "golden");
  trial.artifact->id = std::string(fault.name) + " just converted";
  const auto converted = open(trial, lab.report, lab.context());
  if (!converted) outcome.at_conversion = converted.error().message;

  const fs::path scratch = taken(lab.context().scratch());
  const auto worker = lab.context()
                          .worker(trial.recipe.backend)
                          .open(*trial.artifact, options_for(trial, lab.report), {.dir = scratch});
  if (worker) {
    const auto clean = lab.opened_unchecked(sound.trial);
    outcome.kl = lab.kl_between(*clean->session().decoder(), *(*worker)->session().decoder());
    if (outcome.at_conversion.empty()) outcome.at_conversion = gate_refusal(trial, outcome.kl);
  } else {
    outcome.kl = std::numeric_limits<double>::infinity();  // the engine itself refuses the file
  }
  fs::remove_all(folder);
  return outcome;
}

void expect_caught(const char* name, const Outcome& outcome, Fails how, double floor) {
  MESSAGE(std::string(name) << ": KL " << outcome.kl
                            << "\n    own record: " << outcome.by_own_record
                            << "\n    conversion: " << outcome.at_conversion);
  CHECK_MESSAGE((how == Fails::text || outcome.kl > floor),
                std::string(name) << " is no fault: KL " << outcome.kl);
  CHECK_MESSAGE(!outcome.by_own_record.empty(), std::string(name) << " passes its own record");
  CHECK_MESSAGE(!outcome.at_conversion.empty(), std::string(name) << " passes as a conversion");
}

std::string layer(int index, const char* part) { return str("blk.", index, ".", part, ".weight"); }

void transpose(std::vector<float>& values, std::size_t side) {
  for (std::size_t i = 0; i < side; ++i)
    for (std::size_t j = i + 1; j < side; ++j)
      std::swap(values[i * side + j], values[j * side + i]);
}

// What float_bits of a bf16 number mean when they are read as f16.
float bf16_read_as_f16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value) >> 16;
  const auto exponent = static_cast<int>(bits >> 10 & 0x1f);
  const double mantissa = static_cast<double>(bits & 0x3ff) / 1024;
  const double size = exponent == 0 ? std::ldexp(mantissa, -14)
                                    : std::ldexp(1 + mantissa, std::min(exponent, 30) - 15);
  return static_cast<float>(bits & 0x8000 ? -size : size);
}

// Rounded to so many bits behind the point of a binary number.
float rounded(float value, int bits) {
  if (value == 0) return 0;
  int exponent = 0;
  const double mantissa = std::frexp(double{value}, &exponent);
  return static_cast<float>(
      std::ldexp(std::round(std::ldexp(mantissa, bits + 1)), exponent - bits - 1));
}

// Scales of llama-type heads of 16: one factor per pair of positions' frequencies.
void add_rope_factors(EditedGguf& file, const std::vector<float>& factors) {
  std::string data(factors.size() * sizeof(float), '\0');
  std::memcpy(data.data(), factors.data(), data.size());
  file.tensors.push_back(
      {"rope_freqs.weight", formats::tensor_type("f32"), {factors.size()}, data});
}

const std::vector<FileFault>& file_faults() {
  static const std::vector<FileFault> faults{
      {"scales of a tensor flipped", Fails::kl,
       [](EditedGguf& file) {
         std::string& data = file.tensor("token_embd.weight").data;
         for (std::size_t i = 1; i < data.size(); i += 34)
           data[i] = static_cast<char>(data[i] ^ 0x80);
       },
       true},
      {"a tensor's sign flipped", Fails::kl,
       [](EditedGguf& file) {
         file.change(layer(0, "ffn_down"), [](auto& values) {
           for (float& value : values) value = -value;
         });
       }},
      {"wrong rope base", Fails::kl,
       [](EditedGguf& file) { file.reals["llama.rope.freq_base"] = 10.0f; }},
      {"wrong rope scaling", Fails::kl,
       [](EditedGguf& file) {
         file.texts["llama.rope.scaling.type"] = "linear";
         file.reals["llama.rope.scaling.factor"] = 16.0f;
       }},
      {"rows of q and k not paired for rotary positions", Fails::kl,
       [](EditedGguf& file) {
         for (int i : {0, 1})
           for (const char* part : {"attn_q", "attn_k"})
             file.change(layer(i, part), [](std::vector<float>& values) {
               const std::vector<float> before = values;
               for (std::size_t row = 0; row < values.size() / 64; ++row) {
                 const std::size_t in_head = row % 16;
                 const std::size_t from = row - in_head + (in_head % 2) * 8 + in_head / 2;
                 std::copy_n(before.begin() + static_cast<std::ptrdiff_t>(from * 64), 64,
                             values.begin() + static_cast<std::ptrdiff_t>(row * 64));
               }
             });
       }},
      {"k and v swapped", Fails::kl,
       [](EditedGguf& file) { file.exchange(layer(0, "attn_k"), layer(0, "attn_v")); }},
      {"q and o swapped", Fails::kl,
       [](EditedGguf& file) { file.exchange(layer(1, "attn_q"), layer(1, "attn_output")); }},
      {"gate and up swapped", Fails::kl,
       [](EditedGguf& file) {
         for (int i : {0, 1}) file.exchange(layer(i, "ffn_gate"), layer(i, "ffn_up"));
       }},
      {"two layers swapped", Fails::kl,
       [](EditedGguf& file) {
         for (const char* part :
              {"attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"})
           file.exchange(layer(0, part), layer(1, part));
       }},
      {"a matrix transposed", Fails::kl,
       [](EditedGguf& file) {
         file.change(layer(0, "attn_output"), [](auto& values) { transpose(values, 64); });
       }},
      {"a NaN layer", Fails::kl,
       [](EditedGguf& file) {
         file.change(layer(1, "ffn_norm"),
                     [](auto& values) { values[3] = std::numeric_limits<float>::quiet_NaN(); });
       }},
      {"an infinite weight", Fails::kl,
       [](EditedGguf& file) {
         file.change(layer(0, "ffn_down"),
                     [](auto& values) { values[77] = std::numeric_limits<float>::infinity(); });
       }},
      {"a tensor of zeros", Fails::kl,
       [](EditedGguf& file) {
         file.change("output_norm.weight",
                     [](auto& values) { std::fill(values.begin(), values.end(), 0.0f); });
       }},
      {"constant rows of a matrix", Fails::kl,
       [](EditedGguf& file) {
         file.change(layer(1, "ffn_down"), [](auto& values) {
           for (std::size_t i = 192; i < values.size(); ++i) values[i] = values[i % 192];
         });
       }},
      {"wrong norm epsilon", Fails::kl,
       [](EditedGguf& file) { file.reals["llama.attention.layer_norm_rms_epsilon"] = 0.1f; }},
      {"a missing layer", Fails::kl,
       [](EditedGguf& file) {
         file.counts["llama.block_count"] = 1;
         std::erase_if(file.tensors,
                       [](const auto& tensor) { return tensor.name.starts_with("blk.1."); });
       }},
      {"heads grouped otherwise", Fails::kl,
       [](EditedGguf& file) {
         file.counts["llama.attention.head_count"] = 8;
         file.counts["llama.attention.head_count_kv"] = 4;
         file.counts["llama.rope.dimension_count"] = 8;
         for (const char* key : {"llama.attention.key_length", "llama.attention.value_length"})
           file.counts[key] = 8;
       }},
      {"another model's weights", Fails::kl,
       [](EditedGguf& file) {
         for (auto& tensor : file.tensors)
           if (tensor.name.starts_with("blk.") && tensor.shape.size() == 2)
             file.change(tensor.name,
                         [](auto& values) { std::reverse(values.begin(), values.end()); });
       }},
      {"the output is not tied to the embedding as it should be", Fails::kl,
       [](EditedGguf& file) {
         strop::test::EditedTensor output = file.tensor("token_embd.weight");
         output.name = "output.weight";
         std::rotate(output.data.begin(), output.data.begin() + 64 * sizeof(float),
                     output.data.end());
         file.tensors.push_back(output);
       }},
      {"tensor data shifted by two bytes", Fails::kl,
       [](EditedGguf& file) {
         std::string& data = file.tensor(layer(0, "ffn_up")).data;
         std::rotate(data.begin(), data.begin() + 2, data.end());
       }},
      {"tensor data shifted by a row", Fails::kl,
       [](EditedGguf& file) {
         std::string& data = file.tensor(layer(0, "ffn_down")).data;
         std::rotate(data.begin(), data.begin() + 192 * sizeof(float), data.end());
       }},
      {"bf16 weights read as f16", Fails::kl,
       [](EditedGguf& file) {
         file.change(layer(0, "attn_v"), [](auto& values) {
           for (float& value : values) value = bf16_read_as_f16(value);
         });
       }},
      {"weights held in too few bits", Fails::kl,
       [](EditedGguf& file) {
         for (auto& tensor : file.tensors)
           if (tensor.shape.size() == 2)
             file.change(tensor.name, [](auto& values) {
               for (float& value : values) value = rounded(value, 0);
             });
       }},
      {"precision lost with position", Fails::kl,
       [](EditedGguf& file) {
         std::vector<float> factors;
         for (int pair = 0; pair < 8; ++pair) {
           const auto frequency = static_cast<float>(std::pow(10000.0, -pair / 8.0));
           factors.push_back(frequency / rounded(frequency, 1));
         }
         add_rope_factors(file, factors);
       }},
      {"a truncated vocabulary", Fails::kl,
       [](EditedGguf& file) {
         auto& embedding = file.tensor("token_embd.weight");
         embedding.shape[1] -= 100;
         embedding.data.resize(embedding.data.size() - 100 * 64 * sizeof(float));
       }},
      {"another pre-tokenizer", Fails::text,
       [](EditedGguf& file) { file.texts["tokenizer.ggml.pre"] = "gpt-2"; }},
      {"another pre-tokenizer beside the model", Fails::text,
       [](EditedGguf& file) { file.texts["tokenizer.ggml.pre"] = "llama-bpe"; }, false, true},
      {"a begin-of-text token that the model does not want", Fails::text,
       [](EditedGguf& file) {
         file.counts["tokenizer.ggml.bos_token_id"] = 5;
         file.flags["tokenizer.ggml.add_bos_token"] = true;
       }},
      {"wrong chat template", Fails::text,
       [](EditedGguf& file) {
         file.texts["tokenizer.chat_template"] =
             "{% for message in messages %}[{{ message['role'] }}] {{ message['content'] }}\n"
             "{% endfor %}";
       }},
      {"no chat template", Fails::text,
       [](EditedGguf& file) { file.texts["tokenizer.chat_template"] = "{{ '' }}"; }},
  };
  return faults;
}

// An engine that does something wrong around the real one.
class WrongEngine : public DecoderSession {
 public:
  explicit WrongEngine(DecoderSession& engine) : engine_(engine) {}
  const SessionInfo& info() const override { return engine_.info(); }
  Result<void> evaluate(SequenceId sequence, std::span<const TokenId> ids,
                        std::span<const std::uint32_t> wanted, const RowSink& sink) override {
    return engine_.evaluate(sequence, ids, wanted, sink);
  }
  Result<void> truncate(SequenceId sequence, std::uint32_t length) override {
    return engine_.truncate(sequence, length);
  }
  Result<void> fork(SequenceId from, SequenceId to) override { return engine_.fork(from, to); }
  Result<Generation> generate(SequenceId sequence, std::span<const TokenId> ids,
                              std::uint32_t count, std::stop_token stop) override {
    return engine_.generate(sequence, ids, count, stop);
  }

 protected:
  DecoderSession& engine_;
};

class ZeroRows : public WrongEngine {
 public:
  using WrongEngine::WrongEngine;
  Result<void> evaluate(SequenceId sequence, std::span<const TokenId> ids,
                        std::span<const std::uint32_t> wanted, const RowSink& sink) override {
    const std::vector<float> zeros(info().vocabulary_size);
    return engine_.evaluate(sequence, ids, wanted, each_row([&](std::size_t index, auto) {
                              return sink({index, zeros.size(), zeros});
                            }));
  }
};

class SameRow : public WrongEngine {
 public:
  using WrongEngine::WrongEngine;
  Result<void> evaluate(SequenceId sequence, std::span<const TokenId> ids,
                        std::span<const std::uint32_t> wanted, const RowSink& sink) override {
    return engine_.evaluate(sequence, ids, wanted, each_row([&](std::size_t index, auto row) {
                              if (first_.empty()) first_.assign(row.begin(), row.end());
                              return sink({index, first_.size(), first_});
                            }));
  }

 private:
  std::vector<float> first_;
};

class RowsOfTheTokenBefore : public WrongEngine {
 public:
  using WrongEngine::WrongEngine;
  Result<void> evaluate(SequenceId sequence, std::span<const TokenId> ids,
                        std::span<const std::uint32_t> wanted, const RowSink& sink) override {
    return engine_.evaluate(sequence, ids, wanted, each_row([&](std::size_t index, auto row) {
                              const std::vector<float> now(row.begin(), row.end());
                              const auto& given = before_.empty() ? now : before_;
                              auto taken = sink({index, given.size(), given});
                              before_ = now;
                              return taken;
                            }));
  }

 private:
  std::vector<float> before_;
};

class StaleCache : public WrongEngine {
 public:
  using WrongEngine::WrongEngine;
  Result<void> truncate(SequenceId, std::uint32_t) override { return {}; }
};

// The first token after a prompt stands one place too far.
class OffByOneAfterPrefill : public WrongEngine {
 public:
  using WrongEngine::WrongEngine;
  Result<void> evaluate(SequenceId sequence, std::span<const TokenId> ids,
                        std::span<const std::uint32_t> wanted, const RowSink& sink) override {
    if (ids.size() == 1 && after_prompt_) {
      STROP_CHECK(
          engine_.evaluate(sequence, ids, {}, [](const LogitRows&) { return Result<void>{}; }));
      after_prompt_ = false;
    }
    if (ids.size() > 1) after_prompt_ = true;
    return engine_.evaluate(sequence, ids, wanted, sink);
  }

 private:
  bool after_prompt_ = false;
};

// Logits in 8-bit floats: a precision hint that the engine takes at its word.
class CoarseLogits : public WrongEngine {
 public:
  using WrongEngine::WrongEngine;
  Result<void> evaluate(SequenceId sequence, std::span<const TokenId> ids,
                        std::span<const std::uint32_t> wanted, const RowSink& sink) override {
    return engine_.evaluate(sequence, ids, wanted, each_row([&](std::size_t index, auto row) {
                              std::vector<float> coarse(row.begin(), row.end());
                              for (float& value : coarse) value = rounded(value, 0);
                              return sink({index, coarse.size(), coarse});
                            }));
  }
};

// Generation loses its prompt; evaluation does not, so that no divergence shows it.
class GenerationForgets : public WrongEngine {
 public:
  using WrongEngine::WrongEngine;
  Result<Generation> generate(SequenceId sequence, std::span<const TokenId> ids,
                              std::uint32_t count, std::stop_token stop) override {
    return engine_.generate(sequence, ids.last(1), count, stop);
  }
};

template <class Wrong>
void expect_engine_caught(const char* name, bool in_evaluation = true) {
  auto& lab = Lab::get();
  const Trial& trial = lab.f32.trial;
  const auto clean = lab.opened_unchecked(trial), real = lab.opened_unchecked(trial);
  Outcome outcome;
  const auto refusal = [&](Trial held, const char* id) {
    Wrong wrong(*real->session().decoder());
    held.artifact->id = id;
    const auto checked =
        check_opened(held, options_for(held, lab.report), wrong,
                     conditions_of(held, *real, lab.report), lab.report, lab.context());
    REQUIRE(real->session().decoder()->truncate(0, 0));
    return message_of(checked);
  };
  outcome.by_own_record = refusal(trial, name);
  Trial without = trial;
  without.artifact->folder = (lab.place() / "no records").string();
  outcome.at_conversion = refusal(without, name);
  Wrong wrong(*real->session().decoder());
  outcome.kl = lab.kl_between(*clean->session().decoder(), wrong);
  if (outcome.at_conversion.empty()) outcome.at_conversion = gate_refusal(trial, outcome.kl);
  expect_caught(name, outcome, in_evaluation ? Fails::kl : Fails::text, kFloor);
}

}  // namespace

TEST_CASE("sound artifacts pass, as they are and copied elsewhere") {
  auto& lab = Lab::get();
  for (const Lab::Sound* sound : {&lab.f32, &lab.q8_0}) {
    MESSAGE(sound->trial.recipe.name << ": KL " << sound->kl);
    const auto again = open(sound->trial, lab.report, lab.context());
    CHECK_MESSAGE(again, message_of(again));
    const fs::path copy = lab.place() / ("copy-" + sound->trial.recipe.name);
    fs::copy(sound->trial.artifact->folder, copy, fs::copy_options::recursive);
    const auto verified = verify_artifact(copy, lab.context());
    REQUIRE_MESSAGE(verified, message_of(verified));
    for (const GoldenCheck& check : verified->checks)
      CHECK_MESSAGE(check.verdict == Verdict::pass, check.what << ": " << check.reason);
    CHECK(verified->passed);
    CHECK(verified->checks.size() >= 9);
  }
}

TEST_CASE("a changed file, a foreign record and a broken record are told") {
  auto& lab = Lab::get();
  const fs::path copy = lab.place() / "changed";
  fs::copy(lab.f32.trial.artifact->folder, copy, fs::copy_options::recursive);
  {
    std::fstream file(copy / "model.gguf", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-5, std::ios::end);
    file.put('\x7f');
  }
  const auto changed = verify_artifact(copy, lab.context());
  REQUIRE_MESSAGE(changed, message_of(changed));
  CHECK_FALSE(changed->passed);
  CHECK(changed->checks.front().what == "files");
  CHECK(changed->checks.size() == 1);  // no engine was shown the file

  fs::copy_file(fs::path(lab.f32.trial.artifact->folder) / "model.gguf", copy / "model.gguf",
                fs::copy_options::overwrite_existing);
  const Golden record = taken(decode<Golden>(
      taken(parse_json(taken(read_text(copy / "golden" / "original.json")), "record")), "record"));
  fs::copy_file(copy / "golden" / record.rows.at(0).file, copy / "golden" / record.rows.at(1).file,
                fs::copy_options::overwrite_existing);
  const auto foreign = verify_artifact(copy, lab.context());
  REQUIRE_MESSAGE(foreign, message_of(foreign));
  CHECK_FALSE(foreign->passed);

  for (const char* text : {"{}", "{\"schema_version\": 99}", "[", "{\"schema_version\": 1}"}) {
    std::ofstream(copy / "golden" / "original.json") << text;
    CHECK_FALSE(verify_artifact(copy, lab.context()));
  }
  fs::remove_all(copy / "golden");
  const auto none = verify_artifact(copy, lab.context());
  REQUIRE_FALSE(none);
  CHECK(none.error().code == ErrorCode::not_found);
}

TEST_CASE("every fault of a file is caught") {
  CHECK(file_faults().size() >= 20);
  for (const FileFault& fault : file_faults())
    expect_caught(fault.name, outcome_of(fault), fault.how,
                  fault.eight_bits ? kFloor8Bits : kFloor);
}

TEST_CASE("another model's tokenizer is caught") {
  auto& lab = Lab::get();
  const auto file =
      taken(formats::GgufFile::open(fs::path(lab.f32.trial.artifact->folder) / "model.gguf"));
  const formats::GgufArray* tokens = file.array("tokenizer.ggml.tokens");
  REQUIRE(tokens);
  std::vector<std::string> names(tokens->strings.begin(), tokens->strings.end());
  std::rotate(names.begin() + 1000, names.begin() + 1001, names.begin() + 20000);
  const FileFault fault{"another model's tokenizer", Fails::text,
                        [&](EditedGguf& edited) { edited.lists["tokenizer.ggml.tokens"] = names; }};
  expect_caught(fault.name, outcome_of(fault), fault.how, kFloor);
}

TEST_CASE("every fault of an engine is caught") {
  expect_engine_caught<ZeroRows>("zeros from a worker");
  expect_engine_caught<SameRow>("constant rows from a worker");
  expect_engine_caught<RowsOfTheTokenBefore>("rows of the token before");
  expect_engine_caught<StaleCache>("a stale cache");
  expect_engine_caught<OffByOneAfterPrefill>("positions off by one where prefill ends");
  expect_engine_caught<CoarseLogits>("wrong precision hint");
  expect_engine_caught<GenerationForgets>("generation that loses its prompt", false);
}

// 1,000 prompts of 17 ids from the evaluation text, 8 positions of each: fewer than a record has,
// so that chance has more room than in a real check.
GoldenRows many_prompts() {
  auto& lab = Lab::get();
  const auto tokenizer = taken(open_tokenizer(
      lab.context().where().workers / "strop-worker-text",
      fs::path(lab.f32.trial.artifact->folder) / "vocab.gguf", lab.context().policy()));
  GoldenRows rows{.name = "many", .first_scored = 8};
  for (const char* name : {"story-en", "code-cpp", "tables-en", "recipe-es", "legal-en"}) {
    const auto ids =
        taken(tokenizer->encode(taken(read_text(lab.context().where().share / "text" /
                                                "evaluation" / (std::string(name) + ".txt"))),
                                false, false));
    for (std::size_t i = 0; i < 200; ++i) {
      const std::size_t begin = i * (ids.size() - 17) / 200;
      rows.sequences.emplace_back(ids.begin() + static_cast<std::ptrdiff_t>(begin),
                                  ids.begin() + static_cast<std::ptrdiff_t>(begin + 17));
    }
  }
  return rows;
}

const std::vector<RunOptions>& sound_options() {
  static const std::vector<RunOptions> options{{},
                                               {{"flash_attention", "off"}},
                                               {{"kv_cache_type", "f32"}},
                                               {{"batch", "64"}},
                                               {{"threads", "1"}}};
  return options;
}

std::vector<double> mean_by_prompt(const measure::QualitySamples& samples, std::size_t prompts) {
  std::vector<double> sums(prompts), counts(prompts);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    sums[samples.sequence[i]] += samples.kl[i];
    ++counts[samples.sequence[i]];
  }
  for (std::size_t i = 0; i < prompts; ++i) sums[i] /= counts[i];
  return sums;
}

// What a sound artifact may be from its own record on this machine, and from the original.
double own_limit() {
  auto& lab = Lab::get();
  const Json json = taken(parse_json(
      taken(read_text(lab.context().where().share / "golden" / "golden.json")), "golden.json"));
  return json["limits"]["own_here"]["kl_mean"].get<double>();
}

TEST_CASE("slow: 10,000 cases of sound artifacts are recorded and none is refused") {
  auto& lab = Lab::get();
  const strop::test::TemporaryFolder folder;
  const GoldenRows prompts = many_prompts();
  GoldenRows original = prompts;
  REQUIRE(measure::record_rows(*lab.opened_unchecked(lab.f32.trial)->session().decoder(), original,
                               folder.path(), "original", 1, {}));
  std::string lines =
      "# artifact,run options,prompt,KL from its own record,KL from the original's (nats, mean of "
      "8 "
      "positions)\n";
  const auto rules = taken(load_gate_rules(lab.context().where().share / "plan" / "gates.json"));
  int refused = 0, cases = 0;
  for (const Lab::Sound* sound : {&lab.f32, &lab.q8_0}) {
    const double from_original =
        divergence_limit(sound->trial.recipe, "kl_mean", lab.report.goal, rules, {}).value();
    for (const RunOptions& options : sound_options()) {
      Trial trial = sound->trial;
      trial.run_options = options;
      GoldenRows own = prompts;
      const auto first = lab.opened_unchecked(trial), second = lab.opened_unchecked(trial);
      REQUIRE(measure::record_rows(*first->session().decoder(), own, folder.path(), "own", 1, {}));
      const auto to_own = mean_by_prompt(
          taken(measure::compare_rows(*second->session().decoder(), own, folder.path(), {})), 1000);
      const auto to_original = mean_by_prompt(
          taken(measure::compare_rows(*second->session().decoder(), original, folder.path(), {})),
          1000);
      std::string words;
      for (const auto& [name, value] : options) words += name + "=" + value;
      for (std::size_t i = 0; i < 1000; ++i) {
        ++cases;
        refused += to_own[i] > own_limit() || to_original[i] > from_original;
        std::ostringstream line;
        line.precision(2);
        line << sound->trial.recipe.name << ',' << words << ',' << i << ',' << to_own[i] << ','
             << to_original[i] << '\n';
        lines += line.str();
      }
    }
  }
  CHECK(cases == 10'000);
  CHECK(refused == 0);
  if (const char* path = std::getenv("STROP_RECORD_CASES")) REQUIRE(write_whole(path, lines));
}

TEST_CASE("slow: 200 openings of sound artifacts are not refused") {
  auto& lab = Lab::get();
  const auto& options = sound_options();
  for (int i = 0; i < 200; ++i) {
    Trial trial = i % 2 ? lab.q8_0.trial : lab.f32.trial;
    trial.run_options = options[static_cast<std::size_t>(i / 2) % options.size()];
    const auto worker = open(trial, lab.report, lab.context());
    CHECK_MESSAGE(worker, message_of(worker));
  }
}
