// A client that sends exactly the given bytes. Every wait has a limit, so a broken server fails a
// test instead of hanging it.
#pragma once

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <optional>
#include <poll.h>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace tayfa::test {

struct answer {
  unsigned status = 0;
  std::string head; ///< status line and fields
  std::string body;

  bool has(std::string_view text) const { return head.find(text) != std::string::npos; }
};

class raw_client {
 public:
  explicit raw_client(std::uint16_t port, int receive_buffer = 0) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receive_buffer > 0) {
      ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    }
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
    timeval limit{10, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  ~raw_client() { drop(); }
  raw_client(raw_client&& o) noexcept
      : fd_(std::exchange(o.fd_, -1)), connected_(o.connected_), rest_(std::move(o.rest_)) {}
  raw_client& operator=(raw_client&&) = delete;

  bool connected() const { return connected_; }

  /// False when the server stopped taking bytes.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) {
        return false;
      }
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  /// The next answer; nothing when the connection ends or 10 s pass first.
  std::optional<answer> read(bool head_only = false) {
    std::size_t end = std::string::npos;
    while ((end = rest_.find("\r\n\r\n")) == std::string::npos) {
      if (!receive()) {
        return std::nullopt;
      }
    }
    answer a;
    a.head = rest_.substr(0, end + 2);
    rest_.erase(0, end + 4);
    a.status = static_cast<unsigned>(std::stoul(a.head.substr(9, 3)));
    const std::size_t field = a.head.find("Content-Length: ");
    const std::size_t length =
        field == std::string::npos || head_only ? 0 : std::stoul(a.head.substr(field + 16));
    while (rest_.size() < length) {
      if (!receive()) {
        return std::nullopt;
      }
    }
    a.body = rest_.substr(0, length);
    rest_.erase(0, length);
    return a;
  }

  /// Everything up to and with `mark`; nothing when the connection ends or 10 s pass first.
  std::optional<std::string> until(std::string_view mark) {
    std::size_t searched = 0;
    std::size_t at = std::string::npos;
    while ((at = rest_.find(mark, searched)) == std::string::npos) {
      searched = rest_.size() - std::min(rest_.size(), mark.size() - 1);
      if (!receive()) {
        return std::nullopt;
      }
    }
    std::string found = rest_.substr(0, at + mark.size());
    rest_.erase(0, at + mark.size());
    return found;
  }
  /// Everything to the end of the connection; nothing when it was reset or 10 s pass without a
  /// byte.
  std::optional<std::string> to_the_end() {
    while (receive()) {
    }
    return at_end_ && errno_ == 0 ? std::optional{std::exchange(rest_, {})} : std::nullopt;
  }

  std::optional<answer> ask(std::string_view bytes) {
    send(bytes);
    return read();
  }

  /// Reads and discards at most `most` bytes; 0 at the end, after a reset or 10 s.
  std::size_t read_some(std::size_t most) {
    std::string bytes(most, 0);
    const ssize_t got = ::recv(fd_, bytes.data(), bytes.size(), 0);
    return got > 0 ? static_cast<std::size_t>(got) : 0;
  }
  /// The server has closed and nothing more came.
  bool ended() { return rest_.empty() && !receive() && at_end_; }

  /// Something, or the end, can be read.
  bool readable_within(std::chrono::milliseconds time) { return wait(POLLIN, time); }
  /// The server has reset or ended the stream, whatever lies unread before that.
  bool hung_up() { return hung_up_within(std::chrono::seconds{10}); }
  bool hung_up_within(std::chrono::milliseconds time) { return wait(POLLRDHUP, time); }

  void stop_sending() { ::shutdown(fd_, SHUT_WR); }
  void drop() {
    if (fd_ >= 0) {
      ::close(std::exchange(fd_, -1));
    }
  }
  /// Leaves with a reset instead of a goodbye.
  void reset() {
    const linger now{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    drop();
  }

 private:
  bool wait(short events, std::chrono::milliseconds time) {
    pollfd p{fd_, events, 0};
    return ::poll(&p, 1, static_cast<int>(time.count())) > 0;
  }

  bool receive() {
    char bytes[16384];
    const ssize_t got = ::recv(fd_, bytes, sizeof bytes, 0);
    if (got <= 0) {
      errno_ = got == 0 ? 0 : errno;
      at_end_ = got == 0 || errno == ECONNRESET;
      return false;
    }
    rest_.append(bytes, static_cast<std::size_t>(got));
    return true;
  }

  int fd_ = -1;
  bool connected_ = false;
  bool at_end_ = false;
  int errno_ = 0;
  std::string rest_;
};

} // namespace tayfa::test
