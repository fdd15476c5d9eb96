// Which samples: a reservoir that keeps those of the least pseudo-random rank. The rank comes from
// the seed and the sample's name alone, so that the choice does not depend on the order in which a
// folder lists its files; memory is that of the choice, however many there are.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace strop {

struct Drawn {
  std::string file;       // relative to the data
  std::uint64_t row = 0;  // of its arrays
  bool rows = false;      // the file holds a sample per row
  std::uint64_t rank = 0;

  // "cat.png", "data.npz#12"
  std::string name() const;
};

class Reservoir {
 public:
  Reservoir(std::size_t most, std::uint64_t seed) : most_(most), seed_(seed) {}
  void offer(const std::string& file);
  void offer_rows(const std::string& file, std::uint64_t rows);

  std::uint64_t offered() const { return offered_; }
  // Least rank first.
  std::vector<Drawn> items() const;

 private:
  void offer(Drawn item);
  std::size_t most_;
  std::uint64_t seed_;
  std::uint64_t offered_ = 0;
  std::vector<Drawn> heap_;  // greatest rank first
};

// How many of `available` samples go where: a quarter, at most `calibration`, calibrates; of the
// rest at most `evaluation` are evaluated on.
struct Shares {
  std::size_t calibration = 0, evaluation = 0;
};
Shares shares(std::uint64_t available, std::size_t calibration, std::size_t evaluation);

}  // namespace strop
