// SHA-256 of a text that arrives in pieces.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace tayfa::pods {

class sha256 {
 public:
  sha256();
  sha256(sha256&&) noexcept;
  sha256& operator=(sha256&&) noexcept;
  ~sha256();

  void add(std::string_view);
  /// 32 bytes; nothing can be added any more.
  std::string finish();

  static std::string of(std::string_view);

 private:
  struct state;
  std::unique_ptr<state> state_;
};

} // namespace tayfa::pods
