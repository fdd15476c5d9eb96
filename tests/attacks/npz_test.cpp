// Samples that are broken on purpose. Strop's own format, but a folder of them may come from
// anywhere.
#include "formats/npz.h"

#include <cstring>

#include "attacks/refused.h"
#include "formats/npy.h"
#include "support/bytes.h"

using namespace strop;
using namespace strop::test;
using namespace strop::formats;

namespace {

Tensor array(const std::string& name, std::vector<std::int64_t> shape = {2, 2}) {
  Tensor tensor{.name = name, .type = ElementType::u8, .shape = std::move(shape), .data = {}};
  tensor.data.assign(4, std::byte{7});
  return tensor;
}

std::string file_of(const std::vector<Tensor>& arrays) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "a.npz";
  const auto written = write_npz(path, arrays);
  REQUIRE(written);
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string right() { return file_of({array("x"), array("other")}); }

template <class T>
std::string with(std::string bytes, std::size_t at, T value) {
  std::memcpy(bytes.data() + at, &value, sizeof value);
  return bytes;
}

std::size_t directory(const std::string& bytes) {
  std::uint32_t offset = 0;
  std::memcpy(&offset, bytes.data() + bytes.size() - 6, 4);
  return offset;
}

// One array whose .npy file is these bytes, with a right checksum: made by exchanging the bytes of
// an array of u8, which may be anything.
std::string npy(const std::string& descr, const std::string& order, const std::string& shape) {
  const std::string text =
      str("{'descr': ", descr, ", 'fortran_order': ", order, ", 'shape': ", shape, ", }\n");
  return std::string("\x93NUMPY\1\0", 8) + raw(static_cast<std::uint16_t>(text.size())) + text;
}

}  // namespace

TEST_CASE("npz: the file that the others are made from is right") {
  const auto arrays = read_npz(right(), "a.npz");
  REQUIRE(arrays);
  CHECK(arrays->size() == 2);
}

TEST_CASE("npz: cut at every byte, and with more after the end") {
  const std::string whole = right();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    check_refused(read_npz(whole.substr(0, size), "a.npz"), ErrorCode::corrupt);
  }
  check_refused(read_npz(whole + "x", "a.npz"), ErrorCode::corrupt);
}

TEST_CASE("npz: no changed byte gives other values") {
  const std::string whole = right();
  const auto known = *read_npz(whole, "a.npz");
  for (std::size_t i = 0; i < whole.size(); ++i) {
    for (const int bit : {0, 3, 7}) {
      std::string bytes = whole;
      bytes[i] = static_cast<char>(bytes[i] ^ (1 << bit));
      const auto arrays = read_npz(bytes, "a.npz");
      if (!arrays) continue;  // a time or an attribute, which nobody reads
      REQUIRE(arrays->size() == known.size());
      for (std::size_t k = 0; k < known.size(); ++k) {
        CHECK((*arrays)[k].name == known[k].name);
        CHECK((*arrays)[k].shape == known[k].shape);
        CHECK((*arrays)[k].data == known[k].data);
      }
    }
  }
}

