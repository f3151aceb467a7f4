#include "runtime/config/foreign_variables.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <charconv>
#include <optional>

namespace tayfa {

namespace {

bool is_ip(std::string_view text) {
  if (text.size() >= 2 && text.front() == '[' && text.back() == ']') {
    text = text.substr(1, text.size() - 2);
  }
  std::array<unsigned char, sizeof(in6_addr)> ignored{};
  const std::string address{text};
  return ::inet_pton(AF_INET, address.c_str(), ignored.data()) == 1 ||
         ::inet_pton(AF_INET6, address.c_str(), ignored.data()) == 1;
}

/// A headless Service has no address: "None".
bool is_host(std::string_view text) {
  return is_ip(text) || text == "None";
}

bool is_port(std::string_view text) {
  std::uint16_t number = 0;
  const char* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, number);
  return read.ec == std::errc{} && read.ptr == end;
}

bool is_protocol(std::string_view text) {
  return text == "tcp" || text == "udp" || text == "sctp";
}

/// Removes the suffix `end`; false when the text has another one, or nothing before it.
bool cut_end(std::string_view& text, std::string_view end) {
  if (text.size() <= end.size() || !text.ends_with(end)) {
    return false;
  }
  text.remove_suffix(end.size());
  return true;
}

/// "NAME_PORT_8000_TCP" gives "NAME".
std::optional<std::string_view> service_of_port(std::string_view name) {
  if (!cut_end(name, "_TCP") && !cut_end(name, "_UDP") && !cut_end(name, "_SCTP")) {
    return std::nullopt;
  }
  const auto last = name.rfind('_');
  if (last == std::string_view::npos || !is_port(name.substr(last + 1))) {
    return std::nullopt;
  }
  name = name.substr(0, last);
  return cut_end(name, "_PORT") ? std::optional{name} : std::nullopt;
}

/// NAME_PORT…: one port of a service, in either platform's format.
bool is_port_of_service(std::string_view name, std::string_view value) {
  if (service_of_port(name)) {
    return is_service_address(value);
  }
  std::string_view stem = name;
  if (cut_end(stem, "_ADDR") && service_of_port(stem)) {
    return is_host(value);
  }
  stem = name;
  if (cut_end(stem, "_PROTO") && service_of_port(stem)) {
    return is_protocol(value);
  }
  stem = name;
  if (!cut_end(stem, "_PORT")) {
    return false;
  }
  return service_of_port(stem) ? is_port(value) : is_service_address(value);
}

bool is_service(std::string_view name, std::string_view value) {
  std::string_view stem = name;
  if (cut_end(stem, "_SERVICE_HOST")) {
    return is_host(value);
  }
  constexpr std::string_view port = "_SERVICE_PORT";
  const auto at = name.find(port);
  const bool here = at != std::string_view::npos && at > 0;
  const auto rest = here ? name.substr(at + port.size()) : std::string_view{};
  return here && (rest.empty() || (rest.size() > 1 && rest.front() == '_')) && is_port(value);
}

/// True when the environment holds a port of this alias, which every link has.
bool is_linked(std::string_view alias, std::span<const std::string> environment) {
  return std::any_of(environment.begin(), environment.end(), [alias](std::string_view entry) {
    const auto equals = entry.find('=');
    return equals != std::string_view::npos && entry.starts_with(alias) &&
           entry.substr(alias.size()).starts_with("_PORT") &&
           is_port_of_service(entry.substr(0, equals), entry.substr(equals + 1));
  });
}

bool is_of_link(std::string_view name, std::string_view value,
                std::span<const std::string> environment) {
  std::string_view alias = name;
  if (cut_end(alias, "_NAME")) {
    return value.starts_with('/') && is_linked(alias, environment);
  }
  for (auto at = name.find("_ENV_"); at != std::string_view::npos;
       at = name.find("_ENV_", at + 1)) {
    if (at > 0 && is_linked(name.substr(0, at), environment)) {
      return true;
    }
  }
  return false;
}

} // namespace

bool is_service_address(std::string_view value) {
  const auto mark = value.find("://");
  if (mark == std::string_view::npos || !is_protocol(value.substr(0, mark))) {
    return false;
  }
  value.remove_prefix(mark + 3);
  const auto colon = value.rfind(':');
  return colon != std::string_view::npos && is_host(value.substr(0, colon)) &&
         is_port(value.substr(colon + 1));
}

bool is_written_by_platform(std::string_view name, std::string_view value,
                            std::span<const std::string> environment) {
  return is_service(name, value) || is_port_of_service(name, value) ||
         is_of_link(name, value, environment);
}

} // namespace tayfa
