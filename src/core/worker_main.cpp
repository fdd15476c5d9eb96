// The worker's side of the protocol: one thread reads (so that a cancellation is seen during a long
// call), the main thread works. Errors of a framework become Error at one place, guard().
#include "strop/worker.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "core/json.h"
#include "core/message.h"
#include "core/parallel.h"
#include "core/shared_block.h"

namespace strop {
namespace {

using namespace protocol;

Error bad_request(const std::string& what) {
  return Error{.code = ErrorCode::invalid_input, .message = str("the request ", what)};
}

// Turns whatever a framework throws into an Error.
Result<Json> guard(const std::function<Result<Json>()>& work) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return Error{.code = ErrorCode::out_of_memory,
                 .message = "the engine could not get the memory it asked for"};
  } catch (const std::exception& e) {
    return Error{.code = ErrorCode::backend, .message = e.what()};
  } catch (...) {
    return Error{.code = ErrorCode::backend,
                 .message = "the engine threw something that is no exception"};
  }
}

struct Request {
  std::uint64_t id = 0;
  std::string method;
  Json params;
};

// Requests in, answers and progress out. Cancellation stops the request in work.
class Connection : public Progress {
 public:
  explicit Connection(int fd) : fd_(fd), reader_(&Connection::read, this) {}

  std::optional<Request> next() {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [&] { return closed_ || !requests_.empty(); });
    if (requests_.empty()) return std::nullopt;
    Request request = std::move(requests_.front());
    requests_.pop_front();
    current_ = request.id;
    stop_ = std::stop_source();
    if (cancelled_before_start_ == request.id) stop_.request_stop();
    return request;
  }

  void answer(const Request& request, Result<Json> result) {
    Json message{{"id", request.id}};
    if (result)
      message["result"] = *std::move(result);
    else
      message["error"] = encode(result.error());
    const std::lock_guard lock(send_mutex_);
    if (auto sent = send_message(fd_, message);
        !sent && sent.error().code == ErrorCode::invalid_input)
      (void)send_message(fd_, {{"id", request.id}, {"error", encode(sent.error())}});
  }

  void report(double fraction, std::string_view what) override {
    const std::lock_guard lock(send_mutex_);
    (void)send_message(fd_, {{"progress", fraction}, {"what", std::string(what)}});
  }

  std::stop_token stop() {
    const std::lock_guard lock(mutex_);
    return stop_.get_token();
  }

 private:
  void read() {
    MessageReader reader(fd_);
    while (true) {
      Json message;
      auto state = reader.poll(std::chrono::hours(1), message);
      if (!state || *state == MessageReader::State::closed) break;
      if (*state == MessageReader::State::nothing_yet || !message.is_object()) continue;
      const std::lock_guard lock(mutex_);
      if (message.contains("cancel")) {
        cancelled_before_start_ =
            message["cancel"].is_number_unsigned() ? message["cancel"].get<std::uint64_t>() : 0;
        if (cancelled_before_start_ == current_) stop_.request_stop();
      } else if (message.contains("id") && message["id"].is_number_unsigned() &&
                 message.contains("method") && message["method"].is_string()) {
        requests_.push_back({message["id"].get<std::uint64_t>(),
                             message["method"].get<std::string>(),
                             message.value("params", Json::object())});
      }
      arrived_.notify_one();
    }
    const std::lock_guard lock(mutex_);
    closed_ = true;
    stop_.request_stop();
    arrived_.notify_one();
  }

  int fd_;
  std::mutex mutex_;
  std::mutex send_mutex_;
  std::condition_variable arrived_;
  std::deque<Request> requests_;
  std::stop_source stop_;
  std::uint64_t current_ = 0;
  std::uint64_t cancelled_before_start_ = 0;
  bool closed_ = false;
  std::thread reader_;
};

using Method = std::function<Result<Json>(const Json& params)>;
using Methods = std::map<std::string, Method>;

// Params from and the answer to JSON, around `work`.
template <class Params, class Work>
Method method(Work work) {
  return [work = std::move(work)](const Json& json) -> Result<Json> {
    STROP_TRY(const Params params, decode<Params>(json, "the request"));
    STROP_TRY(const auto answer, work(params));
    return encode(answer);
  };
}

