#include "config.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace strop::data {
namespace {

constexpr std::uint32_t kMaxSize = 8192;
constexpr std::size_t kMaxClasses = 1u << 20;

Error refuse(const std::string& field, const std::string& rule, const Json& value) {
  const std::string got = shown(value);
  return Error{.code = ErrorCode::invalid_input,
               .message = str("[data] data.json: ", field, " ", rule, ", but is ", got),
               .hint = "docs/data.md lists the fields.",
               .field = field,
               .value = got};
}

// One object of the file. Every field is asked for once; end() refuses those that nobody knows.
class Object {
 public:
  Object(const Json& json, std::string path) : json_(json), path_(std::move(path)) {}

  Result<void> begin() const {
    if (json_.is_object()) return {};
    return refuse(path_.empty() ? "the file" : path_, "must be an object", json_);
  }
  Result<void> end() const {
    for (const auto& [key, value] : json_.items()) {
      if (!known_.contains(key)) return refuse(where(key), "is no field that is known", value);
    }
    return {};
  }

  // Null when it is not there.
  const Json* get(const std::string& key) {
    known_.insert(key);
    const auto found = json_.find(key);
    return found == json_.end() ? nullptr : &*found;
  }
  std::string where(const std::string& key) const {
    return path_.empty() ? key : path_ + "." + key;
  }

  Result<void> text(const std::string& key, std::string& out) {
    const Json* const value = get(key);
    if (!value) return {};
    if (!value->is_string() || value->get_ref<const std::string&>().size() > 4096)
      return refuse(where(key), "must be text", *value);
    out = value->get<std::string>();
    return {};
  }

  Result<void> flag(const std::string& key, std::optional<bool>& out) {
    const Json* const value = get(key);
    if (!value) return {};
    if (!value->is_boolean()) return refuse(where(key), "must be true or false", *value);
    out = value->get<bool>();
    return {};
  }

  template <class T>
  Result<void> whole(const std::string& key, std::uint64_t least, std::uint64_t most,
                     std::optional<T>& out) {
    const Json* const value = get(key);
    if (!value) return {};
    if (!value->is_number_unsigned() || value->get<std::uint64_t>() < least ||
        value->get<std::uint64_t>() > most)
      return refuse(where(key), str("must be an integer from ", least, " to ", most), *value);
    out = static_cast<T>(value->get<std::uint64_t>());
    return {};
  }

  // One of some words; the position in the list is the enumerator's value.
  template <class E>
  Result<void> word(const std::string& key, const std::vector<std::string>& words,
                    std::optional<E>& out) {
    std::string text_value;
    STROP_CHECK(text(key, text_value));
    if (!get(key)) return {};
    const auto found = std::find(words.begin(), words.end(), text_value);
    std::string list;
    for (const std::string& one : words) list += (list.empty() ? "" : ", ") + one;
    if (found == words.end()) return refuse(where(key), "must be one of " + list, *get(key));
    out = static_cast<E>(found - words.begin());
    return {};
  }

  Result<void> numbers(const std::string& key, bool positive, std::vector<float>& out) {
    const Json* const value = get(key);
    if (!value) return {};
    const Json list = value->is_number() ? Json::array({*value}) : *value;
    if (!list.is_array() || (list.size() != 1 && list.size() != 3))
      return refuse(where(key), "must be one number or three", *value);
    for (const Json& number : list) {
      if (!number.is_number() || std::abs(number.get<double>()) > 1e6 ||
          (positive && number.get<double>() < 1e-6))
        return refuse(where(key),
                      positive ? "must be numbers from 0.000001 to 1000000"
                               : "must be numbers from -1000000 to 1000000",
                      *value);
      out.push_back(number.get<float>());
    }
    return {};
  }

