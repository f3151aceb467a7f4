// The TCP connections that the listener's sockets have accepted: which of them are too many, which
// have said something, which connection of the application each one is. libzmq limits neither
// connections nor unfinished handshakes.
//
// Pure: descriptors and peers' names are values here. Owner: the listener, under its lock; fed by
// the monitor (accepted, disconnected) and by the first message of each connection, in any order.
// Invariants: of one descriptor there is one entry; the counts are those of the entries.
#pragma once

#include "runtime/base/clock.hpp"
#include "runtime/pods/transport.hpp"

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace tayfa::pods {

struct accept_limits {
  std::size_t connections = 1'280;
  std::size_t unfinished = 256; ///< without a message so far
  std::size_t unfinished_per_address = 16;
  /// A connection without a message is closed after this time: a peer that completed its handshake
  /// and is silent holds a descriptor as well.
  std::chrono::nanoseconds silent = std::chrono::seconds{10};
};

struct peer_name {
  std::string address; ///< without the port
  std::string whole;   ///< with it
  bool operator==(const peer_name&) const = default;
};

class accepted_sockets {
 public:
  explicit accepted_sockets(const accept_limits& limits) : limits_(limits) {}

  struct acceptance {
    std::string refused{};      ///< the reason to close it at once; empty = it may stay
    connection_id replaced = 0; ///< whose descriptor this was: it has ended
  };
  acceptance accepted(int fd, const peer_name&, moment now);
  /// Its first message has arrived. The connection whose descriptor this was: it has ended.
  connection_id heard(int fd, const peer_name&, connection_id, moment now);

  struct ending {
    connection_id connection = 0; ///< 0 = it has said nothing
    std::string address;
    bool refused = false; ///< by accepted() or overdue()
  };
  std::optional<ending> disconnected(int fd);

  struct overdue_sockets {
    std::vector<std::pair<int, peer_name>> silent; ///< to be closed
    std::vector<connection_id> ended;              ///< their acceptance was never reported
  };
  overdue_sockets overdue(moment now);

  /// The peer's name behind the connection's descriptor.
  std::optional<std::string> peer_of(int fd, connection_id) const;
  /// All that are still `as_listed(fd, peer)` stay; the connections of the others have ended. For
  /// the ends that libzmq does not report: those of an endpoint that was removed.
  std::vector<connection_id> sweep(const std::function<bool(int, const peer_name&)>& as_listed);
  /// The sockets from which nothing has arrived so far.
  std::vector<std::pair<int, peer_name>> unfinished_sockets() const;
  std::size_t connections() const { return sockets_.size(); }
  std::size_t unfinished() const { return unfinished_; }

 private:
  struct accepted_socket {
    peer_name peer;
    connection_id connection = 0; ///< 0 = nothing has arrived
    bool reported = false;        ///< by accepted()
    bool refused = false;
    moment since{};
  };
  bool counts(const accepted_socket& s) const { return s.connection == 0 && !s.refused; }
  void count(const accepted_socket&, int by);

  accept_limits limits_;
  std::unordered_map<int, accepted_socket> sockets_;
  std::size_t unfinished_ = 0;
  std::map<std::string, std::size_t> unfinished_of_; ///< by address
};

} // namespace tayfa::pods
