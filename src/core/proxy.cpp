#include "core/proxy.h"

#include <algorithm>

#include "core/clock.h"
#include "core/files.h"

namespace fs = std::filesystem;

namespace strop {
namespace {

constexpr std::string_view kPrefix = "strop-worker-";
constexpr std::chrono::seconds kShort{30};
constexpr std::chrono::seconds kSelfTest{180};  // of every CPU variant, the first time
constexpr std::size_t kMaxIdsPerCall = 4096;
constexpr std::size_t kMaxTextPerCall =
    std::size_t{128} * 1024;  // six times that when escaped still fits a message

// What a worker says that something took is at least this, and no longer than its call took by our
// own clock, but for rounding.
constexpr double kLeastSeconds = 1e-9, kClockSlack = 1e-3;

bool could_take(double seconds, const Stopwatch& call) {
  return seconds >= kLeastSeconds && seconds <= call.seconds() + kClockSlack;
}

// Of the tokens of one request.
bool could_be_times(const std::vector<double>& seconds, const Stopwatch& call) {
  if (seconds.empty()) return true;
  return std::is_sorted(seconds.begin(), seconds.end()) && could_take(seconds.front(), call) &&
         could_take(seconds.back(), call) &&
         (seconds.size() == 1 || seconds.back() - seconds.front() >= kLeastSeconds);
}

Error lied(const std::string& what) {
  return Error{.code = ErrorCode::corrupt, .message = str("the worker broke the protocol: ", what)};
}

// One request and its answer, both as core/protocol.h declares them.
template <class Answer, class Params>
Result<Answer> ask(WorkerProcess& worker, const std::string& method, const Params& params,
                   const WorkerProcess::Call& call = {}) {
  STROP_TRY(const Json json, worker.call(method, encode(params), call));
  auto answer = decode<Answer>(json, str("the answer to ", method));
  if (!answer) return lied(answer.error().message);
  return answer;
}

template <class Params>
Result<void> tell(WorkerProcess& worker, const std::string& method, const Params& params,
                  const WorkerProcess::Call& call) {
  STROP_TRY([[maybe_unused]] const auto nothing,
            ask<protocol::Nothing>(worker, method, params, call));
  return {};
}

class ProxyDecoder : public DecoderSession {
 public:
  ProxyDecoder(WorkerProcess& process, SessionInfo info, std::chrono::milliseconds patience)
      : process_(process), info_(std::move(info)), patience_(patience) {}

  const SessionInfo& info() const override { return info_; }

  // Cut into calls whose rows fit the shared block.
  Result<void> evaluate(SequenceId sequence, std::span<const TokenId> ids,
                        std::span<const std::uint32_t> wanted, const RowSink& sink) override {
    const std::size_t rows_per_call = std::max<std::size_t>(
        1, process_.block().floats().size() / std::max<std::size_t>(1, info_.vocabulary_size));
    std::size_t done_ids = 0, done_rows = 0;
    while (done_ids < ids.size()) {
      std::size_t end = std::min(ids.size(), done_ids + kMaxIdsPerCall);
      std::vector<std::uint32_t> rows;
      for (std::size_t w = done_rows; w < wanted.size() && wanted[w] < end; ++w) {
        if (rows.size() == rows_per_call) {
          end = wanted[w];
          break;
        }
        rows.push_back(static_cast<std::uint32_t>(wanted[w] - done_ids));
      }
      const std::vector<TokenId> part(ids.begin() + static_cast<std::ptrdiff_t>(done_ids),
                                      ids.begin() + static_cast<std::ptrdiff_t>(end));
      STROP_TRY(const auto given,
                ask<protocol::Rows>(process_, "evaluate", protocol::Evaluate{sequence, part, rows},
                                    {.timeout = patience_}));
      if (given.rows != rows.size())
        return lied(str("gave ", given.rows, " rows where ", rows.size(), " were wanted"));
      if (!rows.empty())
        STROP_CHECK(
            sink({.first = done_rows,
                  .width = info_.vocabulary_size,
                  .values = process_.block().floats().first(rows.size() * info_.vocabulary_size),
                  .shared = true}));
      done_rows += rows.size();
      done_ids = end;
    }
    return {};
  }

