// The decoders report errors by longjmp, so that frames which call setjmp hold nothing that has a
// destructor: all of it is in the two reader objects.
#include "image.h"

#include <csetjmp>
#include <cstdio>
#include <cstring>

// jpeglib.h needs size_t and FILE before it.
#include <jpeglib.h>
#include <png.h>

namespace strop::data {
namespace {

constexpr int kMaxScans = 100;  // of a progressive JPEG: each costs a pass over the whole image

Error refuse(ErrorCode code, const std::string& what, const std::string& rule) {
  return Error{
      .code = code, .message = str("[data] ", what, ": ", rule), .field = "image", .value = what};
}

Error damaged(const std::string& what, const char* words) {
  return refuse(ErrorCode::corrupt, what, str("the image cannot be decoded: ", words));
}

Result<void> check_size(std::uint32_t width, std::uint32_t height, const std::string& what) {
  if (width >= 1 && height >= 1 && width <= kMaxSide && height <= kMaxSide &&
      std::uint64_t{width} * height <= kMaxPixels)
    return {};
  return refuse(ErrorCode::invalid_input, what,
                str("an image must have at most ", kMaxSide, " pixels a side and ", kMaxPixels,
                    " in all, but has ", width, " x ", height));
}

class PngReader {
 public:
  explicit PngReader(std::string_view bytes) : bytes_(bytes) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, fail, ignore);
    if (png_) info_ = png_create_info_struct(png_);
  }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }

  bool header() {
    if (!png_ || !info_ || setjmp(png_jmpbuf(png_))) return false;
    png_set_user_limits(png_, kMaxSide, kMaxSide);
    png_set_chunk_cache_max(png_, 128);
    png_set_chunk_malloc_max(png_, 8u << 20);
    png_set_read_fn(png_, this, give);
    png_read_info(png_, info_);
    png_set_expand(png_);
    png_set_scale_16(png_);
    png_set_gray_to_rgb(png_);
    png_set_strip_alpha(png_);
    passes_ = png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    return true;
  }

  std::uint32_t width() const { return png_get_image_width(png_, info_); }
  std::uint32_t height() const { return png_get_image_height(png_, info_); }
  bool is_rgb() const { return png_get_rowbytes(png_, info_) == std::size_t{width()} * 3; }

  // `out` has room for every row.
  bool pixels(std::uint8_t* out) {
    if (setjmp(png_jmpbuf(png_))) return false;
    const std::size_t row_bytes = png_get_rowbytes(png_, info_);
    for (int pass = 0; pass < passes_; ++pass) {
      for (std::uint32_t y = 0; y < height(); ++y)
        png_read_row(png_, out + std::size_t{y} * row_bytes, nullptr);
    }
    png_read_end(png_, nullptr);
    return true;
  }

  const char* words() const { return words_; }

 private:
  static void give(png_structp png, png_bytep out, std::size_t wanted) {
    auto& self = *static_cast<PngReader*>(png_get_io_ptr(png));
    if (wanted > self.bytes_.size()) png_error(png, "the file is cut off");
    std::memcpy(out, self.bytes_.data(), wanted);
    self.bytes_.remove_prefix(wanted);
  }
  [[noreturn]] static void fail(png_structp png, const char* words) {
    auto& self = *static_cast<PngReader*>(png_get_error_ptr(png));
    std::snprintf(self.words_, sizeof self.words_, "%s", words);
    png_longjmp(png, 1);
  }
  static void ignore(png_structp, const char*) {}

  std::string_view bytes_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  int passes_ = 1;
  char words_[200] = "out of memory";
};

class JpegReader {
 public:
  explicit JpegReader(std::string_view bytes) : bytes_(bytes) {
    info_.err = jpeg_std_error(&errors_);
    errors_.error_exit = fail;
    errors_.output_message = [](j_common_ptr) {};
    info_.client_data = this;
  }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;
  ~JpegReader() {
    if (created_) jpeg_destroy_decompress(&info_);
  }

