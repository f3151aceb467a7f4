// A proxy in front of the server that knows where PostgreSQL's messages begin, so that a test can
// cut a connection before any one of them, in either direction. Owned by the test.
#pragma once

#include "runtime/base/unique_fd.hpp"

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace tayfa::store::testing {

class cut_proxy {
 public:
  enum class way : std::uint8_t { to_server, to_client };

  explicit cut_proxy(std::string server_socket);
  ~cut_proxy();
  cut_proxy(const cut_proxy&) = delete;
  cut_proxy& operator=(const cut_proxy&) = delete;

  /// The folder of its socket.
  const std::string& folder() const { return folder_; }
  /// From now on: the connection whose nth message goes this way is cut before it. 1 = the next.
  void cut_before(way, std::uint64_t nth);
  /// The same to the server, which hears nothing of the cut: what the client sent from there on,
  /// as far as the end of its pipeline, is kept.
  void hold_before(std::uint64_t nth);
  /// Sends on what was kept. The kinds of the server's answers, as far as it is ready again.
  std::string release_held();
  /// True when that has happened.
  bool has_cut() const;
  void wait_for_cut();
  /// New connections are closed at once, and those there are as well.
  void refuse(bool);
  /// New connections are closed at once; returns when those there have ended by themselves.
  void refuse_new_and_wait();
  /// Refuses from the next cut on.
  void refuse_after_cut();
  /// Returns when so many more connections were refused.
  void wait_for_refused(std::uint64_t count);
  /// Messages of this kind never reach the client.
  void swallow(char kind);

 private:
  struct lane;
  void accept_all();
  void carry(unique_fd client, unique_fd server);
  /// False: the connection is to be cut.
  bool pass(way, lane&);
  bool is_cut_here(way, lane&);
  void end_cut();

  std::string folder_, server_socket_;
  unique_fd listener_, stop_;
  mutable std::mutex mutex_; ///< guards what follows, but the threads
  std::condition_variable changed_;
  std::optional<way> cut_way_;
  std::uint64_t cut_nth_ = 0, refused_ = 0;
  bool holds_ = false; ///< the next cut does
  unique_fd held_server_;
  std::string held_;
  bool has_cut_ = false, refuses_ = false, refuses_after_ = false;
  char swallowed_ = 0;
  std::vector<int> open_; ///< descriptors of carried connections
  std::vector<std::thread> carriers_;
  std::thread acceptor_;
};

} // namespace tayfa::store::testing
