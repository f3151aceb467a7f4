#include "runtime/net/tcp_progress.hpp"

#include <cstddef>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <tuple>

namespace tayfa {

std::optional<std::uint64_t> acknowledged_bytes(int socket) {
  tcp_info known{};
  socklen_t size = sizeof known;
  const bool said = ::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &known, &size) == 0 &&
                    size >= offsetof(tcp_info, tcpi_bytes_acked) + sizeof known.tcpi_bytes_acked;
  // Any reading client has acknowledged the answer's head, so 0 means that the kernel does not
  // count.
  return said && known.tcpi_bytes_acked > 0 ? std::optional{known.tcpi_bytes_acked} : std::nullopt;
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
