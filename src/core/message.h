// The wire of the worker protocol (docs/protocol.md): a 4-byte little-endian length, then that many
// bytes of JSON.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/protocol.h"

namespace strop {

inline constexpr std::size_t kMaxMessageBytes = 1 << 20;
inline constexpr int kWorkerSocket = 3;  // descriptors a worker inherits
inline constexpr int kWorkerBlock = 4;

// Fails with io when the other end is gone, with invalid_input when the message is too large, with
// timeout when `give_up` says so, which is asked again and again as long as the other end does not
// read; without it that may be for ever. After a timeout part of the message may be sent.
Result<void> send_message(int fd, const Json& message, const std::function<bool()>& give_up = {});

// Tensors travel in the shared block one after the other.
Result<std::vector<protocol::TensorPlace>> tensors_to(std::span<const Tensor> tensors,
                                                      std::span<std::byte> block);
Result<std::vector<Tensor>> tensors_from(std::span<const protocol::TensorPlace> places,
                                         std::span<const std::byte> block);

// Collects bytes until a message is whole.
class MessageReader {
 public:
  explicit MessageReader(int fd) : fd_(fd) {}
  enum class State { message, nothing_yet, closed };
  // Waits at most `wait` for bytes; `message` is set when State::message is returned.
  Result<State> poll(std::chrono::milliseconds wait, Json& message);

 private:
  std::optional<std::size_t> pending_length() const;
  int fd_;
  std::string buffer_;
};

}  // namespace strop
