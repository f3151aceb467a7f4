#include "tests/support/postgres_server.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <future>
#include <libpq-fe.h>
#include <memory>
#include <stdexcept>

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace tayfa::testing {

namespace {

namespace fs = std::filesystem;

/// The newest installed; Debian keeps them outside of PATH.
std::string program(const std::string& name) {
  std::vector<std::string> found;
  std::error_code ignored;
  for (const auto& each : fs::directory_iterator{"/usr/lib/postgresql", ignored}) {
    if (auto path = each.path() / "bin" / name; fs::exists(path, ignored)) {
      found.push_back(path);
    }
  }
  std::sort(found.begin(), found.end());
  for (const auto* folder : {"/usr/local/bin/", "/usr/bin/"}) {
    if (found.empty() && fs::exists(folder + name, ignored)) {
      found.push_back(folder + name);
    }
  }
  return found.empty() ? std::string{} : found.back();
}

/// The user for the server where the test is root, which PostgreSQL refuses to run as.
const passwd* other_user() {
  if (::geteuid() != 0) {
    return nullptr;
  }
  const auto* user = ::getpwnam("postgres");
  return user != nullptr ? user : ::getpwnam("nobody");
}

/// Its standard output and errors go to `output`.
pid_t spawn(const std::vector<std::string>& words, int output) {
  const auto* const user = other_user();
  const auto parent = ::getpid();
  std::vector<char*> arguments;
  for (const auto& each : words) {
    arguments.push_back(const_cast<char*>(each.c_str()));
  }
  arguments.push_back(nullptr);
  const auto pid = ::fork();
  if (pid != 0) {
    return pid;
  }
  if (user != nullptr && (::setgroups(0, nullptr) != 0 || ::setgid(user->pw_gid) != 0 ||
                          ::setuid(user->pw_uid) != 0)) {
    ::_exit(126);
  }
  ::prctl(PR_SET_PDEATHSIG, SIGQUIT); // the server ends at once when the test does
  ::dup2(output, 1);
  ::dup2(output, 2);
  ::close_range(3, ~0U, 0);
  if (::getppid() != parent || ::chdir("/") != 0) {
    ::_exit(126);
  }
  ::setenv("LC_ALL", "C", 1);
  ::execv(arguments[0], arguments.data());
  ::_exit(127);
}

std::string read_all(int fd) {
  std::string out;
  char bytes[4096];
  for (;;) {
    const auto size = ::read(fd, bytes, sizeof bytes);
    if (size <= 0 && !(size < 0 && errno == EINTR)) {
      return out;
    }
    out.append(bytes, static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
  }
}

std::vector<pid_t> children_of(pid_t pid) {
  std::ifstream in{"/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/children"};
  std::vector<pid_t> out;
  for (pid_t each = 0; in >> each;) {
    out.push_back(each);
  }
  return out;
}

} // namespace

std::string postgres_server::missing() {
  if (program("initdb").empty() || program("postgres").empty()) {
    return "PostgreSQL's server is not installed (Debian: postgresql-15)";
  }
  if (::geteuid() == 0 && other_user() == nullptr) {
    return "root runs this, and there is no user postgres or nobody for the server";
  }
  return {};
}

postgres_server::postgres_server() {
  std::string name = fs::temp_directory_path() / "tayfa-pg-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) {
    throw std::runtime_error("no temporary folder");
  }
  folder_ = name;
  data_ = folder_ + "/data";
  if (const auto* const user = other_user();
      user != nullptr && ::chown(folder_.c_str(), user->pw_uid, user->pw_gid) != 0) {
    throw std::runtime_error("the temporary folder cannot be given away");
  }
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    throw std::runtime_error("no pipe");
  }
  const auto pid = spawn({program("initdb"), "-D", data_, "-U", "tester", "--auth=trust",
                          "--no-sync", "--no-instructions", "-E", "UTF8", "--locale=C"},
                         ends[1]);
  ::close(ends[1]);
  const auto words = read_all(ends[0]);
  ::close(ends[0]);
  int status = 0;
  ::waitpid(pid, &status, 0);
  if (status != 0) {
    throw std::runtime_error("initdb failed: " + words);
  }
  start();
}

