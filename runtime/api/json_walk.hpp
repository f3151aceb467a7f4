// A walk over JSON text, value by value, that parses nothing: members and elements are byte ranges
// of the text.
//
// Owner: the function that walks. On valid JSON each value() is one value. On any other text it
// stays inside the text and always ends; what it finds must then be checked (check_json).
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace tayfa::api {

class json_walker {
 public:
  explicit json_walker(std::string_view text) : text_(text) {}

  bool at(char c) const { return position_ < text_.size() && text_[position_] == c; }
  bool at_end() const { return position_ == text_.size(); }
  /// No string, array or object was cut off by the end of the text so far.
  bool whole() const { return whole_; }
  void step() { position_ = std::min(position_ + 1, text_.size()); }
  void skip_space() {
    while (position_ < text_.size() && is_space(text_[position_])) {
      ++position_;
    }
  }
  std::string_view value() {
    const std::size_t begin = position_;
    if (at('"')) {
      skip_string();
    } else if (at('{') || at('[')) {
      skip_nested();
    } else {
      position_ = std::min(text_.find_first_of(",]} \t\r\n", position_), text_.size());
    }
    return text_.substr(begin, position_ - begin);
  }

 private:
  static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

  /// From quote to quote, because that is what memchr is fast at: a quote ends the string unless
  /// an odd number of backslashes stands before it. No run of backslashes is counted twice.
  void skip_string() {
    const std::size_t begin = ++position_;
    for (;;) {
      const std::size_t quote = text_.find('"', position_);
      if (quote == std::string_view::npos) {
        position_ = text_.size();
        whole_ = false;
        return;
      }
      position_ = quote + 1;
      std::size_t first = quote;
      while (first > begin && text_[first - 1] == '\\') {
        --first;
      }
      if ((quote - first) % 2 == 0) {
        return;
      }
    }
  }

  void skip_nested() {
    std::size_t depth = 0;
    while (position_ < text_.size()) {
      switch (text_[position_]) {
      case '"': skip_string(); continue;
      case '{':
      case '[': ++depth; break;
      case '}':
      case ']': --depth; break;
      default: break;
      }
      ++position_;
      if (depth == 0) {
        return;
      }
    }
    whole_ = false;
  }

  std::string_view text_;
  std::size_t position_ = 0;
  bool whole_ = true;
};

} // namespace tayfa::api
