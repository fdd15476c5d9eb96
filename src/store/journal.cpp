#include "store/journal.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "core/hash.h"

namespace strop {
namespace {

constexpr std::size_t kSumLength = 16;  // hex digits of SHA-256 in front of each line
constexpr std::uint64_t kMaxJournalBytes = 256ull << 20;

std::string sum_of(std::string_view text) { return sha256_hex(text).substr(0, kSumLength); }

std::string line_of(const JournalRecord& record) {
  const std::string body = text_of({{"key", record.key},
                                    {"name", record.name},
                                    {"seconds", record.seconds},
                                    {"value", record.value}});
  return str(sum_of(body), " ", body, "\n");
}

// The record of a line, or nothing when the line is not one that was written whole.
std::optional<JournalRecord> parse_line(std::string_view line) {
  if (line.size() < kSumLength + 1 || line[kSumLength] != ' ') return std::nullopt;
  const std::string_view body = line.substr(kSumLength + 1);
  if (line.substr(0, kSumLength) != sum_of(body)) return std::nullopt;
  const auto json = parse_json(body, "the journal");
  if (!json || !json->is_object() || !json->contains("key") || !json->contains("value"))
    return std::nullopt;
  return JournalRecord{.key = json->value("key", ""),
                       .name = json->value("name", ""),
                       .seconds = json->value("seconds", 0.0),
                       .value = (*json)["value"]};
}

}  // namespace

Result<Journal> Journal::open(const std::filesystem::path& file) {
  Descriptor fd(::open(file.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!fd) return file_error("open", file, errno);
  // A journal that is made now must have its name after a power cut too.
  STROP_CHECK(sync_folder(file.has_parent_path() ? file.parent_path() : "."));
  STROP_TRY(const std::string text, read_text(file, kMaxJournalBytes));
  Journal journal(file, std::move(fd));
  std::size_t good = 0;
  while (good < text.size()) {
    const std::size_t end = text.find('\n', good);
    if (end == std::string::npos) break;
    auto record = parse_line(std::string_view(text).substr(good, end - good));
    if (!record) break;
    journal.remember(std::move(*record));
    good = end + 1;
  }
  if (good < text.size() && ::ftruncate(journal.fd_.get(), static_cast<off_t>(good)) != 0)
    return file_error("repair", file, errno);
  return journal;
}

void Journal::remember(JournalRecord record) {
  by_key_[record.key] = records_.size();
  records_.push_back(std::move(record));
}

const JournalRecord* Journal::find(const std::string& key) const {
  const auto found = by_key_.find(key);
  return found == by_key_.end() ? nullptr : &records_[found->second];
}

Result<void> Journal::append(JournalRecord record) {
  const std::string line = line_of(record);
  const off_t before = ::lseek(fd_.get(), 0, SEEK_END);
  std::string_view left = line;
  while (!left.empty()) {
    const ssize_t written = ::write(fd_.get(), left.data(), left.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      const int reason = errno;
      (void)!::ftruncate(fd_.get(), before);
      return file_error("write", file_, reason);
    }
    left.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::fdatasync(fd_.get()) != 0) return file_error("sync", file_, errno);
  remember(std::move(record));
  return {};
}

double Journal::seconds() const {
  double sum = 0;
  for (const JournalRecord& record : records_) sum += record.seconds;
  return sum;
}

}  // namespace strop