TEST_CASE("npz: entries that lie about size, place, method and number") {
  const std::string whole = right();
  const std::size_t entry = directory(whole), end = whole.size() - 22;
  check_refused(read_npz(with(whole, entry + 10, std::uint16_t{8}), "a"), ErrorCode::unsupported,
                "method");
  check_refused(read_npz(with(whole, entry + 8, std::uint16_t{1}), "a"), ErrorCode::corrupt,
                "entry");  // encrypted
  check_refused(read_npz(with(whole, entry + 42, std::uint32_t{1}), "a"), ErrorCode::corrupt,
                "offset");
  check_refused(read_npz(with(whole, entry + 24, std::uint32_t{0xffffffff}), "a"),
                ErrorCode::corrupt, "bytes");
  std::string huge = with(whole, entry + 20, std::uint32_t{0xfffffff0});
  check_refused(read_npz(with(huge, entry + 24, std::uint32_t{0xfffffff0}), "a"),
                ErrorCode::corrupt, "bytes");
  check_refused(read_npz(with(whole, entry + 28, std::uint16_t{0xffff}), "a"), ErrorCode::corrupt,
                "name");
  check_refused(read_npz(with(whole, 14, std::uint32_t{1}), "a"), ErrorCode::corrupt, "entry");
  for (const std::size_t at : {end + 8, end + 10})
    check_refused(read_npz(with(whole, at, std::uint16_t{1}), "a"), ErrorCode::corrupt);
  check_refused(read_npz(with(whole, end + 16, std::uint32_t{0}), "a"), ErrorCode::corrupt,
                "directory");
  check_refused(read_npz(with(whole, end + 12, std::uint32_t{0xffffffff}), "a"), ErrorCode::corrupt,
                "directory");
  check_refused(read_npz(with(whole, end + 20, std::uint16_t{1}), "a"), ErrorCode::corrupt,
                "end record");
  std::string many = with(whole, end + 8, std::uint16_t{1025});
  check_refused(read_npz(with(many, end + 10, std::uint16_t{1025}), "a"), ErrorCode::corrupt,
                "count");
}

TEST_CASE("npz: data that is not what the checksum was made of") {
  std::string whole = right();
  const std::size_t data = whole.find("\7\7\7\7");
  whole[data] = '\6';
  check_refused(read_npz(whole, "a"), ErrorCode::corrupt, "checksum");
}

TEST_CASE("npz: the same name twice") {
  std::string whole = file_of({array("x"), array("y")});
  for (std::size_t at = 0; (at = whole.find("y.npy", at)) != std::string::npos;) whole[at] = 'x';
  check_refused(read_npz(whole, "a"), ErrorCode::corrupt, "name");
}

TEST_CASE("npy: headers that are no plain array") {
  const auto header = [](const std::string& bytes) { return read_npy_header(bytes, "a"); };
  CHECK(header(npy("'<f4'", "False", "(2, 3)")));
  CHECK(header(npy("'<f4'", "False", "()")));
  check_refused(header(npy("'|O'", "False", "(1,)")), ErrorCode::unsupported, "descr");
  for (const char* descr : {"[('a', '<f4')]", "'<f4", "<f4", "{}", "'\\x00'", "''''"})
    check_refused(header(npy(descr, "False", "(1,)")), ErrorCode::corrupt, "header");
  for (const char* order : {"false", "0", "None", "", "__import__('os')"})
    check_refused(header(npy("'<f4'", order, "(1,)")), ErrorCode::corrupt, "header");
  for (const char* shape : {"(-1,)", "(1", "[1]", "1", "(1 2)", "(1.5,)", "(99999999999999999999,)",
                            "(1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,)", "(1,), 'x': (1,)"})
    check_refused(header(npy("'<f4'", "False", shape)), ErrorCode::corrupt, "header");
  const std::string good = npy("'<f4'", "False", "(2, 3)");
  for (std::size_t size = 0; size < good.size(); ++size)
    check_refused(header(good.substr(0, size)), ErrorCode::corrupt);
  check_refused(header(std::string("\x93NUMPY\4\0\2\0{}", 12)), ErrorCode::corrupt, "version");
  check_refused(header(std::string("\x93NUMPY\2\0\xff\xff\xff\x7f", 12)), ErrorCode::corrupt,
                "header length");
  check_refused(header("\x80\x04\x95."), ErrorCode::corrupt);
}

TEST_CASE("npy: shapes whose bytes overflow") {
  CHECK_FALSE(array_bytes(ElementType::f32, {1ll << 40, 1ll << 40}));
  CHECK_FALSE(array_bytes(ElementType::f32, {-1}));
  CHECK(array_bytes(ElementType::f32, {1ll << 40, 0}) == 0);
}
