#include "report/store_text.h"

#include <set>

#include "report/figures.h"
#include "report/terminal_writer.h"

namespace strop {
namespace {

std::string size_text(std::uint64_t bytes) { return value_text(bytes_quantity(bytes)); }

std::string counted(std::size_t count, const std::string& noun) {
  return str(count, " ", noun, count == 1 ? "" : "s");
}

std::string minute_of(const std::string& date) {
  return date.size() < 16 ? date : date.substr(0, 10) + " " + date.substr(11, 5);
}

std::string what_is(const StoredArtifact& one) {
  if (!one.problem.empty()) return "broken: " + one.problem;
  return one.model.empty() ? one.recipe : one.model + " " + one.recipe;
}

std::string needed_text(const StoredArtifact& one) {
  if (one.in_use) return "in use";
  return one.needed.empty() ? "nothing" : counted(one.needed.size(), "run");
}

void write_artifacts(TerminalWriter& writer, const std::vector<StoredArtifact>& artifacts) {
  std::vector<std::vector<TerminalCell>> rows;
  for (const StoredArtifact& one : artifacts)
    rows.push_back(
        {{one.id.substr(0, 12), TerminalPaint::dim},
         {size_text(one.bytes)},
         {minute_of(one.last_used)},
         {needed_text(one)},
         {what_is(one), one.problem.empty() ? TerminalPaint::plain : TerminalPaint::bad}});
  writer.table({{"artifact", false, 12},
                {"size", true, 7},
                {"last use (UTC)", false, 16},
                {"needed by", false, 9},
                {"what", false, 12}},
               rows);
}

}  // namespace

std::string listing_text(const StoreListing& listing, const TerminalStyle& style) {
  TerminalWriter writer(style);
  writer.field("Store", listing.folder);
  writer.field("Artifacts", counted(listing.artifacts.size(), "artifact") + ", " +
                                size_text(listing.artifact_bytes));
  writer.field("Beside them",
               size_text(listing.other_bytes) + ": toolchains, unfinished work, quarantine, notes");
  const bool over = listing.limit_bytes && listing.artifact_bytes > *listing.limit_bytes;
  writer.field("Limit",
               !listing.limit_bytes ? "none (--store-limit or STROP_STORE_LIMIT sets one)"
                                    : size_text(*listing.limit_bytes) +
                                          (over ? ": exceeded; strop store gc makes room" : ""),
               TerminalPaint::bold, over ? TerminalPaint::warn : TerminalPaint::plain);
  if (listing.artifacts.empty()) return writer.take();
  writer.line();
  write_artifacts(writer, listing.artifacts);
  return writer.take();
}

std::string check_text(const StoreCheck& check, const TerminalStyle& style) {
  TerminalWriter writer(style);
  writer.field("Checked", counted(check.checked, "artifact") + ", " + size_text(check.bytes) +
                              ": every file against its digest");
  if (check.broken.empty())
    writer.field("Broken", "none", TerminalPaint::bold, TerminalPaint::good);
  for (std::size_t i = 0; i < check.broken.size(); ++i) {
    const StoredArtifact& one = check.broken[i];
    writer.field("Broken",
                 one.id.substr(0, 12) + " " + one.model + " " + one.recipe + ": " + one.problem,
                 TerminalPaint::bold, TerminalPaint::bad);
    writer.field("", check.quarantine[i].empty()
                         ? "somebody uses it now, so that it is still in the store"
                         : "taken out of the store; it lies in " + check.quarantine[i]);
  }
  if (!check.broken.empty()) writer.field("Next", "the next run that needs them makes them anew");
  return writer.take();
}

std::string cleaning_text(const StoreCleaning& cleaning, const TerminalStyle& style) {
  TerminalWriter writer(style);
  writer.field("Removed", counted(cleaning.removed.size(), "artifact") + ", " +
                              size_text(cleaning.freed_bytes) + " freed in all");
  for (const StoredArtifact& one : cleaning.removed)
    writer.field("", one.id.substr(0, 12) + " " + what_is(one) + ", " + size_text(one.bytes));
  writer.field("Kept",
               counted(cleaning.kept.size(), "artifact") + ", " + size_text(cleaning.kept_bytes));
  if (!cleaning.limit_bytes || cleaning.kept_bytes <= *cleaning.limit_bytes) return writer.take();
  writer.field("Limit",
               size_text(*cleaning.limit_bytes) +
                   ", still exceeded: what is kept is in use or needed by these run folders",
               TerminalPaint::bold, TerminalPaint::warn);
  std::set<std::string> folders;
  for (const StoredArtifact& one : cleaning.kept)
    folders.insert(one.needed.begin(), one.needed.end());
  for (const std::string& folder : folders) writer.field("", folder);
  return writer.take();
}

}  // namespace strop
