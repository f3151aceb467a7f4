// A server on a free port, with a sink that answers at once or keeps the replies for the test to
// use.
#pragma once

#include "runtime/http/server.hpp"
#include "tests/unit/http/raw_client.hpp"

#include <condition_variable>
#include <deque>
#include <future>
#include <gtest/gtest.h>
#include <mutex>

namespace tayfa::test {

using namespace std::chrono_literals;

inline http_options quick_options() {
  http_options o;
  o.listen = "127.0.0.1:0";
  return o;
}

/// A stand-in for the ingress without a queue: /run answers "accepted", /health counts the bytes of
/// the last input.
inline api::response answer_at_once(const api::call& call) {
  if (const auto* s = std::get_if<api::submit>(&call)) {
    return api::accepted(job_id{"job-" + std::to_string(s->job.input.size())});
  }
  if (const auto* s = std::get_if<api::status>(&call)) {
    job_view view;
    view.id = s->ask.id;
    return api::job(view);
  }
  return std::holds_alternative<api::ping>(call) ? api::pinged(true) : api::counts({}, {});
}

class served {
 public:
  explicit served(http_options options = quick_options(), bool hold = false)
      : server_(std::make_unique<http_server>(std::move(options))) {
    std::promise<result<std::string>> bound;
    server_->open(
        [this, hold](api::call call, reply_ptr reply) {
          if (!hold) {
            reply->send(answer_at_once(call));
            return;
          }
          const std::lock_guard lock{mutex_};
          held_.emplace_back(std::move(call), std::move(reply));
          arrived_.notify_all();
        },
        [&bound](result<std::string> address) { bound.set_value(std::move(address)); });
    address_ = bound.get_future().get();
    if (address_) {
      port_ = static_cast<std::uint16_t>(std::stoul(address_->substr(address_->rfind(':') + 1)));
    }
  }

  std::uint16_t port() const { return port_; }
  const result<std::string>& address() const { return address_; }
  raw_client client() const { return raw_client{port_}; }
  http_server& server() { return *server_; }
  void destroy() { server_.reset(); }

  /// The next call that was held, with its reply.
  std::pair<api::call, reply_ptr> next() {
    std::unique_lock lock{mutex_};
    if (!arrived_.wait_for(lock, 10s, [this] { return !held_.empty(); })) {
      ADD_FAILURE() << "no call arrived";
      return {api::ping{}, nullptr};
    }
    auto first = std::move(held_.front());
    held_.pop_front();
    return first;
  }
  bool held_within(std::chrono::milliseconds time) {
    std::unique_lock lock{mutex_};
    return arrived_.wait_for(lock, time, [this] { return !held_.empty(); });
  }
  std::size_t held() {
    const std::lock_guard lock{mutex_};
    return held_.size();
  }

  bool close() {
    auto done = std::make_shared<std::promise<void>>();
    auto closed = done->get_future();
    server_->close([done] { done->set_value(); });
    return closed.wait_for(10s) == std::future_status::ready;
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<std::pair<api::call, reply_ptr>> held_;
  result<std::string> address_{tl::unexpect, error{}};
  std::uint16_t port_ = 0;
  std::unique_ptr<http_server> server_; // last: its thread uses the members above
};

inline std::string get(std::string_view target, std::string_view more = {}) {
  return "GET " + std::string{target} + " HTTP/1.1\r\nHost: localhost\r\n" + std::string{more} +
         "\r\n";
}
inline std::string post(std::string_view target, std::string_view body,
                        std::string_view more = {}) {
  return "POST " + std::string{target} +
         " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + std::string{more} +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string{body};
}
/// A body for /run of `size` bytes.
inline std::string body_of(std::size_t size) {
  const std::string_view front = R"({"input":")";
  return std::string{front} + std::string(size - front.size() - 2, 'A') + "\"}";
}

} // namespace tayfa::test
