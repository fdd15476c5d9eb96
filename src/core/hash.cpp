#include "core/hash.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "core/files.h"

namespace strop {
namespace {

Error unreadable(const std::filesystem::path& path, int error_number) {
  return Error{.code = ErrorCode::io,
               .message = str("cannot read ", path.string(), ": ", std::strerror(error_number))};
}

Error not_regular(const std::filesystem::path& path) {
  return Error{.code = ErrorCode::corrupt,
               .message = str(path.string(), " must be a regular file"),
               .field = "path",
               .value = path.string()};
}

}  // namespace

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  STROP_ASSERT(EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr) == 1,
               "SHA-256 is not available");
}
Sha256::~Sha256() = default;

void Sha256::update(const void* data, std::size_t bytes) {
  EVP_DigestUpdate(state_->context, data, bytes);
}

std::string Sha256::hex() {
  std::array<unsigned char, 32> digest{};
  unsigned int length = 0;
  EVP_DigestFinal_ex(state_->context, digest.data(), &length);
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(64);
  for (unsigned char byte : digest) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::string sha256_hex(std::string_view bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.hex();
}

Result<std::string> sha256_file(const std::filesystem::path& path, Links links) {
  const int no_link = links == Links::refused ? O_NOFOLLOW : 0;
  // Not blocking: a named pipe would wait for its writer for ever.
  const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | no_link));
  if (!fd && no_link != 0 && errno == ELOOP) return not_regular(path);
  if (!fd) return unreadable(path, errno);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return unreadable(path, errno);
  if (!S_ISREG(status.st_mode)) return not_regular(path);
  Sha256 hash;
  std::vector<char> buffer(1 << 20);
  ssize_t got = 0;
  while ((got = ::read(fd.get(), buffer.data(), buffer.size())) > 0)
    hash.update(buffer.data(), static_cast<std::size_t>(got));
  if (got < 0) return unreadable(path, errno);
  return hash.hex();
}

}  // namespace strop
