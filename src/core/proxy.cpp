#include "core/proxy.h"

#include <algorithm>

namespace fs = std::filesystem;

namespace strop {
namespace {

constexpr std::string_view kPrefix = "strop-worker-";
constexpr std::chrono::seconds kShort{30};
constexpr std::size_t kMaxIdsPerCall = 4096;
constexpr std::size_t kMaxTextPerCall =
    128 * 1024;  // six times that when escaped still fits a message

template <class T>
Result<T> answer(Result<Json> json, std::string_view what) {
  if (!json) return std::move(json).error();
  return decode<T>(*json, what);
}

Error lied(const std::string& what) {
  return Error{.code = ErrorCode::corrupt, .message = str("the worker broke the protocol: ", what)};
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
      STROP_TRY(const Json result,
                process_.call("evaluate", {{"sequence", sequence}, {"ids", part}, {"wanted", rows}},
                              {.timeout = patience_}));
      if (result.value("rows", Json()) != Json(rows.size()))
        return lied(str("gave ", result.dump(), " for ", rows.size(), " rows"));
      for (std::size_t i = 0; i < rows.size(); ++i)
        sink(done_rows + i,
             process_.block().floats().subspan(i * info_.vocabulary_size, info_.vocabulary_size));
      done_rows += rows.size();
      done_ids = end;
    }
    return {};
  }

  Result<void> truncate(SequenceId sequence, std::uint32_t length) override {
    return done(process_.call("truncate", {{"sequence", sequence}, {"length", length}},
                              {.timeout = patience_}));
  }
  Result<void> fork(SequenceId from, SequenceId to) override {
    return done(process_.call("fork", {{"from", from}, {"to", to}}, {.timeout = patience_}));
  }

  Result<Generation> generate(SequenceId sequence, std::span<const TokenId> ids,
                              std::uint32_t count, std::stop_token stop) override {
    const std::vector<TokenId> prompt(ids.begin(), ids.end());
    STROP_TRY(
        Generation generation,
        answer<Generation>(
            process_.call("generate", {{"sequence", sequence}, {"ids", prompt}, {"count", count}},
                          {.timeout = patience_, .stop = stop}),
            "the generation"));
    const auto in_vocabulary = [&](TokenId id) {
      return id >= 0 && static_cast<std::uint32_t>(id) < info_.vocabulary_size;
    };
    if (generation.ids.size() != count || generation.seconds.size() != count ||
        !std::all_of(generation.ids.begin(), generation.ids.end(), in_vocabulary) ||
        !std::is_sorted(generation.seconds.begin(), generation.seconds.end()) ||
        (count > 0 && generation.seconds.front() < 0))
      return lied(
          "a generation with the wrong number of tokens, ids outside of the vocabulary or times "
          "that run backwards");
    return generation;
  }

 private:
  static Result<void> done(Result<Json> result) {
    if (!result) return std::move(result).error();
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

  Result<std::vector<Tensor>> infer(std::span<const Tensor> inputs) override {
    STROP_TRY(Json described, tensors_to(inputs, process_.block().bytes()));
    STROP_TRY(const Json result,
              process_.call("infer", {{"inputs", std::move(described)}}, {.timeout = patience_}));
    if (!result.is_object() || !result.contains("outputs")) return lied("no outputs");
    return tensors_from(result["outputs"], process_.block().bytes());
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
    STROP_TRY(const Json result, process_->call("encode",
                                                {{"text", std::string(text)},
                                                 {"add_special", add_special},
                                                 {"parse_special", parse_special}},
                                                {}));
    STROP_TRY(auto ids, answer<std::vector<TokenId>>(result.value("ids", Json()), "the ids"));
    const auto in_vocabulary = [&](TokenId id) {
      return id >= 0 && static_cast<std::uint32_t>(id) < info_.vocabulary_size;
    };
    if (!std::all_of(ids.begin(), ids.end(), in_vocabulary))
      return lied("a token id outside of the vocabulary");
    return ids;
  }

  Result<std::string> decode(std::span<const TokenId> ids) override {
    STROP_TRY(
        const Json result,
        process_->call("decode", {{"ids", std::vector<TokenId>(ids.begin(), ids.end())}}, {}));
    return answer<std::string>(result.value("text", Json()), "the text");
  }

  Result<std::string> chat(std::span<const ChatMessage> messages,
                           bool add_generation_prompt) override {
    const std::vector<ChatMessage> list(messages.begin(), messages.end());
    STROP_TRY(const Json result, process_->call("chat",
                                                {{"messages", strop::encode(list)},
                                                 {"add_generation_prompt", add_generation_prompt}},
                                                {}));
    return answer<std::string>(result.value("text", Json()), "the prompt");
  }

 private:
  std::unique_ptr<WorkerProcess> process_;
  TokenizerInfo info_;
};

}  // namespace

