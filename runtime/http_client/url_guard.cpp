#include "runtime/http_client/url_guard.hpp"

#include "runtime/base/words.hpp"

#include <algorithm>
#include <charconv>
#include <curl/curl.h>

namespace tayfa {

namespace {

constexpr std::size_t host_bytes_max = 253; // RFC 1035

tl::unexpected<error> refused(std::string text) {
  return fail(errc::webhook_refused, std::move(text));
}

/// Empty when the URL has no such part.
std::optional<std::string> part_of(CURLU* parts, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(parts, part, &text, flags) != CURLUE_OK || text == nullptr) {
    return std::nullopt;
  }
  std::string out{text};
  curl_free(text);
  return out;
}

bool is_visible_ascii(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

/// libcurl resolves these names itself, to this machine's loopback (RFC 6761).
bool is_localhost(std::string_view host) {
  if (host.ends_with('.')) {
    host.remove_suffix(1);
  }
  return host == "localhost" || host.ends_with(".localhost");
}

} // namespace

void url_deleter::operator()(CURLU* parts) const {
  curl_url_cleanup(parts);
}

result<parsed_url> parse_url(const std::string& url, std::size_t longest) {
  if (url.size() > longest) {
    return refused("the URL is longer than " + std::to_string(longest) + " bytes");
  }
  if (!is_visible_ascii(url) || url.find('\\') != std::string::npos) {
    return refused("the URL holds characters that no URL has");
  }
  parsed_url out;
  out.parts.reset(curl_url());
  if (!out.parts || curl_url_set(out.parts.get(), CURLUPART_URL, url.c_str(),
                                 CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK) {
    return refused("this is no URL such as https://example.com/done");
  }
  CURLU* const parts = out.parts.get();
  const std::string scheme = text::lower(part_of(parts, CURLUPART_SCHEME).value_or(""));
  if (scheme != "http" && scheme != "https") {
    return refused("the URL's scheme is neither http nor https");
  }
  if (part_of(parts, CURLUPART_USER) || part_of(parts, CURLUPART_PASSWORD)) {
    return refused("the URL holds a user or a password");
  }
  if (part_of(parts, CURLUPART_ZONEID)) {
    return refused("the URL's address has a zone");
  }
  out.host = text::lower(part_of(parts, CURLUPART_HOST).value_or(""));
  if (out.host.starts_with('[') && out.host.ends_with(']')) {
    out.host = out.host.substr(1, out.host.size() - 2);
  }
  if (out.host.empty() || out.host.size() > host_bytes_max) {
    return refused("the URL has no host");
  }
  const std::string port = part_of(parts, CURLUPART_PORT, CURLU_DEFAULT_PORT).value_or("");
  const auto [rest, ec] = std::from_chars(port.data(), port.data() + port.size(), out.port);
  if (ec != std::errc{} || rest != port.data() + port.size() || out.port == 0) {
    return refused("the URL's port is none");
  }
  out.address = parse_address(out.host);
  return out;
}

result<parsed_url> guarded_url(const std::string& url, const address_guard& guard) {
  auto parsed = parse_url(url);
  if (!parsed) {
    return parsed;
  }
  if (!is_web_port(parsed->port)) {
    return refused("port " + std::to_string(parsed->port) + " may not be called");
  }
  const auto known = is_localhost(parsed->host) ? parse_address("127.0.0.1") : parsed->address;
  const bool allowed = !known || guard.allows(*known) ||
                       (is_localhost(parsed->host) && guard.allows(*parse_address("::1")));
  if (!allowed) {
    return refused("the address is not public");
  }
  return parsed;
}

} // namespace tayfa
