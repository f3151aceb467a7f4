// A PostgreSQL server of a test's own: in a temporary folder, reached through a Unix socket in it,
// as an unprivileged user when the test runs as root. It can be killed and started again on the
// same data. Owned by the test; ends with it, also when the test is killed.
#pragma once

#include <string>
#include <thread>
#include <vector>

#include <sys/types.h>

namespace tayfa::testing {

class postgres_server {
 public:
  /// Why there can be none here; empty: the programs are installed.
  static std::string missing();

  /// Makes the data and starts. Throws std::runtime_error with the server's words.
  postgres_server();
  ~postgres_server();
  postgres_server(const postgres_server&) = delete;
  postgres_server& operator=(const postgres_server&) = delete;

  /// The address of the server, or of a proxy whose socket is in another folder.
  std::string url(const std::string& socket_folder = {}) const;
  const std::string& socket_folder() const { return folder_; }
  static constexpr const char* socket_name = "/.s.PGSQL.5432";

  /// SIGKILL for the server and all its processes; returns when all are gone.
  void kill();
  /// Returns when it accepts connections, after recovery.
  void start();
  /// Runs one statement; the first value of the first row as text. Throws with the server's words.
  std::string query(const std::string& sql) const;
  /// Returns when a session waits for a lock that another one holds.
  void wait_for_lock() const;

 private:
  std::string folder_, data_;
  pid_t pid_ = -1;
  std::thread reader_; ///< of the server's log
};

/// A transaction of another session, which is open until commit().
class postgres_transaction {
 public:
  postgres_transaction(const postgres_server&, const std::string& sql);
  ~postgres_transaction();
  postgres_transaction(const postgres_transaction&) = delete;
  postgres_transaction& operator=(const postgres_transaction&) = delete;
  void commit();

 private:
  void* connection_; ///< libpq's
};

} // namespace tayfa::testing
