#include "formats/gguf.h"

#include <algorithm>
#include <array>
#include <set>

#include "formats/checked.h"

namespace strop::formats {
namespace {

// Limits of a well-meant file; one that passes them is refused before it costs memory.
constexpr std::uint64_t kMaxKeyBytes = 64ull << 10;
constexpr std::uint64_t kMaxStringBytes = 16ull << 20;
constexpr std::uint64_t kMaxArrayCount = 64ull << 20;
constexpr std::uint64_t kMaxHeaderBytes = 256ull << 20;
constexpr std::uint64_t kMaxMetadata = 1ull << 16;
constexpr std::uint64_t kMaxTensors = 1ull << 20;
constexpr std::uint64_t kMaxAlignment = 1ull << 20;
constexpr std::uint64_t kMaxElements = 1ull << 40;
constexpr std::uint32_t kMaxDimensions = 4;
constexpr std::uint64_t kDefaultAlignment = 32;
constexpr std::string_view kMagic = "GGUF";

constexpr auto kTypes = std::to_array<TensorType>({
    {0, "f32", 1, 4},         {1, "f16", 1, 2},         {2, "q4_0", 32, 18},
    {3, "q4_1", 32, 20},      {6, "q5_0", 32, 22},      {7, "q5_1", 32, 24},
    {8, "q8_0", 32, 34},      {9, "q8_1", 32, 36},      {10, "q2_k", 256, 84},
    {11, "q3_k", 256, 110},   {12, "q4_k", 256, 144},   {13, "q5_k", 256, 176},
    {14, "q6_k", 256, 210},   {15, "q8_k", 256, 292},   {16, "iq2_xxs", 256, 66},
    {17, "iq2_xs", 256, 74},  {18, "iq3_xxs", 256, 98}, {19, "iq1_s", 256, 50},
    {20, "iq4_nl", 32, 18},   {21, "iq3_s", 256, 110},  {22, "iq2_s", 256, 82},
    {23, "iq4_xs", 256, 136}, {24, "i8", 1, 1},         {25, "i16", 1, 2},
    {26, "i32", 1, 4},        {27, "i64", 1, 8},        {28, "f64", 1, 8},
    {29, "iq1_m", 256, 56},   {30, "bf16", 1, 2},       {34, "tq1_0", 256, 54},
    {35, "tq2_0", 256, 66},   {39, "mxfp4", 32, 17},    {40, "nvfp4", 64, 36},
    {41, "q1_0", 128, 18},    {42, "q2_0", 64, 18},
});

// Bytes of one element of a metadata array; 0 for strings and arrays.
constexpr std::array<std::uint8_t, 13> kValueBytes{1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
static_assert(kValueBytes.size() == static_cast<std::size_t>(GgufType::f64) + 1);

template <class T>
T load(std::string_view raw, std::size_t index = 0) {
  T value;
  std::memcpy(&value, raw.data() + index * sizeof value, sizeof value);
  return value;
}

// A scalar of any type but string and array, widened.
GgufValue scalar(GgufType type, std::string_view raw) {
  GgufValue result{.type = type, .value = {}};
  switch (type) {
    case GgufType::u8:
      result.value = std::uint64_t{load<std::uint8_t>(raw)};
      break;
    case GgufType::u16:
      result.value = std::uint64_t{load<std::uint16_t>(raw)};
      break;
    case GgufType::u32:
      result.value = std::uint64_t{load<std::uint32_t>(raw)};
      break;
    case GgufType::u64:
      result.value = load<std::uint64_t>(raw);
      break;
    case GgufType::i8:
      result.value = std::int64_t{load<std::int8_t>(raw)};
      break;
    case GgufType::i16:
      result.value = std::int64_t{load<std::int16_t>(raw)};
      break;
    case GgufType::i32:
      result.value = std::int64_t{load<std::int32_t>(raw)};
      break;
    case GgufType::i64:
      result.value = load<std::int64_t>(raw);
      break;
    case GgufType::f32:
      result.value = double{load<float>(raw)};
      break;
    case GgufType::f64:
      result.value = load<double>(raw);
      break;
    case GgufType::boolean:
      result.value = raw[0] != 0;
      break;
    case GgufType::string:
    case GgufType::array:
      STROP_ASSERT(false, "no scalar");
  }
  return result;
}

class Parser {
 public:
  explicit Parser(const MappedFile& file) : cursor_(file.bytes(), file.path().string()) {}

  Cursor& cursor() { return cursor_; }

  Result<std::string_view> text(std::string_view field, std::uint64_t limit) {
    STROP_TRY(const auto length, cursor_.number<std::uint64_t>(field));
    if (length > limit)
      return cursor_.corrupt(field,
                             str("must be at most ", limit, " bytes long, but claims ", length));
    return cursor_.take(length, field);
  }

  Result<GgufType> value_type(std::string_view key) {
    STROP_TRY(const auto id, cursor_.number<std::uint32_t>(key));
    if (id > static_cast<std::uint32_t>(GgufType::f64))
      return cursor_.corrupt(key, str("has the unknown value type ", id));
    return static_cast<GgufType>(id);
  }

  Result<GgufValue> value(std::string_view key) {
    STROP_TRY(const GgufType type, value_type(key));
    if (type == GgufType::array) {
      STROP_TRY(GgufArray array, this->array(key));
      return GgufValue{.type = type, .value = std::move(array)};
    }
    if (type == GgufType::string) {
      STROP_TRY(const std::string_view string, text(key, kMaxStringBytes));
      return GgufValue{.type = type, .value = string};
    }
    STROP_TRY(const std::string_view raw,
              cursor_.take(kValueBytes[static_cast<std::size_t>(type)], key));
    if (type == GgufType::boolean && static_cast<unsigned char>(raw[0]) > 1)
      return cursor_.corrupt(key, "must be 0 or 1");
    return scalar(type, raw);
  }

 private:
  Result<GgufArray> array(std::string_view key) {
    GgufArray array;
    STROP_TRY(array.type, value_type(key));
    if (array.type == GgufType::array)
      return cursor_.corrupt(key, "must not be an array of arrays");
    STROP_TRY(array.count, cursor_.number<std::uint64_t>(key));
    // A string takes at least its length field.
    const std::uint64_t element =
        array.type == GgufType::string ? 8 : kValueBytes[static_cast<std::size_t>(array.type)];
    if (array.count > kMaxArrayCount || !(Checked(array.count) * element).at_most(cursor_.left()))
      return cursor_.corrupt(key,
                             str("claims ", array.count, " elements, more than the file holds"));
    if (array.type != GgufType::string) {
      STROP_TRY(array.raw, cursor_.take(array.count * element, key));
      return array;
    }
    array.strings.reserve(array.count);
    for (std::uint64_t i = 0; i < array.count; ++i) {
      STROP_TRY(const std::string_view string, text(key, kMaxStringBytes));
      array.strings.push_back(string);
    }
    return array;
  }

  Cursor cursor_;
};

}  // namespace

const TensorType* tensor_type(std::uint32_t id) {
  const auto found = std::find_if(kTypes.begin(), kTypes.end(),
                                  [&](const TensorType& type) { return type.id == id; });
  return found == kTypes.end() ? nullptr : &*found;
}

const TensorType* tensor_type(std::string_view name) {
  const auto found = std::find_if(kTypes.begin(), kTypes.end(),
                                  [&](const TensorType& type) { return type.name == name; });
  return found == kTypes.end() ? nullptr : &*found;
}

std::int64_t GgufArray::integer(std::size_t index) const {
  STROP_ASSERT(index < count, "array index ", index);
  switch (type) {
    case GgufType::u8:
    case GgufType::boolean:
      return load<std::uint8_t>(raw, index);
    case GgufType::i8:
      return load<std::int8_t>(raw, index);
    case GgufType::u16:
      return load<std::uint16_t>(raw, index);
    case GgufType::i16:
      return load<std::int16_t>(raw, index);
    case GgufType::u32:
      return load<std::uint32_t>(raw, index);
    case GgufType::i32:
      return load<std::int32_t>(raw, index);
    case GgufType::u64:
      return static_cast<std::int64_t>(load<std::uint64_t>(raw, index));
    case GgufType::i64:
      return load<std::int64_t>(raw, index);
    default:
      STROP_ASSERT(false, "the array holds no integers");
  }
  return 0;
}

double GgufArray::real(std::size_t index) const {
  STROP_ASSERT(index < count, "array index ", index);
  if (type == GgufType::f32) return load<float>(raw, index);
  if (type == GgufType::f64) return load<double>(raw, index);
  return static_cast<double>(integer(index));
}

std::uint64_t GgufTensor::elements() const {
  std::uint64_t product = 1;
  for (std::uint64_t dimension : shape) product *= dimension;
  return product;
}

Result<GgufFile> GgufFile::open(const std::filesystem::path& path) {
  STROP_TRY(MappedFile mapped, MappedFile::open(path));
  GgufFile file(std::move(mapped));
  STROP_CHECK(file.parse());
  return file;
}

Result<void> GgufFile::parse() {
  Parser parser(file_);
  Cursor& cursor = parser.cursor();
  STROP_TRY(const std::string_view magic, cursor.take(kMagic.size(), "magic"));
  if (magic != kMagic) return cursor.corrupt("magic", "must be GGUF");
  STROP_TRY(version_, cursor.number<std::uint32_t>("version"));
  if (version_ != 2 && version_ != 3) {
    return Error{.code = ErrorCode::unsupported,
                 .message = str("[formats] ", file_.path().string(),
                                ": version must be 2 or 3, but is ", version_),
                 .field = "version",
                 .value = str(version_),
                 .offset = 4};
  }
  STROP_TRY(const auto tensor_count, cursor.number<std::uint64_t>("tensor_count"));
  STROP_TRY(const auto metadata_count, cursor.number<std::uint64_t>("metadata_count"));
  // The shortest tensor entry has 24 bytes, the shortest metadata entry 13.
  if (tensor_count > kMaxTensors || !(Checked(tensor_count) * 24).at_most(cursor.left()))
    return cursor.corrupt("tensor_count", str("is ", tensor_count, ", more than the file holds"));
  if (metadata_count > kMaxMetadata || !(Checked(metadata_count) * 13).at_most(cursor.left()))
    return cursor.corrupt("metadata_count",
                          str("is ", metadata_count, ", more than the file holds"));

  const std::uint64_t metadata_begin = cursor.offset();
  std::set<std::string_view> names;
  for (std::uint64_t i = 0; i < metadata_count; ++i) {
    STROP_TRY(const std::string_view key, parser.text("metadata key", kMaxKeyBytes));
    if (key.empty() || !names.insert(key).second)
      return cursor.corrupt("metadata key", str("\"", key, "\" is empty or there twice"));
    STROP_TRY(GgufValue value, parser.value(key));
    metadata_.emplace_back(key, std::move(value));
    if (cursor.offset() > kMaxHeaderBytes)
      return cursor.corrupt("header", str("must be at most ", kMaxHeaderBytes, " bytes"));
  }
  metadata_bytes_ = file_.bytes().substr(metadata_begin, cursor.offset() - metadata_begin);
  std::uint64_t alignment = kDefaultAlignment;
  if (const GgufValue* stated = find("general.alignment")) {
    const auto* number = std::get_if<std::uint64_t>(&stated->value);
    if (!number || *number == 0 || (*number & (*number - 1)) != 0 || *number > kMaxAlignment)
      return cursor.corrupt("general.alignment",
                            str("must be a power of two up to ", kMaxAlignment));
    alignment = *number;
  }

  std::vector<std::uint64_t> offsets;
  names.clear();
  for (std::uint64_t i = 0; i < tensor_count; ++i) {
    GgufTensor tensor;
    STROP_TRY(tensor.name, parser.text("tensor name", kMaxKeyBytes));
    if (tensor.name.empty() || !names.insert(tensor.name).second)
      return cursor.corrupt("tensor name", str("\"", tensor.name, "\" is empty or there twice"));
    STROP_TRY(const auto dimensions, cursor.number<std::uint32_t>("n_dims"));
    if (dimensions < 1 || dimensions > kMaxDimensions)
      return cursor.corrupt("n_dims",
                            str("of ", tensor.name, " must be 1 to 4, but is ", dimensions));
    Checked elements = 1;
    for (std::uint32_t d = 0; d < dimensions; ++d) {
      STROP_TRY(const auto dimension, cursor.number<std::uint64_t>("dimension"));
      if (dimension == 0)
        return cursor.corrupt("dimension", str("of ", tensor.name, " must not be 0"));
      tensor.shape.push_back(dimension);
      elements = elements * dimension;
    }
    if (!elements.at_most(kMaxElements))
      return cursor.corrupt("dimension",
                            str("of ", tensor.name, ": the product passes ", kMaxElements));
    STROP_TRY(const auto type_id, cursor.number<std::uint32_t>("tensor type"));
    tensor.type = tensor_type(type_id);
    if (!tensor.type)
      return cursor.corrupt("tensor type", str("of ", tensor.name, " is the unknown ", type_id));
    if (tensor.shape[0] % tensor.type->block != 0)
      return cursor.corrupt("dimension", str("of ", tensor.name, ": a row of ", tensor.shape[0],
                                             " is no multiple of the ", tensor.type->block, " of ",
                                             tensor.type->name));
    STROP_TRY(const auto offset, cursor.number<std::uint64_t>("tensor offset"));
    if (offset % alignment != 0)
      return cursor.corrupt("tensor offset", str("of ", tensor.name, " must be a multiple of ",
                                                 alignment, ", but is ", offset));
    offsets.push_back(offset);
    tensors_.push_back(std::move(tensor));
  }

  const auto data_begin = Checked(cursor.offset()).aligned(alignment);
  const std::uint64_t file_bytes = file_.bytes().size();
  // A vocabulary-only file may end before the alignment.
  if (tensors_.empty()) return {};
  if (!data_begin.at_most(file_bytes))
    return cursor.corrupt("tensor data", "begins after the end of the file");
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    GgufTensor& tensor = tensors_[i];
    const std::uint64_t bytes = tensor.elements() / tensor.type->block * tensor.type->block_bytes;
    const Checked begin = data_begin + offsets[i];
    if (!(begin + bytes).at_most(file_bytes))
      return cursor.corrupt("tensor offset", str("of ", tensor.name, ": ", bytes, " bytes at ",
                                                 offsets[i], " pass the end of the file"));
    tensor.data = file_.bytes().substr(*begin.value(), bytes);
    ranges.emplace_back(*begin.value(), *(begin + bytes).value());
  }
  std::sort(ranges.begin(), ranges.end());
  for (std::size_t i = 1; i < ranges.size(); ++i) {
    if (ranges[i].first < ranges[i - 1].second)
      return cursor.corrupt("tensor offset", str("two tensors overlap at byte ", ranges[i].first));
  }
  return {};
}

const GgufValue* GgufFile::find(std::string_view key) const {
  for (const auto& [name, value] : metadata_) {
    if (name == key) return &value;
  }
  return nullptr;
}

const GgufTensor* GgufFile::tensor(std::string_view name) const {
  const auto found = std::find_if(tensors_.begin(), tensors_.end(),
                                  [&](const GgufTensor& tensor) { return tensor.name == name; });
  return found == tensors_.end() ? nullptr : &*found;
}

std::optional<std::string_view> GgufFile::text(std::string_view key) const {
  const GgufValue* value = find(key);
  const auto* text = value ? std::get_if<std::string_view>(&value->value) : nullptr;
  return text ? std::optional(*text) : std::nullopt;
}

std::optional<std::uint64_t> GgufFile::count(std::string_view key) const {
  const GgufValue* value = find(key);
  if (!value) return std::nullopt;
  if (const auto* number = std::get_if<std::uint64_t>(&value->value)) return *number;
  if (const auto* number = std::get_if<std::int64_t>(&value->value); number && *number >= 0)
    return static_cast<std::uint64_t>(*number);
  return std::nullopt;
}

std::optional<double> GgufFile::real(std::string_view key) const {
  const GgufValue* value = find(key);
  const auto* number = value ? std::get_if<double>(&value->value) : nullptr;
  return number ? std::optional(*number) : std::nullopt;
}

const GgufArray* GgufFile::array(std::string_view key) const {
  const GgufValue* value = find(key);
  return value ? std::get_if<GgufArray>(&value->value) : nullptr;
}

// ---- writing

namespace {

template <class T>
void put(std::string& out, T value) {
  char raw[sizeof value];
  std::memcpy(raw, &value, sizeof value);
  out.append(raw, sizeof raw);
}

void put_text(std::string& out, std::string_view text) {
  put<std::uint64_t>(out, text.size());
  out += text;
}

void put_key(std::string& out, const std::string& key, GgufType type) {
  put_text(out, key);
  put(out, static_cast<std::uint32_t>(type));
}

}  // namespace

void GgufWriter::add(const std::string& key, std::string_view text) {
  put_key(metadata_, key, GgufType::string);
  put_text(metadata_, text);
  ++metadata_count_;
}
void GgufWriter::add(const std::string& key, std::uint32_t value) {
  put_key(metadata_, key, GgufType::u32);
  put(metadata_, value);
  ++metadata_count_;
}
void GgufWriter::add(const std::string& key, float value) {
  put_key(metadata_, key, GgufType::f32);
  put(metadata_, value);
  ++metadata_count_;
}
void GgufWriter::add(const std::string& key, bool value) {
  put_key(metadata_, key, GgufType::boolean);
  put<std::uint8_t>(metadata_, value ? 1 : 0);
  ++metadata_count_;
}
void GgufWriter::add(const std::string& key, const std::vector<std::string>& values) {
  put_key(metadata_, key, GgufType::array);
  put(metadata_, static_cast<std::uint32_t>(GgufType::string));
  put<std::uint64_t>(metadata_, values.size());
  for (const std::string& value : values) put_text(metadata_, value);
  ++metadata_count_;
}
void GgufWriter::add(const std::string& key, const std::vector<std::int32_t>& values) {
  put_key(metadata_, key, GgufType::array);
  put(metadata_, static_cast<std::uint32_t>(GgufType::i32));
  put<std::uint64_t>(metadata_, values.size());
  for (std::int32_t value : values) put(metadata_, value);
  ++metadata_count_;
}

void GgufWriter::add_bytes(std::string_view entry) {
  metadata_ += entry;
  ++metadata_count_;
}

void GgufWriter::add_all(const GgufFile& file) {
  metadata_ += file.metadata_bytes();
  metadata_count_ += file.metadata().size();
}

void GgufWriter::add_tensor(std::string name, const TensorType& type,
                            std::vector<std::uint64_t> shape) {
  Declared tensor{.name = std::move(name), .type = &type, .shape = std::move(shape)};
  std::uint64_t elements = 1;
  for (std::uint64_t dimension : tensor.shape) elements *= dimension;
  tensor.offset = data_bytes_;
  tensor.bytes = elements / type.block * type.block_bytes;
  data_bytes_ = *Checked(data_bytes_ + tensor.bytes).aligned(kDefaultAlignment).value();
  tensors_.push_back(std::move(tensor));
}

Result<void> GgufWriter::begin(const std::filesystem::path& path) {
  STROP_CHECK(file_.begin(path));
  std::string header(kMagic);
  put<std::uint32_t>(header, 3);
  put<std::uint64_t>(header, tensors_.size());
  put<std::uint64_t>(header, metadata_count_);
  header += metadata_;
  for (const Declared& tensor : tensors_) {
    put_text(header, tensor.name);
    put(header, static_cast<std::uint32_t>(tensor.shape.size()));
    for (std::uint64_t dimension : tensor.shape) put(header, dimension);
    put(header, tensor.type->id);
    put(header, tensor.offset);
  }
  header.resize(*Checked(header.size()).aligned(kDefaultAlignment).value(), '\0');
  return file_.write(header);
}

Result<void> GgufWriter::append(std::string_view bytes) {
  STROP_CHECK(file_.write(bytes));
  appended_ += bytes.size();
  return pad();
}

// Zeroes up to the next tensor when the bytes so far end one.
Result<void> GgufWriter::pad() {
  for (const Declared& tensor : tensors_) {
    if (tensor.offset + tensor.bytes != appended_) continue;
    const std::uint64_t next = *Checked(appended_).aligned(kDefaultAlignment).value();
    STROP_CHECK(file_.write(std::string(next - appended_, '\0')));
    appended_ = next;
    break;
  }
  return {};
}

Result<void> GgufWriter::finish() {
  if (appended_ == data_bytes_) return file_.finish();
  return Error{.code = ErrorCode::io,
               .message = str("[formats] ", file_.path().string(), ": ", appended_,
                              " bytes of tensors were written, but ", data_bytes_, " declared")};
}

}  // namespace strop::formats
