// Zip as PKWARE's APPNOTE describes it, of which only stored entries without extra fields are used.
#include "formats/npz.h"

#include <array>
#include <cstring>
#include <set>

#include "core/utf8.h"
#include "formats/checked.h"
#include "formats/mapped_file.h"
#include "formats/npy.h"
#include "formats/streamed_file.h"

namespace fs = std::filesystem;

namespace strop::formats {
namespace {

constexpr std::uint32_t kLocal = 0x04034b50, kCentral = 0x02014b50, kEnd = 0x06054b50;
constexpr std::size_t kLocalBytes = 30, kCentralBytes = 46, kEndBytes = 22;
constexpr std::uint16_t kVersion = 20, kUtf8 = 0x800, kStored = 0;
constexpr std::uint16_t kDate = 0x21;  // 1 January 1980, so that equal arrays are equal files
constexpr std::size_t kMaxArrays = 1024;
constexpr std::size_t kMaxName = 256;
constexpr std::uint64_t kMaxFile = 0xffffffff;
constexpr std::string_view kSuffix = ".npy";

constexpr auto kCrcTable = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) ? 0xedb88320u : 0);
    table[i] = value;
  }
  return table;
}();

std::uint32_t crc32(std::uint32_t before, std::string_view bytes) {
  std::uint32_t crc = ~before;
  for (const char c : bytes)
    crc = (crc >> 8) ^ kCrcTable[(crc ^ static_cast<std::uint8_t>(c)) & 0xff];
  return ~crc;
}

template <class T>
void put(std::string& out, T value) {
  for (std::size_t i = 0; i < sizeof value; ++i)
    out += static_cast<char>((static_cast<std::uint64_t>(value) >> (8 * i)) & 0xff);
}

struct Entry {
  std::string name;
  std::uint32_t crc = 0;
  std::uint64_t bytes = 0, offset = 0;
};

// What a local and a central header have in common, from the version needed on.
void put_common(std::string& out, const Entry& entry) {
  put(out, kVersion), put(out, kUtf8), put(out, kStored);
  put(out, std::uint16_t{0}), put(out, kDate), put(out, entry.crc);
  put(out, static_cast<std::uint32_t>(entry.bytes)),
      put(out, static_cast<std::uint32_t>(entry.bytes));
  put(out, static_cast<std::uint16_t>(entry.name.size())), put(out, std::uint16_t{0});
}

std::string local_header(const Entry& entry) {
  std::string out;
  put(out, kLocal), put_common(out, entry);
  return out + entry.name;
}

std::string central_header(const Entry& entry) {
  std::string out;
  put(out, kCentral), put(out, kVersion), put_common(out, entry);
  put(out, std::uint16_t{0});  // comment
  put(out, std::uint16_t{0}), put(out, std::uint16_t{0}), put(out, std::uint32_t{0});
  put(out, static_cast<std::uint32_t>(entry.offset));
  return out + entry.name;
}

std::string end_record(std::size_t count, std::uint64_t offset, std::uint64_t bytes) {
  std::string out;
  put(out, kEnd), put(out, std::uint32_t{0});
  put(out, static_cast<std::uint16_t>(count)), put(out, static_cast<std::uint16_t>(count));
  put(out, static_cast<std::uint32_t>(bytes)), put(out, static_cast<std::uint32_t>(offset));
  put(out, std::uint16_t{0});
  return out;
}

Error refuse(ErrorCode code, const std::string& what, const std::string& field,
             const std::string& rule) {
  return Error{.code = code, .message = str("[formats] ", what, ": ", rule), .field = field};
}

std::string_view bytes_of(const Tensor& array) {
  return {reinterpret_cast<const char*>(array.data.data()), array.data.size()};
}

bool is_name(std::string_view name) {
  if (name.empty() || name.size() > kMaxName || invalid_utf8(name)) return false;
  for (const char c : name) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return false;
  }
  return true;
}

Result<void> check_array(const Tensor& array, const std::string& what) {
  if (!is_name(array.name))
    return refuse(ErrorCode::invalid_input, what, "name",
                  str("an array's name must be UTF-8 of 1 to ", kMaxName, " bytes"));
  if (npy_descr(array.type).empty())
    return refuse(ErrorCode::unsupported, what, array.name,
                  str(array.name, " has a type that NumPy lacks (bf16)"));
  const auto bytes = array_bytes(array.type, array.shape);
  if (!bytes || *bytes != array.data.size())
    return refuse(
        ErrorCode::invalid_input, what, array.name,
        str(array.name, " holds ", array.data.size(), " bytes, its shape says otherwise"));
  return {};
}