int serve(int argc, char** argv, const char* role,
          const std::function<Methods(Connection&, SharedBlock&)>& make_methods) {
  struct stat status {};
  if (argc > 1 || ::fstat(kWorkerSocket, &status) != 0 || !S_ISSOCK(status.st_mode)) {
    std::fprintf(stderr,
                 "%s is a worker program of strop and is started by it. Try: strop backends\n",
                 argc > 0 ? argv[0] : "this");
    return 2;
  }
  auto block = SharedBlock::attach(kWorkerBlock);
  if (!block) {
    std::fprintf(stderr, "%s\n", block.error().message.c_str());
    return 1;
  }
  Connection connection(kWorkerSocket);
  Methods methods = make_methods(connection, *block);
  methods["hello"] = method<Hello>([&](const Hello&) -> Result<Greeting> {
    return Greeting{protocol::kVersion, role};
  });
  while (auto request = connection.next()) {
    const auto found = methods.find(request->method);
    connection.answer(*request, guard([&]() -> Result<Json> {
      if (found == methods.end())
        return bad_request(str("names the unknown method ", request->method));
      return found->second(request->params);
    }));
  }
  // Engines' destructors may hang or crash at exit; nothing of ours is left to write.
  std::fflush(nullptr);
  ::_exit(0);
}

// What an open session is asked.
class SessionHost {
 public:
  SessionHost(Connection& connection, SharedBlock& block)
      : connection_(connection), block_(block) {}

  Opened adopt(std::unique_ptr<Session> session) {
    session_ = std::move(session);
    return {session_->decoder() ? "decoder" : "tensors", session_->info()};
  }

  Result<Rows> evaluate(const Evaluate& request) {
    STROP_TRY(DecoderSession * decoder, this->decoder());
    const std::size_t width = decoder->info().vocabulary_size;
    if (request.wanted.size() * width > block_.floats().size())
      return bad_request(str("wants ", request.wanted.size(), " rows, more than the block holds"));
    Rows answer;
    STROP_CHECK(decoder->evaluate(
        request.sequence, request.ids, request.wanted, [&](const LogitRows& rows) -> Result<void> {
          STROP_ASSERT(rows.first + rows.count() <= request.wanted.size() && rows.width == width,
                       "rows outside of the request");
          for_each_parallel(rows.count(), [&](std::size_t i) {
            std::memcpy(block_.floats().data() + (rows.first + i) * width, rows.row(i).data(),
                        rows.row(i).size_bytes());
          });
          answer.rows += rows.count();
          return {};
        }));
    return answer;
  }

  Result<Generation> generate(const Generate& request) {
    STROP_TRY(DecoderSession * decoder, this->decoder());
    return decoder->generate(request.sequence, request.ids, request.count, connection_.stop());
  }

  Result<Generations> generate_together(const GenerateTogether& request) {
    STROP_TRY(DecoderSession * decoder, this->decoder());
    STROP_TRY(auto generations,
              decoder->generate_together(request.prompts, request.count, connection_.stop()));
    return Generations{std::move(generations)};
  }

  Result<Nothing> truncate(const Truncate& request) {
    STROP_TRY(DecoderSession * decoder, this->decoder());
    STROP_CHECK(decoder->truncate(request.sequence, request.length));
    return Nothing{};
  }

  Result<Nothing> fork(const Fork& request) {
    STROP_TRY(DecoderSession * decoder, this->decoder());
    STROP_CHECK(decoder->fork(request.from, request.to));
    return Nothing{};
  }

  Result<Outputs> infer(const Inputs& request) {
    if (!session_ || !session_->tensors()) return bad_request("needs an open tensor session");
    STROP_TRY(const auto inputs, tensors_from(request.inputs, block_.bytes()));
    STROP_TRY(const auto inference, session_->tensors()->infer(inputs));
    STROP_TRY(auto places, tensors_to(inference.outputs, block_.bytes()));
    return Outputs{std::move(places), inference.seconds};
  }

 private:
  Result<DecoderSession*> decoder() {
    if (!session_ || !session_->decoder()) return bad_request("needs an open decoder session");
    return session_->decoder();
  }

