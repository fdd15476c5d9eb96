// The quality reference as a file: one compact row per scored position, in the order of the
// evaluation. It is written once by the reference and read by every candidate's score.
// docs/metrics.md describes the bytes.
#pragma once

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

#include "core/hash.h"
#include "measure/compact_row.h"
#include "measure/evaluation.h"
#include "strop/result.h"

namespace strop::measure {

struct ReferenceHeader {
  CompactShape shape;
  std::uint64_t rows = 0;
  std::uint64_t seed = 0;         // of the draws; row i draws with mixed(seed + i)
  std::string evaluation_digest;  // 64 hex digits
  bool operator==(const ReferenceHeader&) const = default;
};

// Bytes of one row in the file: 4,620 for the default shape and ids of two bytes.
std::size_t bytes_per_row(const CompactShape& shape);

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

// Writes beside the final name; the file appears with finish() and only then.
class ReferenceWriter {
 public:
  static Result<ReferenceWriter> create(const std::filesystem::path& path,
                                        const ReferenceHeader& header);
  ReferenceWriter(ReferenceWriter&&) = default;
  ~ReferenceWriter();

  const ReferenceHeader& header() const { return header_; }
  Result<void> append(const CompactRow& row);
  // Fails with invalid_input when there are fewer rows than the header says.
  Result<void> finish();

 private:
  ReferenceWriter(std::filesystem::path path, const ReferenceHeader& header);
  std::filesystem::path aside() const;
  Result<void> write(const std::string& bytes);

  std::filesystem::path path_;
  ReferenceHeader header_;
  File file_;
  std::unique_ptr<Sha256> hash_ = std::make_unique<Sha256>();
  std::uint64_t written_ = 0;
};

// Trusts nothing of the file: it is refused with corrupt when its length, its SHA-256 or any value
// is not as it must be.
class ReferenceReader {
 public:
  static Result<ReferenceReader> open(const std::filesystem::path& path);
  const ReferenceHeader& header() const { return header_; }
  // The next rows, in order; fails with invalid_input where fewer are left.
  Result<std::vector<CompactRow>> next(std::size_t count);

 private:
  ReferenceReader(std::filesystem::path path, File file);
  Error corrupt(const std::string& rule) const;
  Result<void> read_header();
  Result<void> check_digest();

  std::filesystem::path path_;
  File file_;
  ReferenceHeader header_;
  std::uint64_t read_ = 0;
};

}  // namespace strop::measure
