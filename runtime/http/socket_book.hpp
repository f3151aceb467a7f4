// The sockets that libcurl holds for one poster. libcurl does not say which of them a running call
// is on, so a call's is found by its two ends.
//
// Owned by the poster's worker, used on its thread; outlives every connection. It holds exactly the
// sockets that are open.
#pragma once

#include "runtime/net/address_guard.hpp"

#include <optional>
#include <unordered_set>

namespace tayfa {

class socket_book {
 public:
  struct ends {
    ip_address local;
    ip_address remote;
    int local_port = 0;
    int remote_port = 0;

    bool operator==(const ends&) const = default;
  };

  void note(int fd) { open_.insert(fd); }
  /// Closes it as well; what close(2) says.
  int forget(int fd) noexcept;
  std::optional<int> find(const ends&) const;

 private:
  std::unordered_set<int> open_;
};

} // namespace tayfa
