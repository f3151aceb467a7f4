// Calls through a poster and their answers, for tests that wait for them.
#pragma once

#include "runtime/http_client/curl_poster.hpp"
#include "tests/unit/http/receiver.hpp"

#include <algorithm>
#include <map>

namespace tayfa::test {

using namespace std::chrono_literals;

/// Lets calls to this machine's loopback through.
inline poster_options local_options() {
  poster_options o;
  const std::vector<std::string> blocks{"127.0.0.0/8", "::1"};
  o.guard = address_guard{parse_blocks(blocks).value()};
  return o;
}

/// The answers of many calls, in the order in which they came.
class answers {
 public:
  using answer = result<outgoing_answer>;

  call_ticket send(http_poster& poster, outgoing_call call) {
    const std::size_t number = sent_++;
    return poster.send(std::move(call), [this, number](answer a) {
      const std::lock_guard lock{mutex_};
      ++times_[number];
      all_.push_back(std::move(a));
      came_.notify_all();
    });
  }
  const std::vector<answer>& wait(std::size_t count) {
    std::unique_lock lock{mutex_};
    EXPECT_TRUE(came_.wait_for(lock, 30s, [&] { return all_.size() >= count; }))
        << all_.size() << " of " << count;
    return all_;
  }
  std::size_t count(errc code) {
    const std::lock_guard lock{mutex_};
    return static_cast<std::size_t>(
        std::count_if(all_.begin(), all_.end(),
                      [code](const answer& a) { return !a && a.error().code == code; }));
  }
  std::size_t size() {
    const std::lock_guard lock{mutex_};
    return all_.size();
  }
  bool each_once() {
    const std::lock_guard lock{mutex_};
    return times_.size() == sent_ &&
           std::all_of(times_.begin(), times_.end(), [](const auto& t) { return t.second == 1; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable came_;
  std::vector<answer> all_;
  std::map<std::size_t, int> times_;
  std::size_t sent_ = 0;
};

inline outgoing_call call_to(std::string url) {
  outgoing_call call;
  call.url = std::move(url);
  call.body = R"({"id":"j1"})";
  return call;
}

inline result<outgoing_answer> ask(http_poster& poster, outgoing_call call) {
  answers got;
  got.send(poster, std::move(call));
  const auto& all = got.wait(1);
  return all.empty() ? result<outgoing_answer>{fail(errc::internal, "no answer")} : all.front();
}

inline result<outgoing_answer> ask(outgoing_call call, poster_options options = local_options()) {
  curl_poster poster{std::move(options)};
  return ask(poster, std::move(call));
}

inline errc code_of(const result<outgoing_answer>& a) {
  return a ? errc{} : a.error().code;
}

} // namespace tayfa::test
