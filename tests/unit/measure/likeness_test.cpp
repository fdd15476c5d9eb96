#include "measure/likeness.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

using namespace strop;
using namespace strop::measure;

namespace {

using Numbers = std::vector<double>;

template <class T>
Tensor tensor(const std::string& name, ElementType type, std::vector<std::int64_t> shape,
              const std::vector<T>& values) {
  Tensor made{.name = name, .type = type, .shape = std::move(shape), .data = {}};
  made.data.resize(values.size() * sizeof(T));
  if (!values.empty()) std::memcpy(made.data.data(), values.data(), made.data.size());
  return made;
}

Tensor floats(const std::string& name, std::vector<std::int64_t> shape,
              const std::vector<float>& values) {
  return tensor(name, ElementType::f32, std::move(shape), values);
}

}  // namespace

TEST_CASE("numbers of every type") {
  CHECK(*numbers_of(floats("x", {2}, {1.5f, -2})) == Numbers{1.5, -2});
  CHECK(*numbers_of(tensor<std::uint16_t>("x", ElementType::f16, {6},
                                          {0x3c00, 0xc000, 0x0001, 0x7bff, 0x8000, 0x3555})) ==
        Numbers{1, -2, std::ldexp(1, -24), 65504, -0.0, 0.333251953125});
  CHECK(*numbers_of(tensor<std::uint16_t>("x", ElementType::bf16, {2}, {0x3f80, 0xc040})) ==
        Numbers{1, -3});
  CHECK(*numbers_of(tensor<std::int64_t>("x", ElementType::i64, {1}, {-7})) == Numbers{-7});
  CHECK(*numbers_of(tensor<std::int32_t>("x", ElementType::i32, {1}, {1 << 30})) ==
        Numbers{1 << 30});
  CHECK(*numbers_of(tensor<std::int8_t>("x", ElementType::i8, {1}, {-128})) == Numbers{-128});
  CHECK(*numbers_of(tensor<std::uint8_t>("x", ElementType::u8, {1}, {255})) == Numbers{255});
  CHECK(*numbers_of(tensor<std::uint8_t>("x", ElementType::boolean, {2}, {0, 2})) == Numbers{0, 1});
}

TEST_CASE("numbers that are not finite, or not as many as the shape says, are named") {
  for (const auto& bad : {floats("y", {1}, {NAN}), floats("y", {1}, {INFINITY}),
                          tensor<std::uint16_t>("y", ElementType::f16, {1}, {0x7c00})}) {
    REQUIRE_FALSE(numbers_of(bad));
    CHECK(numbers_of(bad).error().code == ErrorCode::backend);
    CHECK(numbers_of(bad).error().field == "y");
  }
  CHECK(numbers_of(floats("y", {3}, {1, 2})).error().code == ErrorCode::corrupt);
  CHECK(numbers_of(floats("y", {-2}, {1, 2})).error().code == ErrorCode::corrupt);
  CHECK(numbers_of(floats("y", {1LL << 40, 1LL << 40}, {})).error().code == ErrorCode::corrupt);
}

TEST_CASE("cosine and noise, computed by hand") {
  CHECK(cosine(Numbers{1, 0}, Numbers{0, 2}) == 0);
  CHECK(cosine(Numbers{1, 2}, Numbers{2, 4}) == doctest::Approx(1));
  CHECK(cosine(Numbers{1, 2}, Numbers{-1, -2}) == doctest::Approx(-1));
  CHECK(cosine(Numbers{0, 0}, Numbers{0, 0}) == 1);
  CHECK(cosine(Numbers{0, 0}, Numbers{1, 0}) == 0);
  CHECK(noise_ratio(Numbers{3, 4}, Numbers{3, 3}) == doctest::Approx(0.04));
  CHECK(noise_ratio(Numbers{3, 4}, Numbers{0, 0}) == 1);
  CHECK(noise_ratio(Numbers{3, 4}, Numbers{6, 8}) == 1);  // a wrong scale, which a cosine misses
  CHECK(noise_ratio(Numbers{0, 0}, Numbers{0, 0}) == 0);
  CHECK(noise_ratio(Numbers{0, 0}, Numbers{9, 0}) == 1);
  CHECK(decibels(0.001) == doctest::Approx(30));
  CHECK(decibels(1) == 0);
  CHECK(decibels(0) == doctest::Approx(kMostDecibels));
}

TEST_CASE("the best of each row, the first of equal ones") {
  CHECK(best_of_rows(Numbers{1, 3, 2, 5, 5, 0}, 3) == std::vector<std::size_t>{1, 0});
  CHECK(best_of_rows(Numbers{}, 3).empty());
  CHECK(best_of_rows(Numbers{1}, 0).empty());
  CHECK(share_equal(std::vector<std::size_t>{1, 2, 3, 4}, std::vector<std::size_t>{1, 2, 3, 5}) ==
        0.75);
}

