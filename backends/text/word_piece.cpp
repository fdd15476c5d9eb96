#include "word_piece.h"

#include <algorithm>
#include <iterator>

namespace strop::text {
namespace {

struct Range {
  char32_t first, last;
};
// Every step-th character from first on becomes `to`, which grows by `change` each time.
struct Fold {
  char32_t first, last, step, to, change;
};
struct LongFold {
  char32_t from, to[3];
};
struct Order {
  char32_t character;
  int order;
};

#include "word_tables.inc"

constexpr std::string_view kWordBegin = "\xE2\x96\x81";

template <std::size_t N>
bool is_in(const Range (&table)[N], char32_t c) {
  const auto after =
      std::upper_bound(std::begin(table), std::end(table), c,
                       [](char32_t value, const Range& r) { return value < r.first; });
  return after != std::begin(table) && c <= std::prev(after)->last;
}

int order_of(char32_t c) {
  const auto found =
      std::lower_bound(std::begin(kOrders), std::end(kOrders), c,
                       [](const Order& o, char32_t value) { return o.character < value; });
  return found != std::end(kOrders) && found->character == c ? found->order : 0;
}

void append_folded(char32_t c, std::u32string& out) {
  if (c >= 0xAC00 && c <= 0xD7A3) {  // Hangul, by Unicode's arithmetic
    const char32_t index = c - 0xAC00;
    out += static_cast<char32_t>(0x1100 + index / 588);
    out += static_cast<char32_t>(0x1161 + index % 588 / 28);
    if (index % 28 != 0) out += static_cast<char32_t>(0x11A7 + index % 28);
    return;
  }
  const auto after =
      std::upper_bound(std::begin(kFolds), std::end(kFolds), c,
                       [](char32_t value, const Fold& f) { return value < f.first; });
  // Runs with a step may lie within each other by one.
  for (auto run = after; run != std::begin(kFolds) && after - run < 2;) {
    --run;
    if (c > run->last || (c - run->first) % run->step != 0) continue;
    out += static_cast<char32_t>(run->to + (c - run->first) / run->step * run->change);
    return;
  }
  const auto found =
      std::lower_bound(std::begin(kLongFolds), std::end(kLongFolds), c,
                       [](const LongFold& f, char32_t value) { return f.from < value; });
  if (found != std::end(kLongFolds) && found->from == c) {
    for (const char32_t to : found->to) {
      if (to != 0) out += to;
    }
    return;
  }
  out += c;
}

// Without marks, in canonical order and in lower case.
std::u32string folded(const std::u32string& text) {
  std::u32string out, run;
  const auto end_run = [&] {
    std::stable_sort(run.begin(), run.end(),
                     [](char32_t a, char32_t b) { return order_of(a) < order_of(b); });
    out += std::exchange(run, {});
  };
  for (const char32_t c : text) {
    if (is_in(kMarks, c)) {
      if (is_in(kStarterMarks, c)) end_run();
      continue;
    }
    if (order_of(c) != 0) {
      run += c;
      continue;
    }
    end_run();
    append_folded(c, out);
  }
  end_run();
  return out;
}

std::u32string decoded(std::string_view text) {
  std::u32string out;
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = [&](std::size_t at) { return static_cast<std::uint8_t>(text[at]); };
    const std::size_t length = byte(i) < 0x80 ? 1 : byte(i) < 0xE0 ? 2 : byte(i) < 0xF0 ? 3 : 4;
    char32_t c = length == 1 ? byte(i) : byte(i) & (0x7Fu >> length);
    for (std::size_t k = 1; k < length; ++k) c = c << 6 | (byte(i + k) & 0x3F);
    out += c;
    i += length;
  }
  return out;
}

void append_utf8(char32_t c, std::string& out) {
  if (c < 0x80) {
    out += static_cast<char>(c);
    return;
  }
  const int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
  constexpr unsigned kLead[] = {0, 0xC0, 0xE0, 0xF0};
  out += static_cast<char>(kLead[more] | c >> (6 * more));
  for (int k = more - 1; k >= 0; --k) out += static_cast<char>(0x80 | (c >> (6 * k) & 0x3F));
}

}  // namespace

WordPiece::WordPiece(WordPieceRules rules, const std::vector<std::string>& pieces,
                     std::vector<std::pair<std::string, TokenId>> special)
    : rules_(rules), special_(std::move(special)) {
  for (std::size_t id = 0; id < pieces.size(); ++id) {
    const std::string& piece = pieces[id];
    const bool begins = piece.starts_with(kWordBegin);
    (begins ? begins_ : goes_on_)
        .emplace(begins ? piece.substr(kWordBegin.size()) : piece, static_cast<TokenId>(id));
  }
}

// The longest piece at each place, or the whole word is unknown.
void WordPiece::append_word(const std::u32string& word, std::vector<TokenId>& ids) const {
  if (word.size() > rules_.longest_word) {
    ids.push_back(rules_.unknown);
    return;
  }
  std::string bytes;
  std::vector<std::size_t> ends{0};  // of each character
  for (const char32_t c : word) {
    append_utf8(c, bytes);
    ends.push_back(bytes.size());
  }
  std::vector<TokenId> found;
  for (std::size_t begin = 0; begin < word.size();) {
    const auto& pieces = begin == 0 ? begins_ : goes_on_;
    std::size_t end = word.size();
    auto piece = pieces.end();
    for (; end > begin; --end) {
      piece = pieces.find(bytes.substr(ends[begin], ends[end] - ends[begin]));
      if (piece != pieces.end()) break;
    }
    if (end == begin) {
      ids.push_back(rules_.unknown);
      return;
    }
    found.push_back(piece->second);
    begin = end;
  }
  ids.insert(ids.end(), found.begin(), found.end());
}

// Text without special tokens. A character that is left out joins its neighbours; an ideograph and
// a mark of punctuation are words of their own.
void WordPiece::append_part(std::string_view text, std::vector<TokenId>& ids) const {
  std::u32string clean;
  for (const char32_t c : decoded(text)) {
    if (is_in(kRemoved, c)) continue;
    if (is_in(kSpaces, c)) {
      clean += U' ';
    } else if (is_in(kIdeographs, c)) {
      clean += {U' ', c, U' '};
    } else {
      clean += c;
    }
  }
  if (rules_.fold) clean = folded(clean);
  std::u32string word;
  const auto end_word = [&] {
    if (!word.empty()) append_word(word, ids);
    word.clear();
  };
  for (const char32_t c : clean) {
    if (is_in(kSpaces, c)) {
      end_word();
    } else if (is_in(kPunctuation, c)) {
      end_word();
      append_word({c}, ids);
    } else {
      word += c;
    }
  }
  end_word();
}

std::vector<TokenId> WordPiece::encode(std::string_view text, bool add_special,
                                       bool parse_special) const {
  std::vector<TokenId> ids;
  if (add_special) ids.push_back(rules_.before);
  while (parse_special && !text.empty()) {
    // The first special token, of those at one place the longest.
    std::size_t at = std::string_view::npos;
    const std::pair<std::string, TokenId>* first = nullptr;
    for (const auto& token : special_) {
      const std::size_t found = text.find(token.first);
      if (found < at ||
          (found == at && first != nullptr && token.first.size() > first->first.size()))
        at = found, first = &token;
    }
    if (first == nullptr) break;
    append_part(text.substr(0, at), ids);
    ids.push_back(first->second);
    text.remove_prefix(at + first->first.size());
  }
  append_part(text, ids);
  if (add_special) ids.push_back(rules_.after);
  return ids;
}

}  // namespace strop::text