  bool header() {
    if (setjmp(jump_)) return false;
    jpeg_create_decompress(&info_);
    created_ = true;
    progress_.progress_monitor = count_scans;
    info_.progress = &progress_;
    info_.mem->max_memory_to_use = 512l << 20;
    jpeg_mem_src(&info_, reinterpret_cast<const unsigned char*>(bytes_.data()), bytes_.size());
    return jpeg_read_header(&info_, TRUE) == JPEG_HEADER_OK;
  }

  std::uint32_t width() const { return info_.image_width; }
  std::uint32_t height() const { return info_.image_height; }
  bool is_colour() const {
    return info_.jpeg_color_space == JCS_GRAYSCALE || info_.jpeg_color_space == JCS_YCbCr ||
           info_.jpeg_color_space == JCS_RGB;
  }

  bool pixels(std::uint8_t* out) {
    if (setjmp(jump_)) return false;
    info_.out_color_space = JCS_RGB;
    jpeg_start_decompress(&info_);
    while (info_.output_scanline < info_.output_height) {
      JSAMPROW row = out + std::size_t{info_.output_scanline} * info_.output_width * 3;
      jpeg_read_scanlines(&info_, &row, 1);
    }
    jpeg_finish_decompress(&info_);
    // Such as data that ends early: the decoder would fill the rest with grey.
    if (errors_.num_warnings > 0) errors_.format_message(common(), words_);
    return errors_.num_warnings == 0;
  }

  const char* words() const { return words_; }

 private:
  j_common_ptr common() { return reinterpret_cast<j_common_ptr>(&info_); }
  [[noreturn]] static void fail(j_common_ptr info) {
    auto& self = *static_cast<JpegReader*>(info->client_data);
    info->err->format_message(info, self.words_);
    std::longjmp(self.jump_, 1);
  }
  static void count_scans(j_common_ptr info) {
    auto& self = *static_cast<JpegReader*>(info->client_data);
    if (!info->is_decompressor || self.info_.input_scan_number <= kMaxScans) return;
    std::snprintf(self.words_, sizeof self.words_, "it has more than %d scans", kMaxScans);
    std::longjmp(self.jump_, 1);
  }

  std::string_view bytes_;
  jpeg_decompress_struct info_{};
  jpeg_error_mgr errors_{};
  jpeg_progress_mgr progress_{};
  std::jmp_buf jump_{};
  bool created_ = false;
  char words_[JMSG_LENGTH_MAX] = "it has no image";
};

Result<Image> decode_png(std::string_view bytes, const std::string& what) {
  PngReader reader(bytes);
  if (!reader.header()) return damaged(what, reader.words());
  STROP_CHECK(check_size(reader.width(), reader.height(), what));
  if (!reader.is_rgb()) return refuse(ErrorCode::unsupported, what, "its colours are no RGB");
  Image image{.width = reader.width(), .height = reader.height(), .rgb = {}};
  image.rgb.resize(std::size_t{image.width} * image.height * 3);
  if (!reader.pixels(image.rgb.data())) return damaged(what, reader.words());
  return image;
}

Result<Image> decode_jpeg(std::string_view bytes, const std::string& what) {
  JpegReader reader(bytes);
  if (!reader.header()) return damaged(what, reader.words());
  STROP_CHECK(check_size(reader.width(), reader.height(), what));
  if (!reader.is_colour())
    return refuse(ErrorCode::unsupported, what, "its colours must be RGB or grey, not CMYK");
  Image image{.width = reader.width(), .height = reader.height(), .rgb = {}};
  image.rgb.resize(std::size_t{image.width} * image.height * 3);
  if (!reader.pixels(image.rgb.data())) return damaged(what, reader.words());
  return image;
}

}  // namespace

Result<Image> decode_image(std::string_view bytes, const std::string& what) {
  if (bytes.size() > kMaxImageFile)
    return refuse(ErrorCode::invalid_input, what,
                  str("an image file must be at most ", kMaxImageFile, " bytes"));
  if (bytes.starts_with("\x89PNG\r\n\x1a\n")) return decode_png(bytes, what);
  if (bytes.starts_with("\xff\xd8\xff")) return decode_jpeg(bytes, what);
  return refuse(ErrorCode::unsupported, what, "it is no PNG and no JPEG, by its first bytes");
}

}  // namespace strop::data
