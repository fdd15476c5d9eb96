// The finished steps of a run, one checksummed line each, appended and synced. A torn last line, as
// a power loss leaves it, is dropped when the journal is opened, so that it never prevents
// resuming.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/files.h"
#include "core/json.h"

namespace strop {

struct JournalRecord {
  std::string key;     // hash of the step's name and inputs
  std::string name;    // of the step, for people
  double seconds = 0;  // it took
  Json value;
};

class Journal {
 public:
  // Creates the file when there is none.
  static Result<Journal> open(const std::filesystem::path& file);

  const JournalRecord* find(const std::string& key) const;
  Result<void> append(JournalRecord record);
  const std::vector<JournalRecord>& records() const { return records_; }
  double seconds() const;  // all finished steps took

 private:
  Journal(std::filesystem::path file, Descriptor fd) : file_(std::move(file)), fd_(std::move(fd)) {}
  void remember(JournalRecord record);
  std::filesystem::path file_;
  Descriptor fd_;
  std::vector<JournalRecord> records_;
  std::map<std::string, std::size_t> by_key_;
};

}  // namespace strop
