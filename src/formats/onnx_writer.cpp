#include "formats/onnx_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <limits>

#include "formats/protobuf.h"
#include "strop/version.h"

namespace fs = std::filesystem;

namespace strop::formats {
namespace {

constexpr std::uint64_t kMaxMessageBytes = std::numeric_limits<std::int32_t>::max();
// A large tensor begins on a page, so that an engine can map it; a small one on a cache line.
constexpr std::uint64_t kLargeTensor = 1u << 20, kPage = 4096, kLine = 64;
// A constant of another model lies outside of the graph from this size on.
constexpr std::uint64_t kOutside = 1024;

void put(std::string& out, std::uint32_t field, std::uint64_t value) {
  put_field(out, field, value);
}

void put(std::string& out, std::uint32_t field, std::string_view bytes) {
  put_field(out, field, bytes);
}

void put(std::string& out, std::uint32_t field, float value) {
  put_varint(out, field << 3 | 5);
  const auto bits = std::bit_cast<std::uint32_t>(value);
  for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>((bits >> shift) & 0xff);
}

std::uint64_t number(OnnxType type) { return static_cast<std::uint64_t>(type); }

// Numbers of AttributeProto: the field of each kind of value, and the word for it in `type`.
struct PutAttribute {
  std::string& out;
  void operator()(std::int64_t value) const {
    put(out, 3, static_cast<std::uint64_t>(value));
    put(out, 20, std::uint64_t{2});
  }
  void operator()(float value) const {
    put(out, 2, value);
    put(out, 20, std::uint64_t{1});
  }
  void operator()(const std::string& value) const {
    put(out, 4, std::string_view(value));
    put(out, 20, std::uint64_t{3});
  }
  void operator()(const std::vector<std::int64_t>& values) const {
    for (const std::int64_t value : values) put(out, 8, static_cast<std::uint64_t>(value));
    put(out, 20, std::uint64_t{7});
  }
};

std::string encoded(const OnnxAttribute& attribute) {
  std::string out;
  put(out, 1, std::string_view(attribute.name));
  std::visit(PutAttribute{out}, attribute.value);
  return out;
}

std::string encoded(const OnnxDimension& dimension) {
  std::string out;
  if (const auto* size = std::get_if<std::int64_t>(&dimension))
    put(out, 1, static_cast<std::uint64_t>(*size));
  else
    put(out, 2, std::string_view(std::get<std::string>(dimension)));
  return out;
}

std::string encoded(const OnnxValue& value) {
  std::string shape, tensor, type, out;
  for (const OnnxDimension& dimension : value.shape)
    put(shape, 1, std::string_view(encoded(dimension)));
  put(tensor, 1, number(value.type));
  put(tensor, 2, std::string_view(shape));
  put(type, 1, std::string_view(tensor));
  put(out, 1, std::string_view(value.name));
  put(out, 2, std::string_view(type));
  return out;
}

std::string tensor_header(std::string_view name, std::uint64_t type,
                          const std::vector<std::int64_t>& shape) {
  std::string out;
  for (const std::int64_t dimension : shape) put(out, 1, static_cast<std::uint64_t>(dimension));
  put(out, 2, type);
  put(out, 8, name);
  return out;
}

std::string entry(std::string_view key, std::string_view value) {
  std::string out;
  put(out, 1, key);
  put(out, 2, value);
  return out;
}

std::uint64_t elements(const std::vector<std::int64_t>& shape) {
  std::uint64_t count = 1;
  for (const std::int64_t dimension : shape) count *= static_cast<std::uint64_t>(dimension);
  return count;
}

}  // namespace

std::uint64_t element_bytes(OnnxType type) {
  switch (type) {
    case OnnxType::u8:
    case OnnxType::i8:
      return 1;
    case OnnxType::f16:
      return 2;
    case OnnxType::f32:
    case OnnxType::i32:
      return 4;
    case OnnxType::i64:
      return 8;
  }
  return 0;
}

Result<void> OnnxWriter::begin(const fs::path& path) {
  path_ = path;
  data_ = path.parent_path() / str(path.filename().string(), ".data");
  aside_ = path.parent_path() / str(".", path.filename().string(), ".data.part");
  fd_.reset(::open(aside_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!fd_) return file_error("create", aside_, errno);
  return {};
}

void OnnxWriter::opset(std::string_view domain, std::int64_t version) {
  opsets_.emplace_back(domain, version);
}

void OnnxWriter::add(const OnnxNode& node) {
  std::string out;
  for (const std::string& name : node.inputs) put(out, 1, std::string_view(name));
  for (const std::string& name : node.outputs) put(out, 2, std::string_view(name));
  put(out, 3, std::string_view(str(node.op, "_", node_count_++)));
  put(out, 4, std::string_view(node.op));
  for (const OnnxAttribute& attribute : node.attributes)
    put(out, 5, std::string_view(encoded(attribute)));
  if (!node.domain.empty()) put(out, 7, std::string_view(node.domain));
  put(nodes_, 1, std::string_view(out));
}

void OnnxWriter::input(const OnnxValue& value) {
  put(inputs_, 11, std::string_view(encoded(value)));
}

void OnnxWriter::output(const OnnxValue& value) {
  put(outputs_, 12, std::string_view(encoded(value)));
}

void OnnxWriter::constant(std::string_view name, OnnxType type,
                          const std::vector<std::int64_t>& shape, std::string_view bytes) {
  STROP_ASSERT(bytes.size() == elements(shape) * element_bytes(type),
               "a constant's bytes match its shape: ", name);
  std::string out = tensor_header(name, number(type), shape);
  put(out, 9, bytes);
  put(initializers_, 5, std::string_view(out));
}

void OnnxWriter::refer(std::string_view name, std::uint64_t type,
                       const std::vector<std::int64_t>& shape, const Range& range) {
  std::string out = tensor_header(name, type, shape);
  for (const auto& [key, value] :
       {std::pair<const char*, std::string>{"location", data_.filename().string()},
        {"offset", str(range.offset)},
        {"length", str(range.bytes)}})
    put(out, 13, std::string_view(entry(key, value)));
  put(out, 14, std::uint64_t{1});
  put(initializers_, 5, std::string_view(out));
}

OnnxWriter::Slot OnnxWriter::tensor(std::string_view name, OnnxType type,
                                    const std::vector<std::int64_t>& shape) {
  return place(name, number(type), shape, elements(shape) * element_bytes(type));
}

OnnxWriter::Slot OnnxWriter::place(std::string_view name, std::uint64_t type,
                                   const std::vector<std::int64_t>& shape, std::uint64_t bytes) {
  Range range{.bytes = bytes, .name = std::string(name)};
  const std::uint64_t alignment = range.bytes >= kLargeTensor ? kPage : kLine;
  range.offset = (data_bytes_ + alignment - 1) / alignment * alignment;
  data_bytes_ = range.offset + range.bytes;
  refer(name, type, shape, range);
  ranges_.push_back(std::move(range));
  return ranges_.size() - 1;
}

void OnnxWriter::alias(std::string_view name, OnnxType type, const std::vector<std::int64_t>& shape,
                       Slot slot) {
  STROP_ASSERT(elements(shape) * element_bytes(type) == ranges_.at(slot).bytes,
               "an alias has as many bytes as its tensor: ", name);
  refer(name, number(type), shape, ranges_[slot]);
}

void OnnxWriter::keep_ir_version(std::uint64_t version) { ir_version_ = version; }

void OnnxWriter::keep_node(std::string_view encoded) { put(nodes_, 1, encoded); }

void OnnxWriter::keep_constant(std::string_view encoded) { put(initializers_, 5, encoded); }

Result<void> OnnxWriter::keep_constant(std::string_view name, std::uint64_t type,
                                       const std::vector<std::int64_t>& shape,
                                       std::string_view bytes) {
  if (bytes.size() >= kOutside) return append(place(name, type, shape, bytes.size()), bytes);
  std::string out = tensor_header(name, type, shape);
  put(out, 9, bytes);
  put(initializers_, 5, std::string_view(out));
  return {};
}

void OnnxWriter::keep_input(std::string_view encoded) { put(inputs_, 11, encoded); }

void OnnxWriter::keep_output(std::string_view encoded) { put(outputs_, 12, encoded); }

void OnnxWriter::keep_of_graph(std::string_view field) { graph_rest_ += field; }

void OnnxWriter::keep_of_model(std::string_view field) { model_rest_ += field; }

Result<void> OnnxWriter::append(Slot slot, std::string_view bytes) {
  Range& range = ranges_.at(slot);
  if (bytes.size() > range.bytes - range.appended)
    return Error{.code = ErrorCode::io,
                 .message = str("[formats] ", data_.string(), ": more bytes for ", range.name,
                                " than the declared ", range.bytes)};
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(fd_.get(), bytes.data(), bytes.size(),
                                     static_cast<off_t>(range.offset + range.appended));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return file_error("write", data_, errno);
    range.appended += static_cast<std::uint64_t>(written);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

std::string OnnxWriter::model() const {
  std::string graph = nodes_;
  put(graph, 2, std::string_view("model"));
  graph += initializers_ + inputs_ + outputs_ + graph_rest_;
  std::string out;
  put(out, 1, ir_version_);
  put(out, 2, std::string_view("strop"));
  put(out, 3, std::string_view(STROP_VERSION));
  put(out, 7, std::string_view(graph));
  for (const auto& [domain, version] : opsets_) {
    std::string set;
    if (!domain.empty()) put(set, 1, std::string_view(domain));
    put(set, 2, static_cast<std::uint64_t>(version));
    put(out, 8, std::string_view(set));
  }
  return out + model_rest_;
}

Result<void> OnnxWriter::finish() {
  for (const Range& range : ranges_) {
    if (range.appended != range.bytes)
      return Error{.code = ErrorCode::io,
                   .message = str("[formats] ", data_.string(), ": ", range.appended,
                                  " bytes were written for ", range.name, ", but ", range.bytes,
                                  " declared")};
  }
  const std::string graph = model();
  if (graph.size() > kMaxMessageBytes)
    return Error{.code = ErrorCode::unsupported,
                 .message = str("[formats] ", path_.string(), ": the graph takes ", graph.size(),
                                " bytes, but a protobuf message at most ", kMaxMessageBytes),
                 .field = "graph",
                 .value = str(graph.size())};
  if (::fsync(fd_.get()) != 0) return file_error("sync", data_, errno);
  fd_.reset();
  if (::rename(aside_.c_str(), data_.c_str()) != 0) return file_error("rename to", data_, errno);
  aside_ = data_;
  STROP_CHECK(write_whole(path_, graph));
  aside_.clear();
  return {};
}

// Weights without their graph are of no use to anyone.
OnnxWriter::~OnnxWriter() {
  if (!aside_.empty()) ::unlink(aside_.c_str());
}

}  // namespace strop::formats
