#include "runtime/net/host_names.hpp"

#include "runtime/base/words.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <netinet/in.h>

namespace tayfa {

namespace {

constexpr std::size_t host_max = 255;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/// inet_pton takes four decimal numbers and nothing else: no 127.1, 0x7f.1, 2130706433 or
/// 0177.0.0.1, which some resolvers take for addresses, and no zone.
bool is_address(int family, std::string_view text) {
  in6_addr room{};
  return text.size() <= host_max && text.find('\0') == std::string_view::npos &&
         ::inet_pton(family, std::string{text}.c_str(), &room) == 1;
}

/// True for the empty text, or ":" and a port, which may be empty (RFC 3986, 3.2.3).
bool is_port_part(std::string_view rest) {
  constexpr std::size_t digits_max = 5;
  return rest.empty() || (rest.front() == ':' && rest.size() <= digits_max + 1 &&
                          std::all_of(rest.begin() + 1, rest.end(), is_digit));
}

} // namespace

bool is_name_of_host(std::string_view name) {
  if (name.empty() || name.size() > 253) {
    return false;
  }
  std::string_view label;
  for (std::size_t dot = 0; dot != std::string_view::npos; name.remove_prefix(dot + 1)) {
    dot = name.find('.');
    label = name.substr(0, dot);
    const bool shaped = !label.empty() && label.size() <= 63 && label.front() != '-' &&
                        label.back() != '-' && std::all_of(label.begin(), label.end(), [](char c) {
                          return is_letter(c) || is_digit(c) || c == '-' || c == '_';
                        });
    if (!shaped) {
      return false;
    }
    if (dot == std::string_view::npos) {
      break;
    }
  }
  return !std::all_of(label.begin(), label.end(), is_digit);
}

bool is_host_field(std::string_view host) {
  if (host.starts_with('[')) {
    const std::size_t end = host.find(']');
    return end != std::string_view::npos && is_address(AF_INET6, host.substr(1, end - 1)) &&
           is_port_part(host.substr(end + 1));
  }
  const std::size_t colon = std::min(host.find(':'), host.size());
  const auto name = host.substr(0, colon);
  // RFC 3986, 3.2.2: unreserved, sub-delims, escapes. Nothing is resolved.
  static constexpr std::string_view marks = "-._~!$&'()*+,;=%";
  return name.size() <= host_max && is_port_part(host.substr(colon)) &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return is_letter(c) || is_digit(c) || marks.find(c) != std::string_view::npos;
         });
}

host_names::host_names(const std::vector<std::string>& named) {
  for (const auto& name : named) {
    named_.push_back(text::lower(name));
  }
}

/// A trailing dot marks a fully qualified name (RFC 1034, 3.1); it is the same name.
bool host_names::known(std::string_view name) const {
  if (name.ends_with('.')) {
    name.remove_suffix(1);
  }
  const auto plain = text::lower(name);
  return plain == "localhost" || std::find(named_.begin(), named_.end(), plain) != named_.end();
}

bool host_names::serve(std::string_view host) const {
  if (host.starts_with('[')) {
    const std::size_t end = host.find(']');
    return end != std::string_view::npos && is_address(AF_INET6, host.substr(1, end - 1)) &&
           is_port_part(host.substr(end + 1));
  }
  const std::size_t colon = std::min(host.find(':'), host.size());
  const auto name = host.substr(0, colon);
  return is_port_part(host.substr(colon)) && (is_address(AF_INET, name) || known(name));
}

bool host_names::serve_origin(std::string_view origin) const {
  const std::size_t mark = origin.find("://");
  return mark != std::string_view::npos && mark > 0 && is_letter(origin.front()) &&
         std::all_of(origin.begin(), origin.begin() + static_cast<std::ptrdiff_t>(mark),
                     [](char c) {
                       return is_letter(c) || is_digit(c) || c == '+' || c == '-' || c == '.';
                     }) &&
         serve(origin.substr(mark + 3));
}

} // namespace tayfa
