#include "core/reservoir.h"

#include <algorithm>

namespace strop {
namespace {

// FNV-1a over the name, then splitmix64's finish.
std::uint64_t rank_of(std::uint64_t seed, const std::string& file, std::uint64_t row) {
  std::uint64_t hash = 0xcbf29ce484222325ull;
  const auto mix = [&](std::uint8_t byte) { hash = (hash ^ byte) * 0x100000001b3ull; };
  for (const char c : file) mix(static_cast<std::uint8_t>(c));
  for (int i = 0; i < 64; i += 8) mix(static_cast<std::uint8_t>(row >> i));
  hash += (seed + 1) * 0x9e3779b97f4a7c15ull;
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9ull;
  hash = (hash ^ (hash >> 27)) * 0x94d049bb133111ebull;
  return hash ^ (hash >> 31);
}

bool before(const Drawn& a, const Drawn& b) {
  if (a.rank != b.rank) return a.rank < b.rank;
  return a.file != b.file ? a.file < b.file : a.row < b.row;
}

}  // namespace

std::string Drawn::name() const { return rows ? file + "#" + std::to_string(row) : file; }

void Reservoir::offer(const std::string& file) {
  offer(Drawn{.file = file, .rank = rank_of(seed_, file, 0)});
}

void Reservoir::offer_rows(const std::string& file, std::uint64_t rows) {
  for (std::uint64_t row = 0; row < rows; ++row) {
    const std::uint64_t rank = rank_of(seed_, file, row);
    if (heap_.size() == most_ && !heap_.empty() && rank > heap_.front().rank)
      ++offered_;
    else
      offer(Drawn{.file = file, .row = row, .rows = true, .rank = rank});
  }
}

void Reservoir::offer(Drawn item) {
  ++offered_;
  if (most_ == 0) return;
  if (heap_.size() == most_) {
    if (!before(item, heap_.front())) return;
    std::pop_heap(heap_.begin(), heap_.end(), before);
    heap_.pop_back();
  }
  heap_.push_back(std::move(item));
  std::push_heap(heap_.begin(), heap_.end(), before);
}

std::vector<Drawn> Reservoir::items() const {
  std::vector<Drawn> sorted = heap_;
  std::sort(sorted.begin(), sorted.end(), before);
  return sorted;
}

Shares shares(std::uint64_t available, std::size_t calibration, std::size_t evaluation) {
  Shares result;
  result.calibration =
      static_cast<std::size_t>(std::min<std::uint64_t>(available / 4, calibration));
  result.evaluation =
      static_cast<std::size_t>(std::min<std::uint64_t>(available - result.calibration, evaluation));
  return result;
}

}  // namespace strop