 private:
  const Json& json_;
  std::string path_;
  std::set<std::string> known_;
};

Result<ImageConfig> read_images(const Json& json) {
  ImageConfig config;
  Object object(json, "images");
  STROP_CHECK(object.begin());
  STROP_CHECK(object.text("input", config.input));
  if (const Json* const size = object.get("size")) {
    const auto side = [&](const Json& value) {
      return value.is_number_unsigned() && value.get<std::uint64_t>() >= 1 &&
             value.get<std::uint64_t>() <= kMaxSize;
    };
    if (!size->is_array() || size->size() != 2 || !side((*size)[0]) || !side((*size)[1]))
      return refuse("images.size", str("must be [width, height], each from 1 to ", kMaxSize),
                    *size);
    config.width = (*size)[0].get<std::uint32_t>();
    config.height = (*size)[1].get<std::uint32_t>();
  }
  STROP_CHECK(object.word("fit", {"stretch", "crop", "pad"}, config.fit));
  STROP_CHECK(object.whole("shorter", 1, kMaxSize, config.shorter));
  STROP_CHECK(object.whole("pad", 0, 255, config.pad));
  std::optional<int> anchor, resize;
  STROP_CHECK(object.word("anchor", {"top_left", "center"}, anchor));
  STROP_CHECK(object.word("resize", {"bilinear", "antialias"}, resize));
  if (anchor) config.pad_centred = *anchor == 1;
  if (resize) config.antialias = *resize == 1;
  STROP_CHECK(object.word("channels", {"rgb", "bgr", "gray"}, config.channels));
  STROP_CHECK(object.word("layout", {"nchw", "nhwc"}, config.layout));
  STROP_CHECK(object.numbers("mean", false, config.mean));
  STROP_CHECK(object.numbers("std", true, config.deviation));
  if (const Json* const scale = object.get("scale")) {
    if (!scale->is_number() || !(scale->get<double>() >= 1e-6) || scale->get<double>() > 1e6)
      return refuse("images.scale", "must be a number from 0.000001 to 1000000", *scale);
    config.scale = scale->get<double>();
  }
  STROP_CHECK(object.end());
  const auto needs = [&](bool given, const char* field, Fitting fit,
                         const char* word) -> Result<void> {
    if (!given || config.fit == fit) return {};
    return refuse(str("images.", field), str("goes with fit ", word, " only"), *object.get(field));
  };
  STROP_CHECK(needs(config.shorter.has_value(), "shorter", Fitting::crop, "crop"));
  STROP_CHECK(needs(config.pad.has_value(), "pad", Fitting::pad, "pad"));
  STROP_CHECK(needs(config.pad_centred.has_value(), "anchor", Fitting::pad, "pad"));
  return config;
}

Error ask(const std::string& field, const Port& port, const std::string& rule) {
  return Error{.code = ErrorCode::invalid_input,
               .message = str("[data] the model's input ", in_words(std::vector{port}), " ", rule),
               .hint = str("Say it in data.json beside the images: {\"images\": {\"", field,
                           "\": ...}} (docs/data.md)."),
               .field = "images." + field,
               .value = in_words(port.shape)};
}

Result<Port> image_port(const ImageConfig& config, const std::vector<Port>& inputs) {
  std::vector<Port> found;
  for (const Port& port : inputs) {
    if (config.input.empty() ? port.shape.size() == 4 : port.name == config.input)
      found.push_back(port);
  }
  if (found.size() == 1 && found[0].shape.size() == 4) return found[0];
  return Error{
      .code = ErrorCode::invalid_input,
      .message = str("[data] images.input must name the one input of four dimensions that "
                     "takes images; the model's inputs are ",
                     in_words(inputs)),
      .hint = "Say it in data.json beside the images: {\"images\": {\"input\": \"NAME\"}}.",
      .field = "images.input",
      .value = config.input};
}

bool is_channels(std::int64_t dimension) { return dimension == 1 || dimension == 3; }

Result<Layout> settle_layout(const ImageConfig& config, const Port& port) {
  if (config.layout) return *config.layout;
  const bool first = is_channels(port.shape[1]), last = is_channels(port.shape[3]);
  if (first == last) return ask("layout", port, "does not tell nchw from nhwc");
  return first ? Layout::nchw : Layout::nhwc;
}

Result<std::uint32_t> settle_side(std::int64_t stated, std::optional<std::uint32_t> asked,
                                  const Port& port) {
  if (!asked && stated == -1) return ask("size", port, "takes images of any size");
  if (!asked && (stated < 1 || stated > kMaxSize))
    return ask("size", port, str("must have sides from 1 to ", kMaxSize));
  if (asked && stated != -1 && stated != *asked)
    return refuse("images.size", str("must be what the model takes, ", in_words(port.shape)),
                  *asked);
  return asked ? *asked : static_cast<std::uint32_t>(stated);
}

std::string number(float value) { return text_of(value); }
std::string numbers(const std::vector<float>& values) {
  std::string text;
  for (const float value : values) text += (text.empty() ? "" : ", ") + number(value);
  return text;
}

}  // namespace

Result<DataConfig> read_data_config(const Json& json) {
  DataConfig config;
  Object object(json, "");
  STROP_CHECK(object.begin());
  std::optional<int> task, each;
  STROP_CHECK(
      object.word("task", {"classification", "detection", "embedding", "regression"}, task));
  if (task) STROP_CHECK(object.text("task", config.task));
  STROP_CHECK(object.text("output", config.output));
  STROP_CHECK(object.text("labels", config.labels));
  STROP_CHECK(object.word("each", {"file", "row"}, each));
  if (each) config.rows = *each == 1;
  if (const Json* const classes = object.get("classes")) {
    if (!classes->is_array() || classes->size() > kMaxClasses)
      return refuse("classes", "must be a list of names", *classes);
    for (const Json& name : *classes) {
      if (!name.is_string()) return refuse("classes", "must be a list of names", name);
      config.classes.push_back(name.get<std::string>());
    }
  }
  if (const Json* const constants = object.get("constants")) {
    if (!constants->is_object())
      return refuse("constants", "must be an object of values by input", *constants);
    for (const auto& [name, value] : constants->items()) config.constants.emplace(name, value);
  }
  if (const Json* const images = object.get("images")) {
    STROP_TRY(config.images, read_images(*images));
  }
  STROP_CHECK(object.end());
  return config;
}