  Result<void> truncate(SequenceId sequence, std::uint32_t length) override {
    return tell(process_, "truncate", protocol::Truncate{sequence, length}, {.timeout = patience_});
  }
  Result<void> fork(SequenceId from, SequenceId to) override {
    return tell(process_, "fork", protocol::Fork{from, to}, {.timeout = patience_});
  }

  Result<Generation> generate(SequenceId sequence, std::span<const TokenId> ids,
                              std::uint32_t count, std::stop_token stop) override {
    const Stopwatch watch;
    STROP_TRY(Generation generation,
              ask<Generation>(process_, "generate",
                              protocol::Generate{sequence, {ids.begin(), ids.end()}, count},
                              {.timeout = patience_, .stop = stop}));
    STROP_CHECK(check(generation, count, watch));
    return generation;
  }

  Result<std::vector<Generation>> generate_together(std::span<const std::vector<TokenId>> prompts,
                                                    std::uint32_t count,
                                                    std::stop_token stop) override {
    const Stopwatch watch;
    STROP_TRY(auto answer, ask<protocol::Generations>(
                               process_, "generate_together",
                               protocol::GenerateTogether{{prompts.begin(), prompts.end()}, count},
                               {.timeout = patience_, .stop = stop}));
    if (answer.generations.size() != prompts.size())
      return lied(
          str("gave ", answer.generations.size(), " generations for ", prompts.size(), " prompts"));
    for (const Generation& generation : answer.generations)
      STROP_CHECK(check(generation, count, watch));
    return std::move(answer.generations);
  }

 private:
  Result<void> check(const Generation& generation, std::uint32_t count,
                     const Stopwatch& call) const {
    const auto in_vocabulary = [&](TokenId id) {
      return id >= 0 && static_cast<std::uint32_t>(id) < info_.vocabulary_size;
    };
    if (generation.ids.size() != count || generation.seconds.size() != count ||
        !std::all_of(generation.ids.begin(), generation.ids.end(), in_vocabulary) ||
        !could_be_times(generation.seconds, call))
      return lied(
          "a generation with the wrong number of tokens, ids outside of the vocabulary or times "
          "that run backwards, stand still or are longer than the call");
    return {};
  }

  WorkerProcess& process_;
  SessionInfo info_;
  std::chrono::milliseconds patience_;
};

class ProxyTensors : public TensorSession {
 public:
  ProxyTensors(WorkerProcess& process, SessionInfo info, std::chrono::milliseconds patience)
      : process_(process), info_(std::move(info)), patience_(patience) {}
  const SessionInfo& info() const override { return info_; }

  Result<Inference> infer(std::span<const Tensor> inputs) override {
    STROP_TRY(auto places, tensors_to(inputs, process_.block().bytes()));
    const Stopwatch watch;
    STROP_TRY(const auto answer,
              ask<protocol::Outputs>(process_, "infer", protocol::Inputs{std::move(places)},
                                     {.timeout = patience_}));
    if (!could_take(answer.seconds, watch))
      return lied("an inference that took no time, or longer than its call");
    Inference inference{.outputs = {}, .seconds = answer.seconds};
    STROP_TRY(inference.outputs, tensors_from(answer.outputs, process_.block().bytes()));
    return inference;
  }

 private:
  WorkerProcess& process_;
  SessionInfo info_;
  std::chrono::milliseconds patience_;
};

class ProxyTokenizer : public Tokenizer {
 public:
  ProxyTokenizer(std::unique_ptr<WorkerProcess> process, TokenizerInfo info)
      : process_(std::move(process)), info_(std::move(info)) {}
  const TokenizerInfo& info() const override { return info_; }

