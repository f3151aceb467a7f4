#include "runtime/http_client/open_sockets.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace tayfa {

namespace {

template <class Which>
std::optional<std::pair<ip_address, int>> end_of(int s, Which which) {
  sockaddr_storage at{};
  socklen_t size = sizeof at;
  auto* const any = reinterpret_cast<sockaddr*>(&at);
  const auto address = which(s, any, &size) == 0 ? address_of(*any) : std::nullopt;
  if (!address) {
    return std::nullopt;
  }
  const bool six = at.ss_family == AF_INET6;
  return std::pair{*address,
                   static_cast<int>(ntohs(six ? reinterpret_cast<sockaddr_in6&>(at).sin6_port
                                              : reinterpret_cast<sockaddr_in&>(at).sin_port))};
}

} // namespace

int open_sockets::forget(int s) noexcept {
  open_.erase(s);
  return ::close(s);
}

std::optional<int> open_sockets::find(const ends& wanted) const {
  for (const int s : open_) {
    const auto local = end_of(s, ::getsockname);
    const auto remote = end_of(s, ::getpeername);
    if (local && remote &&
        ends{local->first, remote->first, local->second, remote->second} == wanted) {
      return s;
    }
  }
  return std::nullopt;
}

} // namespace tayfa
