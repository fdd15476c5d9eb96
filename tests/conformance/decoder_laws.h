// What include/strop/backend.h promises of every decoder session, whatever engine is behind it.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <vector>

#include "strop/backend.h"

namespace strop::laws {

using Open = std::function<std::unique_ptr<Session>(const RunOptions&)>;
using Rows = std::map<std::size_t, std::vector<float>>;

// Some ordinary ids; which ones does not matter.
inline std::vector<TokenId> prompt(std::size_t count, TokenId vocabulary) {
  std::vector<TokenId> ids(count);
  for (std::size_t i = 0; i < count; ++i)
    ids[i] = static_cast<TokenId>((500 + i * 7919) % static_cast<std::size_t>(vocabulary));
  return ids;
}

inline Rows evaluated(Session& session, SequenceId sequence, const std::vector<TokenId>& ids,
                      const std::vector<std::uint32_t>& wanted) {
  Rows rows;
  const auto done = session.decoder()->evaluate(
      sequence, ids, wanted, each_row([&](std::size_t index, std::span<const float> row) {
        rows[index] = {row.begin(), row.end()};
      }));
  REQUIRE_MESSAGE(done, done.error().message);
  CHECK(rows.size() == wanted.size());
  return rows;
}

inline double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    largest = std::max(largest, std::abs(double{a[i]} - b[i]));
  return largest;
}

inline void refused(const Result<void>& result, const std::string& field) {
  REQUIRE_FALSE(result);
  CHECK(result.error().code == ErrorCode::invalid_input);
  CHECK(result.error().field == field);
}

// close: how far two ways to the same logits may be apart. long_prompt: ids that need more than one
// chunk and a larger cache.
inline void sequences(const Open& open, double close, std::size_t long_prompt) {
  const auto session = open({});
  auto& decoder = *session->decoder();
  const auto ids = prompt(long_prompt, static_cast<TokenId>(session->info().vocabulary_size));
  const auto last = static_cast<std::uint32_t>(ids.size() - 1);
  const auto whole = evaluated(*session, 0, ids, {9, last});

  INFO("a sequence in pieces gives the logits of the whole, and only wanted rows");
  evaluated(*session, 1, {ids.begin(), ids.begin() + 13}, {});
  const auto rest = evaluated(*session, 1, {ids.begin() + 13, ids.end()}, {last - 13});
  CHECK(largest_difference(whole.at(1), rest.at(0)) < close);

  INFO("truncated and forked sequences go on as if they had never been longer");
  REQUIRE(decoder.truncate(0, 20));
  REQUIRE(decoder.fork(0, 3));
  for (const SequenceId sequence : {0u, 3u}) {
    const auto again = evaluated(*session, sequence, {ids.begin() + 20, ids.end()}, {last - 20});
    CHECK(largest_difference(whole.at(1), again.at(0)) < close);
  }
  REQUIRE(decoder.truncate(0, 0));
  CHECK(largest_difference(whole.at(1), evaluated(*session, 0, ids, {last}).at(0)) < close);

  INFO("what the sink fails with ends the call, and the sequence can be used anew");
  const Error full{ErrorCode::no_space, "full"};
  std::size_t calls = 0;
  const auto ended = decoder.evaluate(2, ids, std::vector<std::uint32_t>{9, last},
                                      [&](const LogitRows&) -> Result<void> {
                                        ++calls;
                                        return full;
                                      });
  REQUIRE_FALSE(ended);
  CHECK(ended.error() == full);
  CHECK(calls == 1);
  REQUIRE(decoder.truncate(2, 0));
  CHECK(largest_difference(whole.at(1), evaluated(*session, 2, ids, {last}).at(0)) < close);
}

// Every token made is the best after the prompt and those before it, or nearly as good: near-ties
// may fall apart. The sequence must hold nothing.
inline void check_greedy(Session& session, SequenceId sequence, const std::vector<TokenId>& prompt,
                         const std::vector<TokenId>& made, double close) {
  auto all = prompt;
  all.insert(all.end(), made.begin(), made.end() - 1);
  std::vector<std::uint32_t> after(made.size());
  std::iota(after.begin(), after.end(), static_cast<std::uint32_t>(prompt.size() - 1));
  const auto rows = evaluated(session, sequence, all, after);
  for (std::size_t i = 0; i < made.size(); ++i) {
    const auto& row = rows.at(i);
    CHECK(*std::max_element(row.begin(), row.end()) - row[static_cast<std::size_t>(made[i])] <
          close);
  }
}

