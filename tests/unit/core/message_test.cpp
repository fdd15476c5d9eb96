// The wire: messages that nobody reads, and answers that claim more than they hold.
#include "core/message.h"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <array>
#include <thread>

#include "core/files.h"

using namespace strop;
using namespace std::chrono_literals;

namespace {

struct Wire {
  Descriptor ours, theirs;
  Wire() {
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
    ours.reset(ends[0]);
    theirs.reset(ends[1]);
  }
};

const Json kLarge = std::string(1'000'000, 'x');  // more than a socket holds

}  // namespace

TEST_CASE("sending to one who does not read ends when the sender gives up") {
  const Wire wire;
  int asked = 0;
  const auto sent = send_message(wire.ours.get(), kLarge, [&] { return ++asked == 3; });
  REQUIRE_FALSE(sent);
  CHECK(sent.error().code == ErrorCode::timeout);
  CHECK(asked == 3);
}

TEST_CASE("a message larger than the socket holds arrives whole") {
  const Wire wire;
  Json got;
  std::jthread other([&] {
    MessageReader reader(wire.theirs.get());
    (void)reader.poll(10s, got);
  });
  REQUIRE(send_message(wire.ours.get(), kLarge));
  other.join();
  CHECK((got == kLarge));
}

TEST_CASE("tensors that overlap do not make a short answer large") {
  const std::vector<std::byte> block(1024);
  const protocol::TensorPlace place{.name = "x", .type = ElementType::u8, .shape = {600}};
  const std::vector<protocol::TensorPlace> one(1, place), two(2, place);
  CHECK(tensors_from(one, block));
  const auto overlapping = tensors_from(two, block);
  REQUIRE_FALSE(overlapping);
  CHECK(overlapping.error().code == ErrorCode::corrupt);
}
