// SHA-256 of bytes and files.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "strop/result.h"

namespace strop {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  void update(const void* data, std::size_t bytes);
  void update(std::string_view text) { update(text.data(), text.size()); }
  std::string hex();  // ends the computation

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256_hex(std::string_view bytes);

enum class Links { followed, refused };
// Streams the file, which must be a regular one; 64 lower-case hex digits. Never waits. Links: for
// the last part of the path.
Result<std::string> sha256_file(const std::filesystem::path& path, Links links = Links::followed);

}  // namespace strop