Result<ImagePlan> settle(const ImageConfig& config, const std::vector<Port>& inputs) {
  STROP_TRY(const Port port, image_port(config, inputs));
  if (port.shape[0] != -1 && port.shape[0] != 1)
    return ask("input", port, "takes more than one image at once: give npz files");
  ImagePlan plan{.input = port.name};
  if (port.type != "f32" && port.type != "f16" && port.type != "u8")
    return ask("input", port, "must be f32, f16 or u8 to take images");
  plan.type = *from_name<ElementType>(port.type);
  STROP_TRY(plan.layout, settle_layout(config, port));
  const bool first = plan.layout == Layout::nchw;
  const std::int64_t channels = port.shape[first ? 1 : 3];
  if (!config.channels && !is_channels(channels))
    return ask("channels", port, "does not tell how many channels it takes");
  plan.channels = config.channels ? *config.channels
                  : channels == 1 ? Channels::gray
                                  : Channels::rgb;
  if (channels != -1 && channels != plan.channel_count())
    return ask("channels", port, str("takes ", channels, " channels"));
  STROP_TRY(plan.height, settle_side(port.shape[first ? 2 : 1], config.height, port));
  STROP_TRY(plan.width, settle_side(port.shape[first ? 3 : 2], config.width, port));
  plan.fit = config.fit.value_or(Fitting::stretch);
  plan.shorter = config.shorter.value_or(0);
  if (plan.shorter > 0 && plan.shorter < std::max(plan.width, plan.height))
    return refuse("images.shorter", "must not be smaller than the size that is cut out",
                  plan.shorter);
  plan.pad = config.pad.value_or(0);
  plan.pad_centred = config.pad_centred.value_or(true);
  plan.antialias = config.antialias.value_or(true);
  const bool bytes = plan.type == ElementType::u8;
  plan.scale = config.scale ? static_cast<float>(*config.scale) : bytes ? 1.0f : 1.0f / 255;
  if (!config.mean.empty()) plan.mean = config.mean;
  if (!config.deviation.empty()) plan.deviation = config.deviation;
  for (const auto& [field, values] : {std::pair{"mean", plan.mean}, {"std", plan.deviation}}) {
    if (values.size() != 1 && values.size() != plan.channel_count())
      return refuse(str("images.", field), "must have one number per channel", values.size());
  }
  if (bytes && (plan.scale != 1 || plan.mean != std::vector<float>{0} ||
                plan.deviation != std::vector<float>{1}))
    return ask("scale", port, "takes pixels as they are: leave scale, mean and std out");
  return plan;
}

std::string in_words(const std::vector<std::int64_t>& shape) {
  std::string text;
  for (const std::int64_t dimension : shape)
    text += str(text.empty() ? "" : ", ", dimension < 0 ? "?" : str(dimension));
  return "[" + text + "]";
}

std::string in_words(const std::vector<Port>& ports) {
  std::string text;
  for (const Port& port : ports)
    text += str(text.empty() ? "" : ", ", port.name, " ", port.type, " ",
                port.any_rank ? "of any shape" : in_words(port.shape));
  return text;
}

std::string in_words(const ImagePlan& plan) {
  constexpr const char* kFits[] = {"stretched", "cropped", "padded"};
  constexpr const char* kChannels[] = {"rgb", "bgr", "gray"};
  std::string text = str("Images become ", plan.input, ": ", plan.width, " x ", plan.height, ", ",
                         kFits[static_cast<int>(plan.fit)]);
  if (plan.shorter > 0) text += str(" from a shorter side of ", plan.shorter);
  if (plan.fit == Fitting::pad)
    text += str(" with ", +plan.pad, plan.pad_centred ? "" : " at the right and below");
  text += str(plan.antialias ? ", antialiased" : ", bilinear", ", ",
              kChannels[static_cast<int>(plan.channels)],
              plan.layout == Layout::nchw ? ", nchw" : ", nhwc", ", (pixel * ", number(plan.scale),
              " - [", numbers(plan.mean), "]) / [", numbers(plan.deviation), "].");
  return text;
}

}  // namespace strop::data