std::string WorkerBackend::name() const {
  return program_.filename().string().substr(kPrefix.size());
}

Result<std::unique_ptr<WorkerProcess>> WorkerBackend::start(os::Confinement confinement) const {
  confinement.enabled = policy_.confine;
  if (!policy_.cache.empty()) confinement.write.push_back(policy_.cache);
  return WorkerProcess::start({.program = program_,
                               .confinement = std::move(confinement),
                               .memory_limit_bytes = policy_.memory_limit_bytes});
}

BackendInfo WorkerBackend::info() const {
  const auto ask = [&]() -> Result<BackendInfo> {
    STROP_TRY(const auto process, start({}));
    if (process->role() != "backend")
      return BackendInfo{.name = name(),
                         .unavailable_reason = str("serves ", process->role(), ", runs no models")};
    return answer<BackendInfo>(
        process->call("info", Json::object(), {.timeout = std::chrono::seconds(180)}), name());
  };
  auto info = ask();
  return info ? *info : BackendInfo{.name = name(), .unavailable_reason = info.error().message};
}

Result<BackendFit> WorkerBackend::fit(const Model& model, const Target& target) const {
  STROP_TRY(const auto process, start({.read = {model.path}}));
  BackendFit result{.backend = name()};
  STROP_TRY(
      const auto info,
      answer<BackendInfo>(
          process->call("info", Json::object(), {.timeout = std::chrono::seconds(180)}), name()));
  result.version = info.version;
  if (!info.unavailable_reason.empty()) {
    result.fit.reasons.push_back(info.unavailable_reason);
    return result;
  }
  const Json params{{"model", encode(model)}, {"target", encode(target)}};
  STROP_TRY(result.fit, answer<Fit>(process->call("assess", params, {.timeout = kShort}), name()));
  if (result.fit.supported) {
    STROP_TRY(
        result.space,
        answer<RecipeSpace>(process->call("space", params, {.timeout = policy_.patience}), name()));
  }
  for (const std::string& note : info.notes) result.space.skipped.push_back(note);
  return result;
}

Result<Artifact> WorkerBackend::build(const Model& input, const Recipe& recipe, std::size_t step,
                                      const Workspace& workspace) const {
  // The steps after the first read what an earlier step of ours wrote, the files beside the entry
  // included.
  const fs::path readable = step == 0 ? fs::path(input.path) : fs::path(input.path).parent_path();
  STROP_TRY(const auto process, start({.read = {readable}, .write = {workspace.dir}}));
  return answer<Artifact>(
      process->call(
          "build",
          {{"model", encode(input)},
           {"recipe", encode(recipe)},
           {"step", step},
           {"workspace", workspace.dir.string()}},
          {.timeout = policy_.patience, .progress = workspace.progress, .stop = workspace.stop}),
      str("the artifact of ", name()));
}

Result<std::unique_ptr<WorkerSession>> WorkerBackend::open(const Artifact& artifact,
                                                           const RunOptions& options,
                                                           const Workspace& workspace) const {
  STROP_TRY(auto process, start({.read = {artifact.folder}, .write = {workspace.dir}}));
  STROP_TRY(const Json result, process->call("open",
                                             {{"artifact", encode(artifact)},
                                              {"run_options", options},
                                              {"workspace", workspace.dir.string()}},
                                             {.timeout = policy_.patience,
                                              .progress = workspace.progress,
                                              .stop = workspace.stop}));
  if (!result.is_object() || !result.contains("session") || !result.contains("kind"))
    return lied("no session");
  STROP_TRY(SessionInfo info, decode<SessionInfo>(result["session"], "the session"));
  std::unique_ptr<Session> session;
  if (result["kind"] == "decoder") {
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
            answer<TokenizerInfo>(process->call("open", {{"vocabulary", vocabulary.string()}},
                                                {.timeout = policy.patience}),
                                  "the tokenizer"));
  return std::unique_ptr<Tokenizer>(
      std::make_unique<ProxyTokenizer>(std::move(process), std::move(info)));
}

}  // namespace strop
