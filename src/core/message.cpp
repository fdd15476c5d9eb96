#include "core/message.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace strop {
namespace {

constexpr std::size_t kHeader = 4;
constexpr int kAskAgain = 50;  // milliseconds

Error gone(int error_number) {
  return Error{
      .code = ErrorCode::io,
      .message = str("the other end of the worker socket is gone: ", std::strerror(error_number))};
}

// False when the sender gives up.
bool wait_for_room(int fd, const std::function<bool()>& give_up) {
  pollfd room{.fd = fd, .events = POLLOUT, .revents = 0};
  ::poll(&room, 1, give_up ? kAskAgain : -1);
  return !give_up || !give_up();
}

}  // namespace

Result<void> send_message(int fd, const Json& message, const std::function<bool()>& give_up) {
  const std::string body = text_of(message);
  if (body.size() > kMaxMessageBytes) {
    return Error{.code = ErrorCode::invalid_input,
                 .message = str("a message must be at most ", kMaxMessageBytes, " bytes, but has ",
                                body.size())};
  }
  const auto length = static_cast<std::uint32_t>(body.size());
  std::string frame(kHeader, '\0');
  for (std::size_t i = 0; i < kHeader; ++i) frame[i] = static_cast<char>(length >> (8 * i) & 0xff);
  frame += body;
  std::size_t done = 0;
  while (done < frame.size()) {
    const ssize_t sent =
        ::send(fd, frame.data() + done, frame.size() - done, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) {
      if (wait_for_room(fd, give_up)) continue;
      return Error{.code = ErrorCode::timeout,
                   .message = "the other end of the worker socket does not read"};
    }
    if (sent < 0) return gone(errno);
    done += static_cast<std::size_t>(sent);
  }
  return {};
}

std::optional<std::size_t> MessageReader::pending_length() const {
  if (buffer_.size() < kHeader) return std::nullopt;
  std::size_t length = 0;
  for (std::size_t i = 0; i < kHeader; ++i)
    length |= std::size_t{static_cast<unsigned char>(buffer_[i])} << (8 * i);
  return length;
}

Result<MessageReader::State> MessageReader::poll(std::chrono::milliseconds wait, Json& message) {
  const auto deadline = std::chrono::steady_clock::now() + wait;
  while (true) {
    if (const auto length = pending_length()) {
      if (*length > kMaxMessageBytes) {
        return Error{.code = ErrorCode::corrupt,
                     .message = str("a message must be at most ", kMaxMessageBytes,
                                    " bytes, but claims ", *length)};
      }
      if (buffer_.size() >= kHeader + *length) {
        auto parsed =
            parse_json(std::string_view(buffer_).substr(kHeader, *length), "the worker's message");
        buffer_.erase(0, kHeader + *length);
        if (!parsed) return std::move(parsed).error();
        message = *std::move(parsed);
        return State::message;
      }
    }
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    pollfd descriptor{.fd = fd_, .events = POLLIN, .revents = 0};
    const int ready =
        ::poll(&descriptor, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
    if (ready == 0) return State::nothing_yet;
    if (ready < 0) {
      if (errno == EINTR) return State::nothing_yet;
      return gone(errno);
    }
    std::array<char, std::size_t{64} * 1024> chunk{};
    const ssize_t got = ::recv(fd_, chunk.data(), chunk.size(), MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno == ECONNRESET)) return State::closed;
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0) return gone(errno);
    buffer_.append(chunk.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace strop
