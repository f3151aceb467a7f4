// The open sockets of one poster's libcurl. libcurl does not say which of them a running call uses,
// so the call's socket is found by its two end points.
//
// Owned by the poster's worker, used on its thread; outlives every connection. It holds exactly the
// open sockets.
#pragma once

#include "runtime/net/address_guard.hpp"

#include <optional>
#include <unordered_set>

namespace tayfa {

class open_sockets {
 public:
  struct ends {
    ip_address local;
    ip_address remote;
    int local_port = 0;
    int remote_port = 0;

    bool operator==(const ends&) const = default;
  };

  void note(int fd) { open_.insert(fd); }
  /// Closes the socket as well; returns the result of close(2).
  int forget(int fd) noexcept;
  std::optional<int> find(const ends&) const;

 private:
  std::unordered_set<int> open_;
};

} // namespace tayfa
