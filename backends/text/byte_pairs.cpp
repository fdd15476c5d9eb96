#include "byte_pairs.h"

#include <algorithm>
#include <queue>
#include <string>
#include <tuple>

#include "words.h"

namespace strop::text {
namespace {

using Ids = std::unordered_map<std::string_view, TokenId>;

// How a byte is written in a byte-level vocabulary (GPT-2's bytes_to_unicode): printable Latin-1 as
// itself, the others in their order from U+0100.
std::array<std::string, 256> byte_characters() {
  std::array<std::string, 256> characters;
  unsigned next = 0x100;
  for (unsigned byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
    const unsigned code = printable ? byte : next++;
    if (code >= 0x80) characters[byte] += static_cast<char>(0xC0 | (code >> 6));
    characters[byte] += static_cast<char>(code >= 0x80 ? 0x80 | (code & 0x3F) : code);
  }
  return characters;
}

std::uint64_t key_of(TokenId left, TokenId right) {
  return std::uint64_t{static_cast<std::uint32_t>(left)} << 32 | static_cast<std::uint32_t>(right);
}

Ids ids_of(const formats::GgufArray& tokens) {
  Ids ids;
  for (std::size_t i = 0; i < tokens.strings.size(); ++i)
    ids.emplace(tokens.strings[i], static_cast<TokenId>(i));
  return ids;
}

TokenId found(const Ids& ids, std::string_view token) {
  const auto place = ids.find(token);
  return place == ids.end() ? -1 : place->second;
}

// A place in a word that is being merged.
struct Symbol {
  TokenId id;  // -1: part of its left neighbour by now
  std::ptrdiff_t left, right;
};

struct Candidate {
  std::uint32_t rank;
  std::ptrdiff_t at;
  TokenId made;
  bool operator>(const Candidate& other) const {
    return std::tie(rank, at) > std::tie(other.rank, other.at);
  }
};

}  // namespace

std::optional<BytePairs> BytePairs::of(const formats::GgufFile& vocabulary) {
  const auto* tokens = vocabulary.array("tokenizer.ggml.tokens");
  const auto* merges = vocabulary.array("tokenizer.ggml.merges");
  const auto pre_tokenizer = vocabulary.text("tokenizer.ggml.pre");
  if (vocabulary.text("tokenizer.ggml.model") != "gpt2" || tokens == nullptr || merges == nullptr ||
      !pre_tokenizer || !knows_words(*pre_tokenizer))
    return std::nullopt;

  BytePairs pairs;
  const Ids ids = ids_of(*tokens);
  const auto characters = byte_characters();
  std::transform(characters.begin(), characters.end(), pairs.bytes_.begin(),
                 [&](const std::string& character) { return found(ids, character); });
  if (std::find(pairs.bytes_.begin(), pairs.bytes_.end(), -1) == pairs.bytes_.end())
    return std::nullopt;

  for (std::size_t rank = 0; rank < merges->strings.size(); ++rank) {
    const std::string_view merge = merges->strings[rank];
    const auto space = merge.find(' ', 1);
    if (space == merge.npos) continue;
    const std::string_view left = merge.substr(0, space), right = merge.substr(space + 1);
    const TokenId a = found(ids, left), b = found(ids, right),
                  made = found(ids, std::string(left) + std::string(right));
    if (a >= 0 && b >= 0 && made >= 0)
      pairs.merges_.emplace(key_of(a, b), Merge{static_cast<std::uint32_t>(rank), made});
  }
  return pairs;
}

bool BytePairs::lacks_any_of(std::string_view text) const {
  return !std::all_of(text.begin(), text.end(), [this](char byte) { return has(byte); });
}

std::vector<TokenId> BytePairs::encode(std::string_view text) const {
  std::vector<TokenId> ids;
  for (const std::string& word : words_of(text)) append_merged(word, ids);
  return ids;
}

const BytePairs::Merge* BytePairs::merge_of(TokenId left, TokenId right) const {
  const auto place = merges_.find(key_of(left, right));
  return place == merges_.end() ? nullptr : &place->second;
}

void BytePairs::append_merged(std::string_view word, std::vector<TokenId>& ids) const {
  std::vector<Symbol> symbols;
  for (const char byte : word) {
    if (!has(byte)) continue;
    const auto at = static_cast<std::ptrdiff_t>(symbols.size());
    symbols.push_back({bytes_[static_cast<std::uint8_t>(byte)], at - 1, at + 1});
  }
  if (symbols.empty()) return;
  symbols.back().right = -1;
  const auto symbol = [&](std::ptrdiff_t at) -> Symbol& {
    return symbols[static_cast<std::size_t>(at)];
  };

  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;
  const auto consider = [&](std::ptrdiff_t left) {
    if (left < 0 || symbol(left).right < 0) return;
    const auto* merge = merge_of(symbol(left).id, symbol(symbol(left).right).id);
    if (merge != nullptr) queue.push({merge->rank, left, merge->made});
  };
  for (std::size_t i = 0; i < symbols.size(); ++i) consider(static_cast<std::ptrdiff_t>(i));

  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    Symbol& left = symbol(best.at);
    if (left.id < 0 || left.right < 0) continue;
    Symbol& right = symbol(left.right);
    const auto* merge = merge_of(left.id, right.id);
    if (merge == nullptr || merge->made != best.made) continue;  // its parts have changed since
    left.id = merge->made;
    left.right = right.right;
    right.id = -1;
    if (left.right >= 0) symbol(left.right).left = best.at;
    consider(left.left);
    consider(best.at);
  }
  for (const Symbol& one : symbols) {
    if (one.id >= 0) ids.push_back(one.id);
  }
}

}  // namespace strop::text
