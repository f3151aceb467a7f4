#include "tests/unit/store/pg/cut_proxy.hpp"

#include "runtime/base/wakeup.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <stdexcept>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

namespace tayfa::store::testing {

namespace {

sockaddr_un place_of(const std::string& path) {
  sockaddr_un out{};
  out.sun_family = AF_UNIX;
  if (path.size() >= sizeof out.sun_path) {
    throw std::runtime_error("the path of a socket is too long: " + path);
  }
  std::memcpy(out.sun_path, path.c_str(), path.size() + 1);
  return out;
}

bool write_all(int fd, const char* bytes, std::size_t size) {
  while (size > 0) {
    const auto done = ::send(fd, bytes, size, MSG_NOSIGNAL);
    if (done <= 0) {
      if (done < 0 && errno == EINTR) {
        continue;
      }
      return false;
    }
    bytes += done;
    size -= static_cast<std::size_t>(done);
  }
  return true;
}

/// The size of the first message, if it is there as a whole; else 0.
std::size_t whole_message(const std::string& bytes, std::size_t kind) {
  if (bytes.size() < kind + 4) {
    return 0;
  }
  std::uint32_t length = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    length = length << 8 | static_cast<unsigned char>(bytes[kind + i]);
  }
  return bytes.size() < kind + length ? 0 : kind + length;
}

} // namespace

/// A direction of a connection, and the part of its next message that has come.
struct cut_proxy::lane {
  int from, to;
  bool begins; ///< the client's first message has no kind
  bool holds = false;
  std::string bytes{};
};

cut_proxy::cut_proxy(std::string server_socket)
    : server_socket_(std::move(server_socket)), stop_(make_wakeup()) {
  std::string name = std::filesystem::temp_directory_path() / "tayfa-cut-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) {
    throw std::runtime_error("no temporary folder");
  }
  folder_ = name;
  listener_ = unique_fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  const auto place = place_of(folder_ + "/.s.PGSQL.5432");
  if (::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&place), sizeof place) != 0 ||
      ::listen(listener_.get(), 16) != 0) {
    throw std::runtime_error("the proxy cannot listen");
  }
  acceptor_ = std::thread{[this] { accept_all(); }};
}