inline void generation(const Open& open, double close) {
  const auto session = open({});
  auto& decoder = *session->decoder();
  const auto ids = prompt(10, static_cast<TokenId>(session->info().vocabulary_size));
  const auto made = decoder.generate(0, ids, 5, {});
  REQUIRE_MESSAGE(made, made.error().message);
  REQUIRE(made->ids.size() == 5);
  CHECK(std::is_sorted(made->seconds.begin(), made->seconds.end()));
  check_greedy(*session, 1, ids, made->ids, close);
  INFO("the sequence holds everything but the last new token");
  const auto next = evaluated(*session, 0, {made->ids.back()}, {0});
  auto all = ids;
  all.insert(all.end(), made->ids.begin(), made->ids.end());
  REQUIRE(decoder.truncate(1, 0));
  CHECK(largest_difference(next.at(0), evaluated(*session, 1, all, {14}).at(0)) < close);

  INFO("a stopped generation leaves the sequence as it was");
  std::stop_source stop;
  stop.request_stop();
  const auto stopped = decoder.generate(2, ids, 5, stop.get_token());
  REQUIRE_FALSE(stopped);
  CHECK(stopped.error().code == ErrorCode::cancelled);
  const auto after = decoder.generate(2, ids, 5, {});
  REQUIRE(after);
  CHECK(after->ids == made->ids);
}

// Several prompts together are each continued greedily. close: as above.
inline void together(const Open& open, double close) {
  const auto session = open({});
  auto& decoder = *session->decoder();
  const auto ids = prompt(60, static_cast<TokenId>(session->info().vocabulary_size));
  std::vector<std::vector<TokenId>> prompts;
  for (const std::ptrdiff_t begin : {0, 20, 40})
    prompts.emplace_back(ids.begin() + begin, ids.begin() + begin + 20);
  REQUIRE(decoder.evaluate(1, ids, {}, [](const LogitRows&) { return Result<void>{}; }));
  const auto made = decoder.generate_together(prompts, 5, {});
  REQUIRE_MESSAGE(made, (made ? std::string() : made.error().message));
  REQUIRE(made->size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    const Generation& one = (*made)[i];
    REQUIRE(one.ids.size() == 5);
    CHECK(std::is_sorted(one.seconds.begin(), one.seconds.end()));
    CHECK(one.seconds == made->front().seconds);
    REQUIRE(decoder.truncate(0, 0));
    check_greedy(*session, 0, prompts[i], one.ids, close);
  }
  INFO("sequences hold nothing afterwards");
  CHECK(largest_difference(evaluated(*session, 1, prompts[0], {19}).at(0),
                           evaluated(*session, 2, prompts[0], {19}).at(0)) < close);

  INFO("what cannot be computed together is refused, and nothing is forgotten");
  REQUIRE(decoder.truncate(1, 10));
  const auto wrong = [&](const std::vector<std::vector<TokenId>>& given, std::uint32_t count,
                         const std::string& field) {
    const auto result = decoder.generate_together(given, count, {});
    REQUIRE_FALSE(result);
    CHECK(result.error().code == ErrorCode::invalid_input);
    CHECK(result.error().field == field);
  };
  wrong({}, 5, "prompts");
  wrong({prompts[0], {1}}, 5, "prompts");
  wrong({{}, {}}, 5, "prompts");
  wrong(prompts, 0, "prompts");
  wrong({{-1}}, 5, "ids");
  wrong(std::vector<std::vector<TokenId>>(1000, {1}), 5, "prompts");
  REQUIRE(decoder.truncate(1, 10));  // fails where fewer are held
  std::stop_source stop;
  stop.request_stop();
  const auto stopped = decoder.generate_together(prompts, 5, stop.get_token());
  REQUIRE_FALSE(stopped);
  CHECK(stopped.error().code == ErrorCode::cancelled);
}

// Sessions with room for 64 tokens.
inline void refusals(const Open& open) {
  const auto session = open({{"context", "64"}});
  CHECK(session->info().context_length == 64);
  CHECK(session->info().run_options.at("context") == "64");
  auto& decoder = *session->decoder();
  const auto vocabulary = static_cast<TokenId>(session->info().vocabulary_size);
  const RowSink ignore = [](const LogitRows&) { return Result<void>{}; };
  const auto ids = [&](std::size_t count) { return prompt(count, vocabulary); };
  refused(decoder.evaluate(0, ids(65), {}, ignore), "ids");
  refused(decoder.evaluate(0, std::vector<TokenId>{vocabulary}, {}, ignore), "ids");
  refused(decoder.evaluate(0, std::vector<TokenId>{-1}, {}, ignore), "ids");
  refused(decoder.evaluate(1000, ids(1), {}, ignore), "sequence");
  refused(decoder.evaluate(0, ids(2), std::vector<std::uint32_t>{2}, ignore), "wanted");
  refused(decoder.evaluate(0, ids(2), std::vector<std::uint32_t>{1, 0}, ignore), "wanted");
  CHECK(decoder.evaluate(0, ids(64), {}, ignore));
  refused(decoder.evaluate(0, ids(1), {}, ignore), "ids");
  CHECK_FALSE(decoder.generate(1, ids(60), 6, {}));
  CHECK_FALSE(decoder.generate(1, {}, 6, {}));
}

}  // namespace strop::laws
