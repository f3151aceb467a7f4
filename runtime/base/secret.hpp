// A secret text: API key or token. It has no formatter and no conversion to text, so it cannot be
// logged, printed or put into a log field by mistake; reveal() is the only access and easy to
// search for.
//
// The bytes are in a heap buffer of their own (never in a small-string buffer that a move would
// leave behind) and are overwritten when the owner is destroyed or assigned to.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace tayfa {

class secret_text {
 public:
  secret_text() = default;
  explicit secret_text(std::string_view text)
      : bytes_(text.empty() ? nullptr : std::make_unique<char[]>(text.size())), size_(text.size()) {
    if (size_ > 0) {
      std::memcpy(bytes_.get(), text.data(), size_);
    }
  }
  /// Copies the text and overwrites the original.
  static secret_text take(std::string& text) {
    secret_text out{text};
    ::explicit_bzero(text.data(), text.size());
    text.clear();
    return out;
  }

  secret_text(const secret_text& other) : secret_text(other.reveal()) {}
  secret_text(secret_text&& other) noexcept
      : bytes_(std::move(other.bytes_)), size_(std::exchange(other.size_, 0)) {}
  secret_text& operator=(secret_text other) noexcept {
    std::swap(bytes_, other.bytes_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~secret_text() {
    if (bytes_) {
      ::explicit_bzero(bytes_.get(), size_);
    }
  }

  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }

  /// The plain text, for the one call that needs it; valid as long as this object.
  std::string_view reveal() const { return {bytes_.get(), size_}; }

  /// Compares in constant time: its duration reveals only the length.
  bool matches(std::string_view candidate) const {
    unsigned char difference = candidate.size() == size_ ? 0 : 1;
    for (std::size_t i = 0; i < candidate.size() && i < size_; ++i) {
      difference = static_cast<unsigned char>(difference | (candidate[i] ^ bytes_[i]));
    }
    return difference == 0;
  }

 private:
  std::unique_ptr<char[]> bytes_;
  std::size_t size_ = 0;
};

} // namespace tayfa
