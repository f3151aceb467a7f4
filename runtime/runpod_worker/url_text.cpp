#include "runtime/runpod_worker/url_text.hpp"

#include <algorithm>

namespace tayfa::runpod {

namespace {

constexpr std::string_view unreserved_marks = "-._~";
constexpr std::string_view path_marks = "!$&'()*+,;=:@";
constexpr std::string_view query_value_marks = "!$'()*,:@/?";

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         unreserved_marks.find(c) != std::string_view::npos;
}
bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
bool among(std::string_view marks, char c) {
  return marks.find(c) != std::string_view::npos;
}

void append_encoded(std::string& out, char c) {
  static constexpr std::string_view digits = "0123456789ABCDEF";
  const auto byte = static_cast<unsigned char>(c);
  out += '%';
  out += digits[byte >> 4U];
  out += digits[byte & 0xFU];
}

void append_value(std::string& out, std::string_view value, bool in_query) {
  const std::string_view marks = in_query ? query_value_marks : path_marks;
  for (const char c : value) {
    if (is_plain(c) || among(marks, c)) {
      out += c;
    } else {
      append_encoded(out, c);
    }
  }
}

/// Start of the part after scheme and authority; only that part may be encoded.
std::size_t path_begin(std::string_view url) {
  const std::size_t scheme = url.find("://");
  const std::size_t authority = scheme == std::string_view::npos ? 0 : scheme + 3;
  return std::min(url.find_first_of("/?", authority), url.size());
}

} // namespace

std::string expand(std::string_view url_template, std::initializer_list<variable> variables,
                   std::string_view query_space) {
  const std::size_t begin = path_begin(url_template);
  std::string out{url_template.substr(0, begin)};
  bool in_query = false;
  std::size_t i = begin;
  while (i < url_template.size()) {
    const std::string_view rest = url_template.substr(i);
    const auto* const found =
        std::find_if(variables.begin(), variables.end(),
                     [rest](const variable& p) { return rest.starts_with(p.name); });
    if (found != variables.end()) {
      append_value(out, found->value, in_query);
      i += found->name.size();
      continue;
    }
    const char c = url_template[i++];
    const bool escape = c == '%' && rest.size() > 2 && is_hex(rest[1]) && is_hex(rest[2]);
    in_query = in_query || c == '?';
    if (c == ' ' && in_query) {
      out += query_space;
    } else if (escape || is_plain(c) || among(path_marks, c) || c == '/' || c == '?') {
      out += c;
    } else {
      append_encoded(out, c);
    }
  }
  return out;
}

void add_query(std::string& url, std::string_view key, std::string_view value) {
  url += url.find('?') == std::string::npos ? '?' : '&';
  url.append(key).append("=").append(value);
}

void add_parameter(std::string& url, std::string_view key, std::string_view value) {
  if (url.ends_with('?') && url.find('?') == url.size() - 1) {
    url.append(key).append("=").append(value);
  } else {
    add_query(url, key, value);
  }
}

std::string form_encoded(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (is_plain(c)) {
      out += c;
    } else if (c == ' ') {
      out += '+';
    } else {
      append_encoded(out, c);
    }
  }
  return out;
}

} // namespace tayfa::runpod