  Result<std::vector<TokenId>> encode(std::string_view text, bool add_special,
                                      bool parse_special) override {
    if (text.size() > kMaxTextPerCall) {
      return Error{.code = ErrorCode::invalid_input,
                   .message = str("a text must be at most ", kMaxTextPerCall, " bytes, but has ",
                                  text.size()),
                   .field = "text"};
    }
    STROP_TRY(auto answer,
              ask<protocol::Ids>(*process_, "encode",
                                 protocol::Encode{std::string(text), add_special, parse_special}));
    const auto in_vocabulary = [&](TokenId id) {
      return id >= 0 && static_cast<std::uint32_t>(id) < info_.vocabulary_size;
    };
    if (!std::all_of(answer.ids.begin(), answer.ids.end(), in_vocabulary))
      return lied("a token id outside of the vocabulary");
    return std::move(answer.ids);
  }

  Result<std::string> decode(std::span<const TokenId> ids) override {
    STROP_TRY(auto answer,
              ask<protocol::Text>(*process_, "decode", protocol::Ids{{ids.begin(), ids.end()}}));
    return std::move(answer.text);
  }

  Result<std::string> chat(std::span<const ChatMessage> messages,
                           bool add_generation_prompt) override {
    STROP_TRY(auto answer, ask<protocol::Text>(*process_, "chat",
                                               protocol::Chat{{messages.begin(), messages.end()},
                                                              add_generation_prompt}));
    return std::move(answer.text);
  }

