#include "runtime/api/python_literal.hpp"

#include "runtime/api/json_text.hpp"
#include "runtime/base/utf8.hpp"

#include <array>
#include <cstdint>

namespace tayfa::api {

namespace {

class reader {
 public:
  explicit reader(std::string_view text) : text_(text) {}

  std::optional<std::string> whole() {
    skip_space();
    if (!value(1)) {
      return std::nullopt;
    }
    skip_space();
    return at_ == text_.size() ? std::optional{std::move(out_)} : std::nullopt;
  }

 private:
  bool at(char c) const { return at_ < text_.size() && text_[at_] == c; }
  bool take(char c) { return at(c) && (++at_, true); }
  void skip_space() {
    while (at(' ') || at('\n')) {
      ++at_;
    }
  }

  bool value(std::size_t depth) {
    if (depth > json_depth_max || at_ >= text_.size()) {
      return false;
    }
    switch (text_[at_]) {
    case '{': return items('{', '}', depth);
    case '[': return items('[', ']', depth);
    case '(': return items('(', ')', depth);
    case '\'':
    case '"': return text();
    default: return word();
    }
  }

  bool items(char open, char close, std::size_t depth) {
    const bool dict = open == '{';
    take(open);
    out_ += dict ? '{' : '[';
    skip_space();
    for (bool first = true; !take(close); first = false) {
      if (!first) {
        if (!take(',')) {
          return false;
        }
        skip_space();
        if (take(close)) {
          break; // of a tuple of one
        }
        out_ += ',';
      }
      if (dict && !key()) {
        return false;
      }
      if (!value(depth + 1)) {
        return false;
      }
      skip_space();
    }
    out_ += dict ? '}' : ']';
    return true;
  }

  bool key() {
    if (!(at('\'') || at('"')) || !text()) {
      return false;
    }
    skip_space();
    if (!take(':')) {
      return false;
    }
    out_ += ':';
    skip_space();
    return true;
  }

  bool text() {
    const char quote = text_[at_++];
    std::string plain;
    while (!take(quote)) {
      if (at_ >= text_.size()) {
        return false;
      }
      const char c = text_[at_++];
      if (c != '\\') {
        plain += c;
      } else if (!escape(plain)) {
        return false;
      }
    }
    append_json_string(out_, plain);
    return true;
  }

  bool escape(std::string& plain) {
    if (at_ >= text_.size()) {
      return false;
    }
    const char c = text_[at_++];
    switch (c) {
    case 'n': plain += '\n'; return true;
    case 'r': plain += '\r'; return true;
    case 't': plain += '\t'; return true;
    case '\\':
    case '\'':
    case '"': plain += c; return true;
    case 'x': return code_point(plain, 2);
    case 'u': return code_point(plain, 4);
    case 'U': return code_point(plain, 8);
    default: return false;
    }
  }

  bool code_point(std::string& plain, std::size_t digits) {
    if (text_.size() - at_ < digits) {
      return false;
    }
    std::uint32_t point = 0;
    for (std::size_t i = 0; i < digits; ++i) {
      const char c = text_[at_++];
      const bool digit = c >= '0' && c <= '9';
      if (!digit && !(c >= 'a' && c <= 'f')) {
        return false;
      }
      point = point * 16 + static_cast<std::uint32_t>(digit ? c - '0' : c - 'a' + 10);
    }
    if (point > 0x10FFFF) {
      return false;
    }
    text::append_utf8(plain, point); // half of a pair becomes U+FFFD where the text is written
    return true;
  }

  bool word() {
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 3> words{
        {{"True", "true"}, {"False", "false"}, {"None", "null"}}};
    for (const auto& [python, json] : words) {
      if (text_.substr(at_).starts_with(python)) {
        at_ += python.size();
        out_ += json;
        return true;
      }
    }
    const std::size_t end = std::min(text_.find_first_not_of("+-.0123456789eE", at_), text_.size());
    const auto number = text_.substr(at_, end - at_);
    if (number.empty() || !check_json(number)) {
      return false;
    }
    at_ = end;
    out_ += number;
    return true;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::string out_;
};

} // namespace

std::optional<std::string> json_of_python(std::string_view text) {
  return reader{text}.whole();
}

} // namespace tayfa::api
