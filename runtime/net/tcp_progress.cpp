#include "runtime/net/tcp_progress.hpp"

#include <cstddef>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <tuple>

namespace tayfa {

namespace {

/// A 64-bit count of the kernel's; a kernel that does not report it leaves the member out.
std::optional<std::uint64_t> count_of(int socket, __u64 tcp_info::*count, std::size_t offset) {
  tcp_info known{};
  socklen_t size = sizeof known;
  const bool said = ::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &known, &size) == 0 &&
                    size >= offset + sizeof(known.*count);
  return said ? std::optional<std::uint64_t>{known.*count} : std::nullopt;
}

} // namespace

std::optional<std::uint64_t> acknowledged_bytes(int socket) {
  const auto acked =
      count_of(socket, &tcp_info::tcpi_bytes_acked, offsetof(tcp_info, tcpi_bytes_acked));
  // Any reading client has acknowledged the answer's head, so 0 means that the kernel does not
  // count.
  return acked && *acked > 0 ? acked : std::nullopt;
}

std::optional<std::uint64_t> arrived_bytes(int socket) {
  return count_of(socket, &tcp_info::tcpi_bytes_received, offsetof(tcp_info, tcpi_bytes_received));
}

std::optional<std::uint64_t> unacknowledged_bytes(int socket) {
  int bytes = 0;
  return ::ioctl(socket, SIOCOUTQ, &bytes) == 0 && bytes >= 0
             ? std::optional{static_cast<std::uint64_t>(bytes)}
             : std::nullopt;
}

void notice_vanished_peer(int socket) {
  for (const auto& [level, option, value] : {std::tuple{SOL_SOCKET, SO_KEEPALIVE, 1},
                                             {IPPROTO_TCP, TCP_KEEPIDLE, 60},
                                             {IPPROTO_TCP, TCP_KEEPINTVL, 15},
                                             {IPPROTO_TCP, TCP_KEEPCNT, 4}}) {
    ::setsockopt(socket, level, option, &value, sizeof value); // when it fails, idle_timeout still
                                                               // applies
  }
}

} // namespace tayfa
