#include "runtime/pods_net/peer_socket.hpp"

#include <array>
#include <netdb.h>
#include <netinet/in.h>
#include <string_view>
#include <sys/socket.h>

namespace tayfa::pods {

namespace {

std::optional<peer_name> name_of(const sockaddr_storage& about, socklen_t size) {
  const auto* generic = reinterpret_cast<const sockaddr*>(&about);
  if (about.ss_family == AF_UNIX) {
    return peer_name{"ipc", "ipc"};
  }
  std::array<char, 64> host{};
  std::array<char, 8> port{};
  if ((about.ss_family != AF_INET && about.ss_family != AF_INET6) ||
      ::getnameinfo(generic, size, host.data(), host.size(), port.data(), port.size(),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return std::nullopt;
  }
  const std::string address{host.data()};
  const bool v6 = about.ss_family == AF_INET6;
  return peer_name{plain_address(address),
                   (v6 ? "[" + address + "]" : address) + ":" + port.data()};
}

} // namespace

std::string plain_address(std::string address) {
  constexpr std::string_view mapped = "::ffff:";
  return address.starts_with(mapped) && address.find('.') != std::string::npos
             ? address.substr(mapped.size())
             : address;
}

std::optional<peer_name> peer_of(int fd) {
  sockaddr_storage about{};
  socklen_t size = sizeof about;
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&about), &size) != 0) {
    return std::nullopt;
  }
  return name_of(about, size);
}

std::optional<std::string> own_endpoint(int fd) {
  sockaddr_storage about{};
  socklen_t size = sizeof about;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&about), &size) != 0) {
    return std::nullopt;
  }
  const auto name = name_of(about, size);
  return name ? std::optional{"tcp://" + name->whole} : std::nullopt;
}

bool shut_down(int fd, const std::string& whole_peer_name) {
  const auto peer = peer_of(fd);
  return peer && peer->whole == whole_peer_name && ::shutdown(fd, SHUT_RDWR) == 0;
}

} // namespace tayfa::pods
