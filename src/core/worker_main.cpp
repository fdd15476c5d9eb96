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
#include "core/shared_block.h"

namespace strop {
namespace {

Error bad_request(const std::string& what) {
  return Error{.code = ErrorCode::invalid_input, .message = str("the request ", what)};
}

template <class T>
Result<T> param(const Json& params, const char* name) {
  const auto found = params.find(name);
  if (found == params.end()) return bad_request(str("lacks ", name));
  return decode<T>(*found, name);
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
  methods["hello"] = [&](const Json&) -> Result<Json> {
    return Json{{"protocol", kProtocolVersion}, {"role", role}};
  };
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

  Result<Json> adopt(std::unique_ptr<Session> session) {
    session_ = std::move(session);
    Json result = encode(session_->info());
    return Json{{"session", std::move(result)},
                {"kind", session_->decoder() ? "decoder" : "tensors"}};
  }

  Result<Json> evaluate(const Json& params) {
    STROP_TRY(DecoderSession * decoder, this->decoder());
    STROP_TRY(const auto sequence, param<std::uint32_t>(params, "sequence"));
    STROP_TRY(const auto ids, param<std::vector<TokenId>>(params, "ids"));
    STROP_TRY(const auto wanted, param<std::vector<std::uint32_t>>(params, "wanted"));
    const std::size_t width = decoder->info().vocabulary_size;
    if (wanted.size() * width > block_.floats().size())
      return bad_request(str("wants ", wanted.size(), " rows, more than the block holds"));
    std::size_t rows = 0;
    STROP_CHECK(decoder->evaluate(
        sequence, ids, wanted, [&](std::size_t index, std::span<const float> row) {
          STROP_ASSERT(index < wanted.size() && row.size() == width,
                       "a row outside of the request");
          std::memcpy(block_.floats().data() + index * width, row.data(), row.size_bytes());
          ++rows;
        }));
    return Json{{"rows", rows}};
  }

  Result<Json> generate(const Json& params) {
    STROP_TRY(DecoderSession * decoder, this->decoder());
    STROP_TRY(const auto sequence, param<std::uint32_t>(params, "sequence"));
    STROP_TRY(const auto ids, param<std::vector<TokenId>>(params, "ids"));
    STROP_TRY(const auto count, param<std::uint32_t>(params, "count"));
    STROP_TRY(const Generation generation,
              decoder->generate(sequence, ids, count, connection_.stop()));
    return encode(generation);
  }

  Result<Json> truncate(const Json& params) {
    STROP_TRY(DecoderSession * decoder, this->decoder());
    STROP_TRY(const auto sequence, param<std::uint32_t>(params, "sequence"));
    STROP_TRY(const auto length, param<std::uint32_t>(params, "length"));
    STROP_CHECK(decoder->truncate(sequence, length));
    return Json::object();
  }

  Result<Json> fork(const Json& params) {
    STROP_TRY(DecoderSession * decoder, this->decoder());
    STROP_TRY(const auto from, param<std::uint32_t>(params, "from"));
    STROP_TRY(const auto to, param<std::uint32_t>(params, "to"));
    STROP_CHECK(decoder->fork(from, to));
    return Json::object();
  }

  Result<Json> infer(const Json& params) {
    if (!session_ || !session_->tensors()) return bad_request("needs an open tensor session");
    const auto listed = params.find("inputs");
    if (listed == params.end()) return bad_request("lacks inputs");
    STROP_TRY(const auto inputs, tensors_from(*listed, block_.bytes()));
    STROP_TRY(const auto outputs, session_->tensors()->infer(inputs));
    STROP_TRY(Json described, tensors_to(outputs, block_.bytes()));
    return Json{{"outputs", std::move(described)}};
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
  const auto workspace = [&connection](const Json& params) -> Result<Workspace> {
    STROP_TRY(const auto dir, param<std::string>(params, "workspace"));
    return Workspace{.dir = dir, .progress = &connection, .stop = connection.stop()};
  };
  return {
      {"info", [&](const Json&) -> Result<Json> { return encode(backend.info()); }},
      {"assess",
       [&](const Json& params) -> Result<Json> {
         STROP_TRY(const auto model, param<Model>(params, "model"));
         STROP_TRY(const auto target, param<Target>(params, "target"));
         return encode(backend.assess(model, target));
       }},
      {"space",
       [&](const Json& params) -> Result<Json> {
         STROP_TRY(const auto model, param<Model>(params, "model"));
         STROP_TRY(const auto target, param<Target>(params, "target"));
         return encode(backend.space(model, target));
       }},
      {"build",
       [&, workspace](const Json& params) -> Result<Json> {
         STROP_TRY(const auto model, param<Model>(params, "model"));
         STROP_TRY(const auto recipe, param<Recipe>(params, "recipe"));
         STROP_TRY(const auto step, param<std::uint32_t>(params, "step"));
         STROP_TRY(const auto space, workspace(params));
         if (step >= recipe.steps.size())
           return bad_request(str("names step ", step, " of ", recipe.steps.size()));
         STROP_TRY(const Artifact artifact, backend.build(model, recipe, step, space));
         return encode(artifact);
       }},
      {"open",
       [&, host, workspace](const Json& params) -> Result<Json> {
         STROP_TRY(const auto artifact, param<Artifact>(params, "artifact"));
         STROP_TRY(const auto options, param<RunOptions>(params, "run_options"));
         STROP_TRY(const auto space, workspace(params));
         STROP_TRY(auto session, backend.open(artifact, options, space));
         return host->adopt(std::move(session));
       }},
      {"evaluate", [host](const Json& params) { return host->evaluate(params); }},
      {"generate", [host](const Json& params) { return host->generate(params); }},
      {"truncate", [host](const Json& params) { return host->truncate(params); }},
      {"fork", [host](const Json& params) { return host->fork(params); }},
      {"infer", [host](const Json& params) { return host->infer(params); }},
  };
}

Methods text_methods(const TextBackend& backend, Connection&, SharedBlock&) {
  auto tokenizer = std::make_shared<std::unique_ptr<Tokenizer>>();
  const auto with =
      [tokenizer](const std::function<Result<Json>(Tokenizer&)>& work) -> Result<Json> {
    if (!*tokenizer) return bad_request("needs an open vocabulary");
    return work(**tokenizer);
  };
  return {
      {"info", [&](const Json&) -> Result<Json> { return encode(backend.info()); }},
      {"open",
       [&, tokenizer](const Json& params) -> Result<Json> {
         STROP_TRY(const auto path, param<std::string>(params, "vocabulary"));
         STROP_TRY(*tokenizer, backend.open(path));
         return encode((*tokenizer)->info());
       }},
      {"encode",
       [with](const Json& params) {
         return with([&](Tokenizer& t) -> Result<Json> {
           STROP_TRY(const auto text, param<std::string>(params, "text"));
           STROP_TRY(const auto special, param<bool>(params, "add_special"));
           STROP_TRY(const auto parse, param<bool>(params, "parse_special"));
           STROP_TRY(const auto ids, t.encode(text, special, parse));
           return Json{{"ids", ids}};
         });
       }},
      {"decode",
       [with](const Json& params) {
         return with([&](Tokenizer& t) -> Result<Json> {
           STROP_TRY(const auto ids, param<std::vector<TokenId>>(params, "ids"));
           STROP_TRY(const auto text, t.decode(ids));
           return Json{{"text", text}};
         });
       }},
      {"chat",
       [with](const Json& params) {
         return with([&](Tokenizer& t) -> Result<Json> {
           STROP_TRY(const auto messages, param<std::vector<ChatMessage>>(params, "messages"));
           STROP_TRY(const auto prompt, param<bool>(params, "add_generation_prompt"));
           STROP_TRY(const auto text, t.chat(messages, prompt));
           return Json{{"text", text}};
         });
       }},
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
