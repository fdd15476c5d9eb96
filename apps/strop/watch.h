// What the person at the terminal sees while a run goes on: one line that changes in place, or
// plain lines when the output goes to a file. All of it on stderr; stdout carries the result.
#pragma once

#include <chrono>
#include <mutex>
#include <string>
#include <string_view>

#include "strop/run.h"

namespace strop::cli {

// The stage's verb.
std::string_view word_of(Stage stage);

class Watch : public Observer {
 public:
  explicit Watch(bool terminal) : terminal_(terminal) {}
  ~Watch() override { clear(); }
  void on(const Event& event) override;
  void clear();  // takes the changing line away

 private:
  void line(const std::string& text);
  void status(const Event& event);

  bool terminal_;
  std::mutex mutex_;
  bool shown_ = false;
  std::string subject_;
  std::chrono::steady_clock::time_point last_{};
};

}  // namespace strop::cli
