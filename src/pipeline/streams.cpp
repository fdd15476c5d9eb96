#include "pipeline/streams.h"

#include <chrono>
#include <cmath>
#include <limits>

#include "core/os.h"

namespace strop::pipeline {
namespace {

constexpr double kMemoryInterval = 0.25;

std::chrono::steady_clock::time_point moment(double seconds) {
  return std::chrono::steady_clock::time_point(
      std::chrono::duration_cast<std::chrono::steady_clock::duration>(
          std::chrono::duration<double>(seconds)));
}

}  // namespace

Result<Crew> Crew::open(std::uint32_t count, const Opening& opening) {
  Crew crew;
  for (std::uint32_t i = 0; i < count; ++i) {
    STROP_TRY(auto worker, opening());
    crew.workers_.push_back(std::move(worker));
  }
  return crew;
}

std::optional<double> Crew::memory_bytes() {
  double total = 0;
  for (const auto& worker : workers_) {
    const auto memory = os::memory_of(worker->process().pid());
    if (!memory) return {};
    total += static_cast<double>(memory->anonymous + memory->shared);
  }
  return total;
}

CrewServer::CrewServer(Crew& crew,
                       const std::function<measure::Contestant(WorkerSession&)>& contestant)
    : crew_(crew), asked_(crew.size(), false) {
  for (std::uint32_t i = 0; i < crew.size(); ++i)
    contestants_.push_back(contestant(crew.worker(i)));
  for (std::uint32_t i = 0; i < crew.size(); ++i)
    threads_.emplace_back([this, i](std::stop_token end) { serve(i, end); });
}

CrewServer::~CrewServer() {
  for (std::jthread& thread : threads_) thread.request_stop();
  threads_.clear();
}

void CrewServer::begin(std::uint32_t stream) {
  const std::lock_guard lock(mutex_);
  asked_[stream] = true;
  changed_.notify_all();
}

void CrewServer::serve(std::uint32_t stream, std::stop_token end) {
  while (true) {
    {
      std::unique_lock lock(mutex_);
      if (!changed_.wait(lock, end, [&] { return asked_[stream]; })) return;
      asked_[stream] = false;
    }
    Result<measure::Request> answer = contestants_[stream].request();
    const std::lock_guard lock(mutex_);
    done_.push_back({stream, measure::steady_clock().seconds(), std::move(answer)});
    changed_.notify_all();
  }
}

std::optional<measure::Completion> CrewServer::wait(double until) {
  read_memory();
  std::unique_lock lock(mutex_);
  const auto has_one = [&] { return !done_.empty(); };
  if (std::isfinite(until))
    changed_.wait_until(lock, moment(until), has_one);
  else
    changed_.wait(lock, has_one);
  if (done_.empty()) return {};
  measure::Completion first = std::move(done_.front());
  done_.pop_front();
  return first;
}

Result<void> CrewServer::warm_up() {
  for (std::uint32_t i = 0; i < streams(); ++i) begin(i);
  Result<void> outcome;
  for (std::uint32_t i = 0; i < streams(); ++i) {
    const auto done = wait(std::numeric_limits<double>::infinity());
    if (done && !done->request) outcome = done->request.error();
  }
  return outcome;
}

void CrewServer::read_memory() {
  const double now = measure::steady_clock().seconds();
  if (!memory_.empty() && now - memory_.back().at < kMemoryInterval) return;
  if (const auto bytes = crew_.memory_bytes()) memory_.push_back({now, *bytes});
}

}  // namespace strop::pipeline
