// Writes a body of which large texts are a part, without copying them.
#pragma once

#include "runtime/api/call.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tayfa::api {

class body_writer {
 public:
  /// Shorter texts are copied: that costs less than a piece of its own.
  static constexpr std::size_t piece_least = 4 * 1024;

  body_writer& text(std::string_view part) {
    last_ += part;
    return *this;
  }
  body_writer& shared(const shared_text& part);
  /// The body so far; the writer is empty again.
  std::pair<std::string, std::vector<shared_text>> done();
  response answer();

 private:
  void close_piece();

  std::string body_;
  std::vector<shared_text> more_;
  std::string last_; ///< of `body_` while more_ is empty, else a piece that is being written
};

} // namespace tayfa::api
