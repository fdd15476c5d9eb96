#include "engine_errors.h"

#include <llama.h>

#include <mutex>
#include <utility>

namespace strop::text {
namespace {

constexpr std::size_t kMaxKept = 1000;

std::mutex errors_mutex;
std::string errors;  // guarded by errors_mutex

void on_log(ggml_log_level level, const char* text, void*) {
  if (level != GGML_LOG_LEVEL_ERROR) return;
  const std::lock_guard lock(errors_mutex);
  if (errors.size() < kMaxKept) errors += text;
}

}  // namespace

void keep_engine_errors() { llama_log_set(on_log, nullptr); }

std::string take_engine_errors() {
  const std::lock_guard lock(errors_mutex);
  auto taken = std::exchange(errors, {});
  while (!taken.empty() && taken.back() == '\n') taken.pop_back();
  for (char& c : taken) {
    if (c == '\n') c = ';';
  }
  return taken;
}

}  // namespace strop::text
