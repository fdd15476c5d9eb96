#include "measure/golden.h"

#include <unistd.h>

#include <algorithm>

#include "core/files.h"
#include "core/hash.h"
#include "measure/row.h"
#include "measure/statistics.h"

namespace strop::measure {
namespace {

// A record is small: less of each row is kept than the quality reference keeps.
CompactShape golden_shape(std::uint32_t vocabulary_size) {
  CompactShape shape = shape_for(vocabulary_size);
  shape.top = std::min(shape.top, 128u);
  if (shape.top < vocabulary_size) shape.tail = std::min(64u, vocabulary_size);
  return shape;
}

bool is_plain_name(const std::string& name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  };
  return !name.empty() && name.size() <= 128 && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), allowed);
}

}  // namespace

Result<std::filesystem::path> named_file(const std::string& file, const std::string& sha256,
                                         const std::filesystem::path& folder) {
  if (!is_plain_name(file))
    return Error{.code = ErrorCode::corrupt,
                 .message = "[golden] the file that a record names must have a plain name",
                 .field = "file",
                 .value = file};
  std::filesystem::path path = folder / file;
  STROP_TRY(const std::string digest, sha256_file(path));
  if (digest == sha256) return path;
  return Error{.code = ErrorCode::corrupt,
               .message = str("[golden] ", path.string(), " is not the file that the record names"),
               .field = "sha256",
               .value = digest};
}

Result<void> name_by_content(const std::filesystem::path& aside,
                             const std::filesystem::path& folder, const std::string& begin,
                             const std::string& extension, std::string& file, std::string& sha256) {
  STROP_TRY(sha256, sha256_file(aside));
  file = str(begin, "-", sha256.substr(0, 8), extension);
  std::error_code error;
  std::filesystem::rename(aside, folder / file, error);
  if (error) return file_error("rename", aside, error.value());
  return sync_folder(folder);
}

Evaluation evaluation_of(const GoldenRows& rows) {
  return {rows.sequences, rows.first_scored, rows.stepped_from};
}

Result<void> record_rows(DecoderSession& session, GoldenRows& rows,
                         const std::filesystem::path& folder, const std::string& prefix,
                         std::uint64_t seed, std::stop_token stop) {
  const std::filesystem::path aside = folder / str(prefix, "-", rows.name, ".", ::getpid());
  STROP_CHECK(make_reference(session, evaluation_of(rows), aside,
                             golden_shape(session.info().vocabulary_size), seed, nullptr, stop));
  return name_by_content(aside, folder, str(prefix, "-", rows.name), ".rows", rows.file,
                         rows.sha256);
}

Result<QualitySamples> compare_rows(DecoderSession& session, const GoldenRows& rows,
                                    const std::filesystem::path& folder, std::stop_token stop) {
  STROP_TRY(const std::filesystem::path path, named_file(rows.file, rows.sha256, folder));
  STROP_TRY(ReferenceReader reader, ReferenceReader::open(path));
  return score(session, evaluation_of(rows), reader, nullptr, stop);
}

double noise_of_record(std::span<const double> noise, bool repeats) {
  return repeats ? mean(noise) : *std::min_element(noise.begin(), noise.end());
}

Result<double> greedy_gap(DecoderSession& session, std::span<const TokenId> prompt,
                          std::uint32_t count, std::stop_token stop) {
  STROP_CHECK(session.truncate(0, 0));
  STROP_TRY(const Generation made, session.generate(0, prompt, count, stop));
  if (made.ids.size() != count)
    return Error{ErrorCode::backend, str("[golden] the engine must generate ", count,
                                         " tokens, but gave ", made.ids.size())};
  std::vector<TokenId> ids(prompt.begin(), prompt.end());
  ids.insert(ids.end(), made.ids.begin(), made.ids.end() - 1);
  std::vector<std::uint32_t> wanted(count);
  for (std::uint32_t i = 0; i < count; ++i)
    wanted[i] = static_cast<std::uint32_t>(prompt.size()) - 1 + i;
  STROP_CHECK(session.truncate(0, 0));
  double gap = 0;
  const auto look = [&](std::size_t index, std::span<const float> row) -> Result<void> {
    STROP_TRY(const RowSummary summary, summarise_row(row));
    const auto id = static_cast<std::size_t>(made.ids.at(index));
    if (id < row.size()) gap = std::max(gap, double{summary.maximum} - double{row[id]});
    return {};
  };
  STROP_CHECK(session.evaluate(0, ids, wanted, each_row(look)));
  STROP_CHECK(session.truncate(0, 0));
  return gap;
}

}  // namespace strop::measure
