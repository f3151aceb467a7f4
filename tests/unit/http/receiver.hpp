// A receiver of calls on a free loopback port: it keeps what it was sent and answers what a test
// says, byte for byte. One thread per connection; every wait ends when the receiver does.
#pragma once

#include <arpa/inet.h>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <functional>
#include <mutex>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <optional>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

namespace tayfa::test {

struct received {
  std::string head; ///< request line and fields
  std::string body;

  bool has(std::string_view text) const { return head.find(text) != std::string::npos; }
};

/// The receiver's reaction to a request.
struct scripted_answer {
  std::string bytes; ///< the answer
  /// at_goodbye: nothing until the caller closes its sending side; then the answer, then the end.
  enum class then { serve_on, close, hang, drip, at_goodbye } after = then::serve_on;
};

inline scripted_answer answered(unsigned status, std::string_view body = {},
                                std::string_view fields = {}) {
  return {"HTTP/1.1 " + std::to_string(status) + " Scripted\r\n" + std::string{fields} +
          "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string{body}};
}

class receiver {
 public:
  using answerer = std::function<scripted_answer(const received&)>;

  explicit receiver(
      answerer answer = [](const received&) { return answered(200); },
      const char* address = "127.0.0.1")
      : answer_(std::move(answer)) {
    const bool six = std::strchr(address, ':') != nullptr;
    listener_ = ::socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_storage at{};
    socklen_t size = six ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
    if (six) {
      auto& to = reinterpret_cast<sockaddr_in6&>(at);
      to.sin6_family = AF_INET6;
      ::inet_pton(AF_INET6, address, &to.sin6_addr);
    } else {
      auto& to = reinterpret_cast<sockaddr_in&>(at);
      to.sin_family = AF_INET;
      ::inet_pton(AF_INET, address, &to.sin_addr);
    }
    auto* const any = reinterpret_cast<sockaddr*>(&at);
    listening_ = ::bind(listener_, any, size) == 0 && ::listen(listener_, 256) == 0 &&
                 ::getsockname(listener_, any, &size) == 0;
    port_ = ntohs(six ? reinterpret_cast<sockaddr_in6&>(at).sin6_port
                      : reinterpret_cast<sockaddr_in&>(at).sin_port);
    if (listening_) {
      accepter_ = std::thread{[this] { accept_all(); }};
    }
  }
  receiver(const receiver&) = delete;
  receiver& operator=(const receiver&) = delete;
  ~receiver() {
    {
      const std::lock_guard lock{mutex_};
      ending_ = true;
      for (const int fd : connections_) {
        ::shutdown(fd, SHUT_RDWR);
      }
    }
    changed_.notify_all();
    ::shutdown(listener_, SHUT_RDWR);
    if (accepter_.joinable()) {
      accepter_.join();
    }
    for (auto& server : servers_) {
      server.join();
    }
    for (const int fd : connections_) {
      ::close(fd);
    }
    ::close(listener_);
  }

  bool listening() const { return listening_; }
  std::uint16_t port() const { return port_; }
  std::string url(std::string_view host = "127.0.0.1", std::string_view path = "/hook") const {
    return "http://" + std::string{host} + ":" + std::to_string(port_) + std::string{path};
  }

  std::vector<received> requests() {
    const std::lock_guard lock{mutex_};
    return requests_;
  }
  std::size_t connections() {
    const std::lock_guard lock{mutex_};
    return connections_.size();
  }
  /// Number of callers that closed their sending side while they were held
  /// (scripted_answer::then::at_goodbye).
  bool wait_for_goodbyes(std::size_t count) {
    std::unique_lock lock{mutex_};
    return changed_.wait_for(lock, std::chrono::seconds{20}, [&] { return goodbyes_ >= count; });
  }
  std::size_t goodbyes() {
    const std::lock_guard lock{mutex_};
    return goodbyes_;
  }
  bool wait_for_requests(std::size_t count) {
    std::unique_lock lock{mutex_};
    return changed_.wait_for(lock, std::chrono::seconds{20},
                             [&] { return requests_.size() >= count; });
  }

 private:
  void accept_all() {
    for (;;) {
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) {
        return;
      }
      const int on = 1;
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      const std::lock_guard lock{mutex_};
      connections_.push_back(fd);
      if (ending_) {
        return;
      }
      servers_.emplace_back([this, fd] { serve(fd); });
    }
  }

  void serve(int fd) {
    std::string bytes;
    while (auto request = next_request(fd, bytes)) {
      const scripted_answer what = answer_(*request);
      {
        const std::lock_guard lock{mutex_};
        requests_.push_back(std::move(*request));
      }
      changed_.notify_all();
      if (what.after == scripted_answer::then::at_goodbye) {
        char more = 0;
        if (::recv(fd, &more, 1, 0) == 0) {
          const std::lock_guard lock{mutex_};
          ++goodbyes_;
        }
        changed_.notify_all();
      }
      send(fd, what.bytes);
      switch (what.after) {
      case scripted_answer::then::serve_on: continue;
      case scripted_answer::then::at_goodbye:
      case scripted_answer::then::close: ::shutdown(fd, SHUT_RDWR); return;
      case scripted_answer::then::hang: hang(std::chrono::hours{1}); return;
      case scripted_answer::then::drip:
        while (send(fd, "x") && !hang(std::chrono::milliseconds{20})) {
        }
        return;
      }
    }
  }

  /// True when the receiver ends.
  bool hang(std::chrono::milliseconds time) {
    std::unique_lock lock{mutex_};
    return changed_.wait_for(lock, time, [this] { return ending_; });
  }

  static bool send(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) {
        return false;
      }
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  static std::optional<received> next_request(int fd, std::string& bytes) {
    const auto more = [&] {
      char chunk[65536];
      const ssize_t got = ::recv(fd, chunk, sizeof chunk, 0);
      if (got <= 0) {
        return false;
      }
      bytes.append(chunk, static_cast<std::size_t>(got));
      return true;
    };
    std::size_t end = 0;
    while ((end = bytes.find("\r\n\r\n")) == std::string::npos) {
      if (!more()) {
        return std::nullopt;
      }
    }
    received out{bytes.substr(0, end + 2), {}};
    bytes.erase(0, end + 4);
    const std::size_t field = out.head.find("Content-Length: ");
    const std::size_t length =
        field == std::string::npos ? 0 : std::stoul(out.head.substr(field + 16));
    while (bytes.size() < length) {
      if (!more()) {
        return std::nullopt;
      }
    }
    out.body = bytes.substr(0, length);
    bytes.erase(0, length);
    return out;
  }

  answerer answer_;
  int listener_ = -1;
  bool listening_ = false;
  std::uint16_t port_ = 0;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<received> requests_;
  std::vector<int> connections_; // open until the end, so that no number is used twice
  std::size_t goodbyes_ = 0;
  std::vector<std::thread> servers_;
  bool ending_ = false;
  std::thread accepter_;
};

} // namespace tayfa::test
