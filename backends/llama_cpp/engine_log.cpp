#include "engine_log.h"

#include <llama.h>

#include <deque>
#include <mutex>

namespace strop::llama_cpp {
namespace {

constexpr std::size_t kKeptLines = 4;

// The engine calls back from any of its threads.
class ComplaintLog {
 public:
  void append(ggml_log_level level, std::string_view text) {
    const std::lock_guard lock(mutex_);
    if (level != GGML_LOG_LEVEL_CONT) wanted_ = level >= GGML_LOG_LEVEL_WARN;
    if (!wanted_) return;
    for (const char c : text) {
      if (c == '\n') {
        end_line();
      } else if (partial_.size() < kMaxLine) {
        partial_ += c;
      }
    }
  }

  void clear() {
    const std::lock_guard lock(mutex_);
    lines_.clear();
    partial_.clear();
  }

  std::string joined() {
    const std::lock_guard lock(mutex_);
    end_line();
    std::string text;
    for (const auto& line : lines_) text += (text.empty() ? "" : "; ") + line;
    return text;
  }

 private:
  static constexpr std::size_t kMaxLine = 400;

  void end_line() {
    if (partial_.find_first_not_of(" .*") != std::string::npos) lines_.push_back(partial_);
    partial_.clear();
    if (lines_.size() > kKeptLines) lines_.pop_front();
  }

  std::mutex mutex_;
  std::deque<std::string> lines_;
  std::string partial_;
  bool wanted_ = false;
};

ComplaintLog& complaints() {
  static ComplaintLog log;
  return log;
}

void on_log(ggml_log_level level, const char* text, void*) { complaints().append(level, text); }

}  // namespace

void capture_engine_log() { llama_log_set(on_log, nullptr); }

void clear_engine_log() { complaints().clear(); }

std::string engine_complaints() { return complaints().joined(); }

}  // namespace strop::llama_cpp
