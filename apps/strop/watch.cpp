#include "watch.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cstdio>

#include "console.h"
#include "values.h"

namespace strop::cli {
namespace {

constexpr std::array kStageWords{"", "assess", "plan", "optimize", "measure", "gate", "report"};
constexpr std::chrono::milliseconds kRefresh{100};

std::size_t columns() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

}  // namespace

std::string_view word_of(Stage stage) { return kStageWords.at(static_cast<std::size_t>(stage)); }

void Watch::on(const Event& event) {
  const std::lock_guard lock(mutex_);
  switch (event.kind) {
    case Event::Kind::stage:
      subject_.clear();
      if (!terminal_) line(std::string(word_of(event.stage)));
      break;
    case Event::Kind::work:
      if (terminal_)
        status(event);
      else if (event.subject != subject_)
        line(str("  ", event.subject));
      subject_ = event.subject;
      break;
    case Event::Kind::done:
      if (terminal_) status(event);
      break;
    case Event::Kind::failed:
      line(str("  ", event.subject, " failed: ", untagged(event.text)));
      break;
    case Event::Kind::note:
      line(str("  ", event.text));
      break;
  }
}

void Watch::line(const std::string& text) {
  if (shown_) std::fputs("\r\033[K", stderr);
  shown_ = false;
  std::fprintf(stderr, "%s\n", printable(text).c_str());
}

void Watch::status(const Event& event) {
  const auto now = std::chrono::steady_clock::now();
  if (event.subject == subject_ && event.kind != Event::Kind::done && now - last_ < kRefresh)
    return;
  last_ = now;
  std::string text = event.stage == Stage::none
                         ? event.subject
                         : str("[", word_of(event.stage), "] ", event.subject);
  if (event.fraction > 0 && event.fraction < 1)
    text += str(" ", static_cast<int>(event.fraction * 100), " %");
  if (!event.text.empty()) text += str(" - ", event.text);
  if (event.seconds_left) text += str("  (about ", show_seconds(*event.seconds_left), " left)");
  text = printable(text);
  if (const std::size_t width = columns() - 1; text.size() > width) text.resize(width);
  std::fprintf(stderr, "\r\033[K%s", text.c_str());
  std::fflush(stderr);
  shown_ = true;
}

void Watch::clear() {
  const std::lock_guard lock(mutex_);
  if (shown_) std::fputs("\r\033[K", stderr);
  shown_ = false;
}

}  // namespace strop::cli