TEST_CASE("rank correlation") {
  CHECK(rank_correlation(Numbers{1, 2, 3}, Numbers{10, 20, 1000}) == doctest::Approx(1));
  CHECK(rank_correlation(Numbers{1, 2, 3}, Numbers{3, 2, 1}) == doctest::Approx(-1));
  // The textbook's example without ties: 1 - 6 * 194 / (10 * 99).
  CHECK(rank_correlation(Numbers{106, 100, 86, 101, 99, 103, 97, 113, 112, 110},
                         Numbers{7, 27, 2, 50, 28, 29, 20, 12, 6, 17}) ==
        doctest::Approx(-0.17575757));
  CHECK(rank_correlation(Numbers{1, 1, 2}, Numbers{5, 5, 9}) == doctest::Approx(1));
  CHECK(rank_correlation(Numbers{1, 1}, Numbers{2, 2}) == 1);
  CHECK(rank_correlation(Numbers{1, 1}, Numbers{1, 2}) == 0);
}

TEST_CASE("explained variance") {
  CHECK(explained(Numbers{1, 2, 3}, Numbers{1, 2, 3}) == 1);
  CHECK(explained(Numbers{1, 2, 3}, Numbers{2, 2, 2}) == doctest::Approx(0));
  CHECK(explained(Numbers{1, 2, 3}, Numbers{3, 2, 1}) == doctest::Approx(-3));
  CHECK(explained(Numbers{5, 5}, Numbers{5, 5}) == 1);
  CHECK(explained(Numbers{5, 5}, Numbers{5, 6}) == 0);
}

TEST_CASE("overlap of boxes") {
  const Box unit{0, 0, 1, 1, 0}, half{0.5, 0, 1.5, 1, 0}, away{5, 5, 6, 6, 0}, flat{0, 0, 1, 0, 0};
  CHECK(overlap(unit, unit) == 1);
  CHECK(overlap(unit, half) == doctest::Approx(1.0 / 3));
  CHECK(overlap(unit, away) == 0);
  CHECK(overlap(flat, flat) == 0);
  Box other_class = unit;
  other_class.label = 1;
  CHECK(mean_overlap(std::vector{unit, away}, std::vector{away, unit}) == 1);
  CHECK(mean_overlap(std::vector{unit}, std::vector{other_class}) == 0);
  CHECK(mean_overlap(std::vector{unit}, std::vector{unit, away}) == 0.5);
  CHECK(mean_overlap(std::vector{unit, unit}, std::vector{unit}) == 0.5);  // each has one partner
  CHECK(mean_overlap(std::vector{half, unit}, std::vector{unit}) == 0.5);  // the larger overlap
  CHECK(mean_overlap({}, {}) == 1);
  CHECK(mean_overlap({}, std::vector{unit}) == 0);
}

TEST_CASE("boxes in each layout, without those of a low score") {
  const std::vector<Box> expected{{10, 20, 30, 40, 7}};
  const Tensor six = floats("out", {1, 2, 6}, {10, 20, 30, 40, 0.9f, 7, 1, 1, 2, 2, 0.1f, 7});
  CHECK(*boxes_of(std::vector{six}, "out") == expected);
  const Tensor seven =
      floats("out", {1, 1, 3, 7}, {0, 7, 0.9f, 10, 20, 30, 40, -1, 0, 0, 0, 0, 0, 0,  //
                                   0, 7, 0.9f, 1,  2,  3,  4});
  CHECK(*boxes_of(std::vector{seven}, "out") == expected);
  const std::vector three{floats("boxes", {2, 4}, {10, 20, 30, 40, 1, 1, 2, 2}),
                          tensor<std::int64_t>("labels", ElementType::i64, {2}, {7, 7}),
                          floats("scores", {2}, {0.9f, 0.1f})};
  CHECK(*boxes_of(three, "boxes") == expected);
  CHECK(boxes_of(std::vector{floats("out", {1, 84, 9}, {})}, "out").error().code ==
        ErrorCode::unsupported);
  CHECK(boxes_of(std::vector{floats("boxes", {1, 4}, {1, 2, 3, 4})}, "boxes").error().code ==
        ErrorCode::unsupported);
  CHECK(
      boxes_of(std::vector{floats("out", {2, 5, 6}, std::vector<float>(60))}, "out").error().code ==
      ErrorCode::unsupported);
  CHECK_FALSE(boxes_of({}, "out"));
}