 private:
  std::unique_ptr<WorkerProcess> process_;
  TokenizerInfo info_;
};

// Of an artifact, what its engine may read: the files that it lists, else all of its folder.
std::vector<fs::path> readable(const Artifact& artifact) {
  const fs::path folder = artifact.folder;
  if (artifact.files.empty()) return {folder};
  std::vector<fs::path> files;
  const auto add = [&](const fs::path& name) {
    if (is_own_file(folder, name)) files.push_back(folder / name);  // not what a link leads to
  };
  add(artifact.entry);
  for (const ArtifactFile& file : artifact.files) add(file.path);
  return files;
}

}  // namespace

WorkerBackend::WorkerBackend(fs::path program, WorkerPolicy policy) : policy_(std::move(policy)) {
  command_.name = program.filename().string().substr(kPrefix.size());
  command_.program = std::move(program);
}

Result<std::unique_ptr<WorkerProcess>> WorkerBackend::start(os::Confinement confinement,
                                                            Notes notes) const {
  if (command_.missing) return *command_.missing;
  confinement.enabled = policy_.confine;
  confinement.read.insert(confinement.read.end(), command_.read.begin(), command_.read.end());
  confinement.execute = command_.execute;
  // What is noted there is believed by every later worker.
  if (!policy_.cache.empty())
    (notes == Notes::written ? confinement.write : confinement.read).push_back(policy_.cache);
  return WorkerProcess::start({.program = command_.program,
                               .arguments = command_.arguments,
                               .environment = command_.environment,
                               .name = str(kPrefix, command_.name),
                               .confinement = std::move(confinement),
                               .memory_limit_bytes = policy_.memory_limit_bytes});
}

BackendInfo WorkerBackend::info() const {
  const auto started = [&]() -> Result<BackendInfo> {
    STROP_TRY(const auto process, start({}, Notes::written));
    if (process->role() != "backend")
      return BackendInfo{.name = name(),
                         .unavailable_reason = str("serves ", process->role(), ", runs no models")};
    return ask<BackendInfo>(*process, "info", protocol::Nothing{}, {.timeout = kSelfTest});
  };
  auto info = started();
  return info ? *info : BackendInfo{.name = name(), .unavailable_reason = info.error().message};
}

Result<BackendFit> WorkerBackend::fit(const Model& model, const Target& target) const {
  STROP_TRY(const auto process, start({.read = {model.path}}, Notes::written));
  BackendFit result{.backend = name()};
  STROP_TRY(const auto info,
            ask<BackendInfo>(*process, "info", protocol::Nothing{}, {.timeout = kSelfTest}));
  result.version = info.version;
  if (!info.unavailable_reason.empty()) {
    result.fit.reasons.push_back(info.unavailable_reason);
    return result;
  }
  const protocol::Pair pair{model, target};
  STROP_TRY(result.fit, ask<Fit>(*process, "assess", pair, {.timeout = kShort}));
  if (result.fit.supported) {
    STROP_TRY(result.space,
              ask<RecipeSpace>(*process, "space", pair, {.timeout = policy_.patience}));
  }
  for (const std::string& note : info.notes) result.space.skipped.push_back(note);
  return result;
}

Result<Artifact> WorkerBackend::build(const Model& input, const Recipe& recipe, std::size_t step,
                                      const Workspace& workspace) const {
  // The steps after the first read what an earlier step of ours wrote, the files beside the entry
  // included.
  os::Confinement confinement{.write = {workspace.dir}};
  if (step == 0) {
    confinement.read = workspace.beside;
    confinement.read.emplace_back(input.path);
  } else {
    confinement.read = {fs::path(input.path).parent_path()};
  }
  protocol::Build request{input, recipe, static_cast<std::uint32_t>(step), workspace.dir.string()};
  if (!workspace.calibration.empty()) {
    confinement.read.push_back(workspace.calibration);
    request.calibration = workspace.calibration.string();
  }
  STROP_TRY(const auto process, start(std::move(confinement), Notes::read));
  return ask<Artifact>(
      *process, "build", request,
      {.timeout = policy_.patience, .progress = workspace.progress, .stop = workspace.stop});
}

Result<std::unique_ptr<WorkerSession>> WorkerBackend::open(const Artifact& artifact,
                                                           const RunOptions& options,
                                                           const Workspace& workspace) const {
  STROP_TRY(auto process,
            start({.read = readable(artifact), .write = {workspace.dir}}, Notes::read));
  const Stopwatch watch;
  STROP_TRY(
      auto opened,
      ask<protocol::Opened>(
          *process, "open", protocol::Open{artifact, options, workspace.dir.string()},
          {.timeout = policy_.patience, .progress = workspace.progress, .stop = workspace.stop}));
  SessionInfo& info = opened.session;
  if (info.load_seconds != 0 && !could_take(info.load_seconds, watch))
    return lied("a model that was loaded in no time, or longer than that took");
  std::unique_ptr<Session> session;
  if (opened.kind == "decoder") {
    if (info.vocabulary_size == 0 || info.vocabulary_size > process->block().floats().size())
      return lied("an impossible vocabulary size");
    session = std::make_unique<ProxyDecoder>(*process, std::move(info), policy_.patience);
  } else {
    session = std::make_unique<ProxyTensors>(*process, std::move(info), policy_.patience);
  }
  return std::make_unique<WorkerSession>(std::move(process), std::move(session));
}

std::vector<fs::path> find_workers(const fs::path& folder) {
  std::vector<fs::path> workers;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().filename().string().starts_with(kPrefix) && entry.is_regular_file(error))
      workers.push_back(entry.path());
  }
  std::sort(workers.begin(), workers.end());
  return workers;
}

Result<std::unique_ptr<Tokenizer>> open_tokenizer(const fs::path& program,
                                                  const fs::path& vocabulary,
                                                  const WorkerPolicy& policy) {
  STROP_TRY(auto process,
            WorkerProcess::start(
                {.program = program,
                 .confinement = {.enabled = policy.confine, .read = {vocabulary}, .write = {}},
                 .memory_limit_bytes = policy.memory_limit_bytes}));
  STROP_TRY(auto info,
            ask<TokenizerInfo>(*process, "open", protocol::Vocabulary{vocabulary.string()},
                               {.timeout = policy.patience}));
  return std::unique_ptr<Tokenizer>(
      std::make_unique<ProxyTokenizer>(std::move(process), std::move(info)));
}

}  // namespace strop