  Connection& connection_;
  SharedBlock& block_;
  std::unique_ptr<Session> session_;
};

Methods backend_methods(const Backend& backend, Connection& connection, SharedBlock& block) {
  auto host = std::make_shared<SessionHost>(connection, block);
  const auto workspace = [&connection](const std::string& dir,
                                       const std::string& calibration = {}) {
    return Workspace{
        .dir = dir, .progress = &connection, .stop = connection.stop(), .calibration = calibration};
  };
  return {
      {"info",
       method<Nothing>([&](const Nothing&) -> Result<BackendInfo> { return backend.info(); })},
      {"assess", method<Pair>([&](const Pair& pair) -> Result<Fit> {
         return backend.assess(pair.model, pair.target);
       })},
      {"space", method<Pair>([&](const Pair& pair) -> Result<RecipeSpace> {
         return backend.space(pair.model, pair.target);
       })},
      {"build", method<Build>([&, workspace](const Build& request) -> Result<Artifact> {
         if (request.step >= request.recipe.steps.size())
           return bad_request(
               str("names step ", request.step, " of ", request.recipe.steps.size()));
         STROP_TRY(Artifact artifact,
                   backend.build(request.model, request.recipe, request.step,
                                 workspace(request.workspace, request.calibration.value_or(""))));
         artifact.backend_version = backend.info().version;
         return artifact;
       })},
      {"open", method<Open>([&, host, workspace](const Open& request) -> Result<Opened> {
         STROP_TRY(auto session, backend.open(request.artifact, request.run_options,
                                              workspace(request.workspace)));
         return host->adopt(std::move(session));
       })},
      {"evaluate", method<Evaluate>([host](const Evaluate& r) { return host->evaluate(r); })},
      {"generate", method<Generate>([host](const Generate& r) { return host->generate(r); })},
      {"generate_together", method<GenerateTogether>([host](const GenerateTogether& r) {
         return host->generate_together(r);
       })},
      {"truncate", method<Truncate>([host](const Truncate& r) { return host->truncate(r); })},
      {"fork", method<Fork>([host](const Fork& r) { return host->fork(r); })},
      {"infer", method<Inputs>([host](const Inputs& r) { return host->infer(r); })},
  };
}

Methods text_methods(const TextBackend& backend, Connection&, SharedBlock&) {
  auto opened = std::make_shared<std::unique_ptr<Tokenizer>>();
  const auto tokenizer = [opened]() -> Result<Tokenizer*> {
    if (!*opened) return bad_request("needs an open vocabulary");
    return opened->get();
  };
  return {
      {"info",
       method<Nothing>([&](const Nothing&) -> Result<BackendInfo> { return backend.info(); })},
      {"open", method<Vocabulary>([&, opened](const Vocabulary& request) -> Result<TokenizerInfo> {
         STROP_TRY(*opened, backend.open(request.vocabulary));
         return (*opened)->info();
       })},
      {"encode", method<Encode>([tokenizer](const Encode& request) -> Result<Ids> {
         STROP_TRY(Tokenizer * t, tokenizer());
         STROP_TRY(auto ids, t->encode(request.text, request.add_special, request.parse_special));
         return Ids{std::move(ids)};
       })},
      {"decode", method<Ids>([tokenizer](const Ids& request) -> Result<Text> {
         STROP_TRY(Tokenizer * t, tokenizer());
         STROP_TRY(auto text, t->decode(request.ids));
         return Text{std::move(text)};
       })},
      {"chat", method<Chat>([tokenizer](const Chat& request) -> Result<Text> {
         STROP_TRY(Tokenizer * t, tokenizer());
         STROP_TRY(auto text, t->chat(request.messages, request.add_generation_prompt));
         return Text{std::move(text)};
       })},
  };
}

}  // namespace

int worker_main(int argc, char** argv, const Backend& backend) {
  return serve(argc, argv, "backend",
               [&](Connection& c, SharedBlock& b) { return backend_methods(backend, c, b); });
}

int worker_main(int argc, char** argv, const TextBackend& backend) {
  return serve(argc, argv, "text",
               [&](Connection& c, SharedBlock& b) { return text_methods(backend, c, b); });
}

}  // namespace strop
