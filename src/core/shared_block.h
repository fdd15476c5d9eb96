// Memory shared with one worker, for rows of logits and for tensors. The main program creates it
// and seals its size.
#pragma once

#include <cstddef>
#include <span>

#include "core/files.h"
#include "strop/result.h"

namespace strop {

inline constexpr std::size_t kBlockBytes = 64u << 20;  // pages are used only when written

class SharedBlock {
 public:
  static Result<SharedBlock> create(std::size_t bytes = kBlockBytes);
  // Maps the block a worker inherited.
  static Result<SharedBlock> attach(int fd);
  SharedBlock(SharedBlock&& other) noexcept;
  SharedBlock& operator=(SharedBlock&&) = delete;
  ~SharedBlock();

  int descriptor() const { return fd_.get(); }
  std::span<std::byte> bytes() const { return {data_, size_}; }
  std::span<float> floats() const {
    return {reinterpret_cast<float*>(data_), size_ / sizeof(float)};
  }

 private:
  SharedBlock(Descriptor fd, std::byte* data, std::size_t size)
      : fd_(std::move(fd)), data_(data), size_(size) {}
  static Result<SharedBlock> map(Descriptor fd, std::size_t bytes);
  Descriptor fd_;
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace strop
