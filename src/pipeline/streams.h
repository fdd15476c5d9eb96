// Several opened artifacts that serve requests side by side, each in a worker of its own.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "core/proxy.h"
#include "measure/traffic.h"
#include "measure/trend.h"

namespace strop::pipeline {

// Fresh workers of one artifact. They live on the thread that makes them: a worker dies with the
// thread that started it.
class Crew {
 public:
  using Opening = std::function<Result<std::unique_ptr<WorkerSession>>()>;
  static Result<Crew> open(std::uint32_t count, const Opening& opening);
  std::size_t size() const { return workers_.size(); }
  WorkerSession& worker(std::size_t index) { return *workers_[index]; }
  // What they hold beyond mapped files now, in bytes; nothing when the system does not say.
  std::optional<double> memory_bytes();

 private:
  std::vector<std::unique_ptr<WorkerSession>> workers_;
};

// Each worker does the request of a contestant that is made for it, again and again.
class CrewServer : public measure::Server {
 public:
  CrewServer(Crew& crew, const std::function<measure::Contestant(WorkerSession&)>& contestant);
  ~CrewServer() override;
  std::uint32_t streams() const override { return static_cast<std::uint32_t>(crew_.size()); }
  void begin(std::uint32_t stream) override;
  std::optional<measure::Completion> wait(double until) override;
  // One request of each stream, which does not count.
  Result<void> warm_up();
  // Memory of the crew, read while requests were waited for, at most four times a second.
  const std::vector<measure::Reading>& memory() const { return memory_; }

 private:
  void serve(std::uint32_t stream, std::stop_token end);
  void read_memory();

  Crew& crew_;
  std::vector<measure::Contestant> contestants_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::vector<bool> asked_;
  std::deque<measure::Completion> done_;
  std::vector<measure::Reading> memory_;
  std::vector<std::jthread> threads_;
};

}  // namespace strop::pipeline