class Reader {
 public:
  Reader(std::string_view file, std::string what) : file_(file), what_(std::move(what)) {}

  Result<std::vector<Tensor>> read() {
    if (file_.size() < kEndBytes || file_.size() > kMaxFile)
      return corrupt("size", 0, str("must have ", kEndBytes, " bytes to 4 GiB"));
    const std::uint64_t end = file_.size() - kEndBytes;
    if (u32(end) != kEnd) return corrupt("end record", end, "must be the last 22 bytes");
    const std::uint16_t count = u16(end + 8);
    const std::uint64_t central_bytes = u32(end + 12), central = u32(end + 16);
    if (u32(end + 4) != 0 || u16(end + 10) != count || u16(end + 20) != 0)
      return corrupt("end record", end, "must be of one file without a comment");
    if (count > kMaxArrays)
      return corrupt("count", end + 8, str("must be at most ", kMaxArrays, ", but is ", count));
    if (!(Checked(central) + central_bytes).at_most(end) || central + central_bytes != end)
      return corrupt("directory", end + 12, "must end where the end record begins");
    std::vector<Tensor> arrays;
    std::uint64_t at = central, data = 0;
    for (std::uint16_t i = 0; i < count; ++i) {
      STROP_TRY(const Entry entry, read_entry(at, end, data));
      STROP_CHECK(check_local(entry, data, central));
      STROP_TRY(Tensor array, read_array(entry, data));
      if (!names_.insert(array.name).second)
        return corrupt("name", at, str("has the array ", array.name, " twice"));
      arrays.push_back(std::move(array));
      at += kCentralBytes + entry.name.size();
      data += kLocalBytes + entry.name.size() + entry.bytes;
    }
    if (at != end) return corrupt("directory", at, "has more than its entries");
    if (data != central) return corrupt("directory", central, "must follow the last array");
    return arrays;
  }

 private:
  std::uint64_t number(std::uint64_t offset, std::size_t bytes) const {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes; ++i)
      value |= std::uint64_t{static_cast<std::uint8_t>(file_[offset + i])} << (8 * i);
    return value;
  }
  std::uint32_t u32(std::uint64_t offset) const {
    return static_cast<std::uint32_t>(number(offset, 4));
  }
  std::uint16_t u16(std::uint64_t offset) const {
    return static_cast<std::uint16_t>(number(offset, 2));
  }

  Error corrupt(const std::string& field, std::uint64_t offset, const std::string& rule) const {
    return Error{.code = ErrorCode::corrupt,
                 .message = str("[formats] ", what_, ": ", field, " at byte ", offset, " ", rule),
                 .hint = "The file is damaged or not one of Strop's own samples.",
                 .field = field,
                 .offset = offset};
  }

  Result<Entry> read_entry(std::uint64_t at, std::uint64_t end, std::uint64_t data) const {
    if (end - at < kCentralBytes || u32(at) != kCentral)
      return corrupt("directory", at, "must have an entry for every array");
    const std::uint64_t length = u16(at + 28);
    if (u16(at + 10) != kStored)
      return Error{.code = ErrorCode::unsupported,
                   .message = str("[formats] ", what_, ": the entry at byte ", at,
                                  " is compressed, must be stored"),
                   .hint = "Give the file to strop run --data, which unpacks it.",
                   .field = "method",
                   .value = str(u16(at + 10)),
                   .offset = at + 10};
    if ((u16(at + 8) & ~kUtf8) != 0 || u16(at + 30) != 0 || u16(at + 32) != 0 || u16(at + 34) != 0)
      return corrupt("entry", at, "must have no flags, extra fields or comment");
    if (length <= kSuffix.size() || length > kMaxName + kSuffix.size() ||
        length > end - at - kCentralBytes)
      return corrupt("name", at + 28, "must be NAME.npy");
    if (u32(at + 20) != u32(at + 24))
      return corrupt("bytes", at + 20, "must be the same packed and unpacked");
    if (u32(at + 42) != data) return corrupt("offset", at + 42, str("must be ", data));
    return Entry{.name = std::string(file_.substr(at + kCentralBytes, length)),
                 .crc = u32(at + 16),
                 .bytes = u32(at + 24),
                 .offset = data};
  }

  // The header before the data must say what the directory says.
  Result<void> check_local(const Entry& entry, std::uint64_t at, std::uint64_t central) const {
    const Checked needed = Checked(at) + kLocalBytes + entry.name.size() + entry.bytes;
    if (!needed.at_most(central))
      return corrupt("bytes", at,
                     str("of ", entry.name.size(), " and ", entry.bytes, " pass the directory"));
    if (u32(at) != kLocal || (u16(at + 6) & ~kUtf8) != 0 || u16(at + 8) != kStored ||
        u32(at + 14) != entry.crc || u32(at + 18) != entry.bytes || u32(at + 22) != entry.bytes ||
        u16(at + 26) != entry.name.size() || u16(at + 28) != 0 ||
        file_.substr(at + kLocalBytes, entry.name.size()) != entry.name)
      return corrupt("entry", at, "must say what the directory says");
    return {};
  }

  Result<Tensor> read_array(const Entry& entry, std::uint64_t at) const {
    const std::string_view file = file_.substr(at + kLocalBytes + entry.name.size(), entry.bytes);
    const std::string_view stem =
        std::string_view(entry.name).substr(0, entry.name.size() - kSuffix.size());
    if (!entry.name.ends_with(kSuffix) || !is_name(stem))
      return corrupt("name", at, "must be NAME.npy in UTF-8");
    if (crc32(0, file) != entry.crc)
      return corrupt("checksum", at, str("of ", stem, " is not that of its data"));
    STROP_TRY(const NpyHeader header, read_npy_header(file, str(what_, ", ", stem)));
    const auto type = npy_type(header.descr);
    if (!type || header.fortran_order)
      return refuse(ErrorCode::unsupported, what_, std::string(stem),
                    str(stem, " must be little-endian numbers in C order, but is ", header.descr,
                        header.fortran_order ? " in Fortran order" : ""));
    const auto bytes = array_bytes(*type, header.shape);
    if (!bytes || *bytes != file.size() - header.data_offset)
      return corrupt(
          "shape", at,
          str("of ", stem, " does not fit its ", file.size() - header.data_offset, " bytes"));
    Tensor array{.name = std::string(stem), .type = *type, .shape = header.shape, .data = {}};
    array.data.resize(*bytes);
    if (*bytes > 0) std::memcpy(array.data.data(), file.data() + header.data_offset, *bytes);
    return array;
  }

  std::string_view file_;
  std::string what_;
  std::set<std::string> names_;
};

}  // namespace