cut_proxy::~cut_proxy() {
  wake_up(stop_);
  acceptor_.join();
  for (auto& each : carriers_) {
    each.join();
  }
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void cut_proxy::cut_before(way which, std::uint64_t nth) {
  const std::lock_guard guard{mutex_};
  cut_way_ = which;
  cut_nth_ = nth;
  has_cut_ = false;
}
void cut_proxy::hold_before(std::uint64_t nth) {
  cut_before(way::to_server, nth);
  const std::lock_guard guard{mutex_};
  holds_ = true;
}
std::string cut_proxy::release_held() {
  unique_fd server;
  std::string bytes;
  {
    const std::lock_guard guard{mutex_};
    server = std::move(held_server_);
    bytes = std::exchange(held_, {});
  }
  write_all(server.get(), bytes.data(), bytes.size());
  std::string kinds;
  std::string answers;
  while (kinds.empty() || kinds.back() != 'Z') {
    std::array<char, 4096> some;
    const auto size = ::recv(server.get(), some.data(), some.size(), 0);
    if (size <= 0) {
      break;
    }
    answers.append(some.data(), static_cast<std::size_t>(size));
    for (auto whole = whole_message(answers, 1); whole > 0; whole = whole_message(answers, 1)) {
      kinds += answers[0];
      answers.erase(0, whole);
    }
  }
  return kinds;
}
bool cut_proxy::has_cut() const {
  const std::lock_guard guard{mutex_};
  return has_cut_;
}
void cut_proxy::wait_for_cut() {
  std::unique_lock lock{mutex_};
  changed_.wait(lock, [this] { return has_cut_; });
}
void cut_proxy::refuse(bool on) {
  const std::lock_guard guard{mutex_};
  refuses_ = on;
  refuses_after_ = false;
  if (on) {
    for (const int each : open_) {
      ::shutdown(each, SHUT_RDWR);
    }
  }
}
void cut_proxy::refuse_new_and_wait() {
  std::unique_lock lock{mutex_};
  refuses_ = true;
  changed_.wait(lock, [this] { return open_.empty(); });
}
void cut_proxy::refuse_after_cut() {
  const std::lock_guard guard{mutex_};
  refuses_after_ = true;
}
void cut_proxy::wait_for_refused(std::uint64_t count) {
  std::unique_lock lock{mutex_};
  const auto until = refused_ + count;
  changed_.wait(lock, [&] { return refused_ >= until; });
}
void cut_proxy::swallow(char kind) {
  const std::lock_guard guard{mutex_};
  swallowed_ = kind;
}

void cut_proxy::accept_all() {
  for (;;) {
    std::array<pollfd, 2> fds{pollfd{listener_.get(), POLLIN, 0}, pollfd{stop_.get(), POLLIN, 0}};
    ::poll(fds.data(), fds.size(), -1);
    if (fds[1].revents != 0) {
      return;
    }
    unique_fd client{::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)};
    if (!client) {
      continue;
    }
    unique_fd to_server{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    const auto place = place_of(server_socket_);
    const std::lock_guard guard{mutex_};
    if (refuses_ ||
        ::connect(to_server.get(), reinterpret_cast<const sockaddr*>(&place), sizeof place) != 0) {
      ++refused_;
      changed_.notify_all();
      continue;
    }
    open_.push_back(client.get());
    open_.push_back(to_server.get());
    carriers_.emplace_back([this, a = std::move(client), b = std::move(to_server)]() mutable {
      carry(std::move(a), std::move(b));
    });
  }
}

void cut_proxy::carry(unique_fd client, unique_fd server) {
  lane up{client.get(), server.get(), true};
  lane down{server.get(), client.get(), false};
  for (bool goes_on = true; goes_on;) {
    std::array<pollfd, 3> fds{pollfd{client.get(), POLLIN, 0}, pollfd{server.get(), POLLIN, 0},
                              pollfd{stop_.get(), POLLIN, 0}};
    ::poll(fds.data(), fds.size(), -1);
    if (fds[2].revents != 0) {
      break;
    }
    for (auto* const each : {&up, &down}) {
      const auto& ready = fds[each == &up ? 0 : 1];
      if (ready.revents == 0 || !goes_on) {
        continue;
      }
      std::array<char, 65536> bytes;
      const auto size = ::recv(each->from, bytes.data(), bytes.size(), 0);
      if (size <= 0) {
        goes_on = false;
        continue;
      }
      each->bytes.append(bytes.data(), static_cast<std::size_t>(size));
      goes_on = pass(each == &up ? way::to_server : way::to_client, *each);
    }
  }
  {
    const std::lock_guard guard{mutex_};
    std::erase(open_, client.get());
    std::erase(open_, server.get());
    client.reset();
    server.reset();
  }
  changed_.notify_all();
}

/// True: the connection is cut before this message.
bool cut_proxy::is_cut_here(way which, lane& at) {
  if (cut_way_ != which || at.begins || --cut_nth_ != 0) {
    return false;
  }
  cut_way_.reset();
  at.holds = std::exchange(holds_, false);
  if (!at.holds) {
    end_cut();
  }
  return !at.holds;
}

void cut_proxy::end_cut() {
  has_cut_ = true;
  refuses_ = refuses_ || refuses_after_;
  changed_.notify_all();
}

bool cut_proxy::pass(way which, lane& at) {
  for (;;) {
    const auto whole = whole_message(at.bytes, at.begins ? 0 : 1);
    if (whole == 0) {
      return true;
    }
    const char kind = at.begins ? '\0' : at.bytes[0];
    bool swallowed = false;
    {
      const std::lock_guard guard{mutex_};
      swallowed = which == way::to_client && kind == swallowed_ && kind != 0;
      if (is_cut_here(which, at)) {
        return false;
      }
      if (at.holds) {
        held_.append(at.bytes, 0, whole);
        swallowed = true;
        if (kind == 'S') { // the end of the pipeline
          held_server_ = unique_fd{::dup(at.to)};
          end_cut();
          return false;
        }
      }
    }
    if (!swallowed && !write_all(at.to, at.bytes.data(), whole)) {
      return false;
    }
    at.bytes.erase(0, whole);
    at.begins = false;
  }
}

} // namespace tayfa::store::testing
