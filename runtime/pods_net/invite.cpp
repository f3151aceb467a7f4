#include "runtime/pods_net/invite.hpp"

#include "runtime/pods_net/curve.hpp"
#include "runtime/pods_net/endpoint.hpp"
#include "runtime/pods_net/join_string.hpp"

#include <array>

namespace tayfa::pods {

namespace {

std::string token_id(secret_source& secrets) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::array<std::byte, token_id_text / 2> bytes{};
  secrets.fill(bytes);
  std::string out;
  for (const auto byte : bytes) {
    out += digits[std::to_integer<unsigned>(byte) >> 4U];
    out += digits[std::to_integer<unsigned>(byte) & 0xFU];
  }
  return out;
}

/// "HOST:PORT" with brackets around an IPv6 address.
std::string without_scheme(const tcp_endpoint& at) {
  constexpr std::string_view scheme = "tcp://";
  return to_string(at).substr(scheme.size());
}

bool is_wildcard(std::string_view host) {
  return host == "0.0.0.0" || host == "::" || host == "*";
}

} // namespace

result<invitation_made> invite(const std::string& path, const std::string& head_key,
                               const make_join_text& wanted, wall_seconds now,
                               secret_source& secrets) {
  const auto pair = make_key_pair(secrets);
  if (!pair) {
    return fail(pair.error());
  }
  join_invitation made;
  made.head_key = head_key;
  made.join_key = pair->secret_key;
  made.token = token_id(secrets);
  made.expires = now + std::uint64_t{wanted.minutes} * 60;
  made.addresses = wanted.addresses;
  auto text = write_join_string(made);
  if (!text) {
    return fail(text.error());
  }
  const auto changed = change_allow_list(path, [&](allow_list& list) {
    list.prune(now);
    join_token token;
    token.id = made.token;
    token.key = pair->public_key;
    token.expires = made.expires;
    token.made = now;
    token.by = wanted.by;
    return list.add_token(std::move(token), now);
  });
  if (!changed) {
    return fail(changed.error());
  }
  return invitation_made{made.token, std::move(*text)};
}

result<std::vector<std::string>> addresses_of(const std::vector<std::string>& wanted,
                                              const std::string& endpoint) {
  const auto bound = parse_tcp(endpoint);
  if (!bound) {
    return fail(bound.error());
  }
  if (wanted.empty()) {
    if (is_wildcard(bound->host)) {
      return fail(errc::bad_usage, "the link listens at every address of this machine; name one "
                                   "under which pods reach it: HOST or HOST:PORT");
    }
    return std::vector{without_scheme(*bound)};
  }
  std::vector<std::string> out;
  for (const auto& each : wanted) {
    auto whole = parse_tcp(each);
    if (!whole) {
      whole = parse_tcp(each + ":" + std::to_string(bound->port));
    }
    if (!whole) {
      return fail(whole.error());
    }
    out.push_back(without_scheme(*whole));
  }
  return out;
}

} // namespace tayfa::pods