Result<void> write_npz(const fs::path& path, std::span<const Tensor> arrays) {
  const std::string what = path.string();
  if (arrays.size() > kMaxArrays)
    return refuse(ErrorCode::invalid_input, what, "count",
                  str("an npz file must have at most ", kMaxArrays, " arrays"));
  std::set<std::string_view> names;
  std::vector<Entry> entries;
  Checked bytes = kEndBytes;
  for (const Tensor& array : arrays) {
    STROP_CHECK(check_array(array, what));
    if (!names.insert(array.name).second)
      return refuse(ErrorCode::invalid_input, what, array.name,
                    str("the array ", array.name, " is there twice"));
    const std::string header = npy_header(array.type, array.shape);
    entries.push_back({.name = str(array.name, kSuffix),
                       .crc = crc32(crc32(0, header), bytes_of(array)),
                       .bytes = header.size() + array.data.size()});
    bytes =
        bytes + entries.back().bytes + kLocalBytes + kCentralBytes + 2 * entries.back().name.size();
  }
  if (!bytes.at_most(kMaxFile))
    return refuse(ErrorCode::unsupported, what, "size", "a sample must be smaller than 4 GiB");

  StreamedFile file;
  STROP_CHECK(file.begin(path));
  std::uint64_t offset = 0;
  std::string directory;
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    entries[i].offset = offset;
    const std::string header = local_header(entries[i]);
    STROP_CHECK(file.write(header));
    STROP_CHECK(file.write(npy_header(arrays[i].type, arrays[i].shape)));
    STROP_CHECK(file.write(bytes_of(arrays[i])));
    offset += header.size() + entries[i].bytes;
    directory += central_header(entries[i]);
  }
  STROP_CHECK(file.write(directory));
  STROP_CHECK(file.write(end_record(entries.size(), offset, directory.size())));
  return file.finish();
}

Result<std::vector<Tensor>> read_npz(std::string_view bytes, const std::string& what) {
  return Reader(bytes, what).read();
}

Result<std::vector<Tensor>> read_npz(const fs::path& path) {
  STROP_TRY(const MappedFile file, MappedFile::open(path));
  return read_npz(file.bytes(), path.string());
}

}  // namespace strop::formats
