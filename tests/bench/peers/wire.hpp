// A blocking TCP connection to this machine, with lines and counted bytes read through one buffer.
// Every failure, and a minute of silence, is a peer_error.
#pragma once

#include "tests/bench/peers/peer.hpp"

#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace tayfa::bench {

class wire {
 public:
  explicit wire(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int on = 1;
    const timeval limit{60, 0};
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (fd_ < 0 || ::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
      const std::string why = std::strerror(errno);
      ::close(fd_);
      throw peer_error{"cannot connect: " + why};
    }
  }
  wire(const wire&) = delete;
  wire& operator=(const wire&) = delete;
  ~wire() { ::close(fd_); }

  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) {
        throw peer_error{std::string{"cannot send: "} + std::strerror(errno)};
      }
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }

  /// Reads up to "\r\n"; returns the text without it.
  std::string line() {
    std::size_t end = 0;
    while ((end = buffer_.find("\r\n", at_)) == std::string::npos) {
      more();
    }
    std::string out = buffer_.substr(at_, end - at_);
    at_ = end + 2;
    return out;
  }

  std::string bytes(std::size_t count) {
    while (buffer_.size() - at_ < count) {
      more();
    }
    std::string out = buffer_.substr(at_, count);
    at_ += count;
    return out;
  }

 private:
  void more() {
    buffer_.erase(0, at_);
    at_ = 0;
    const std::size_t before = buffer_.size();
    buffer_.resize(before + 16 * 1024);
    const ssize_t got = ::recv(fd_, buffer_.data() + before, buffer_.size() - before, 0);
    if (got <= 0) {
      throw peer_error{got == 0 ? "the queue hung up" : "the queue does not answer"};
    }
    buffer_.resize(before + static_cast<std::size_t>(got));
  }

  int fd_;
  std::string buffer_;
  std::size_t at_ = 0;
};

} // namespace tayfa::bench