postgres_server::~postgres_server() {
  kill();
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

std::string postgres_server::url(const std::string& socket_folder) const {
  return "postgresql://tester@/postgres?host=" + (socket_folder.empty() ? folder_ : socket_folder) +
         "&port=5432";
}

void postgres_server::start() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    throw std::runtime_error("no pipe");
  }
  pid_ = spawn({program("postgres"), "-D", data_, "-k", folder_, "-c", "listen_addresses=", "-c",
                "shared_buffers=16MB", "-c", "max_connections=40", "-c", "log_min_messages=warning",
                "-c", "restart_after_crash=on"},
               ends[1]);
  ::close(ends[1]);
  auto ready = std::make_shared<std::promise<std::string>>();
  auto is_ready = ready->get_future();
  reader_ = std::thread{[fd = ends[0], ready] {
    std::string seen;
    bool reported = false;
    char bytes[4096];
    for (;;) {
      const auto size = ::read(fd, bytes, sizeof bytes);
      if (size < 0 && errno == EINTR) {
        continue;
      }
      if (size <= 0) {
        break;
      }
      if (!reported) {
        seen.append(bytes, static_cast<std::size_t>(size));
        if (seen.find("ready to accept connections") != std::string::npos) {
          reported = true;
          ready->set_value({});
        }
      }
    }
    ::close(fd);
    if (!reported) {
      ready->set_value("the server ended: " + seen);
    }
  }};
  if (const auto words = is_ready.get(); !words.empty()) {
    kill();
    throw std::runtime_error(words);
  }
}

void postgres_server::kill() {
  if (pid_ < 0) {
    return;
  }
  ::kill(pid_, SIGSTOP); // it must not replace the processes that are killed
  std::vector<int> watched;
  for (const auto child : children_of(pid_)) {
    const auto fd = static_cast<int>(::syscall(SYS_pidfd_open, child, 0));
    if (fd >= 0) {
      watched.push_back(fd);
      ::kill(child, SIGKILL);
    }
  }
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
  for (const int fd : watched) { // readable when the process is gone
    pollfd gone{fd, POLLIN, 0};
    ::poll(&gone, 1, -1);
    ::close(fd);
  }
  if (reader_.joinable()) {
    reader_.join();
  }
}

std::string postgres_server::query(const std::string& sql) const {
  const std::unique_ptr<PGconn, decltype(&PQfinish)> conn{PQconnectdb(url().c_str()), &PQfinish};
  const std::unique_ptr<PGresult, decltype(&PQclear)> rows{PQexec(conn.get(), sql.c_str()),
                                                           &PQclear};
  const auto status = PQresultStatus(rows.get());
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
    throw std::runtime_error(std::string{PQerrorMessage(conn.get())} + "in: " + sql);
  }
  return PQntuples(rows.get()) > 0 ? PQgetvalue(rows.get(), 0, 0) : "";
}

void postgres_server::wait_for_lock() const {
  while (query("SELECT count(*) FROM pg_locks WHERE NOT granted") == "0") {
  }
}

postgres_transaction::postgres_transaction(const postgres_server& in, const std::string& sql)
    : connection_(PQconnectdb(in.url().c_str())) {
  auto* const conn = static_cast<PGconn*>(connection_);
  PQclear(PQexec(conn, "BEGIN"));
  PQclear(PQexec(conn, sql.c_str()));
  if (PQtransactionStatus(conn) != PQTRANS_INTRANS) {
    throw std::runtime_error(std::string{PQerrorMessage(conn)} + "in: " + sql);
  }
}
postgres_transaction::~postgres_transaction() {
  PQfinish(static_cast<PGconn*>(connection_));
}
void postgres_transaction::commit() {
  PQclear(PQexec(static_cast<PGconn*>(connection_), "COMMIT"));
}

} // namespace tayfa::testing
