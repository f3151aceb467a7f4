// Shared by the engine tests: a manual clock, a recording dispatcher and a recording sink.
#pragma once

#include "runtime/engine/engine.hpp"
#include "runtime/engine/session.hpp"

#include <gtest/gtest.h>
#include <string>
#include <variant>
#include <vector>

namespace tayfa::engine::test {

using namespace std::chrono_literals;

class manual_time final : public time_source {
 public:
  moment now() const override { return now_; }
  std::chrono::system_clock::time_point wall() const override { return {}; }
  void advance(std::chrono::nanoseconds by) { now_ += by; }
  void set(moment to) { now_ = to; }

 private:
  moment now_{std::chrono::hours{1}};
};

class recorder final : public sink {
 public:
  void emit(protocol::upstream m) override { said.push_back(std::move(m)); }
  void emit_raw(std::string bytes) override { raw.push_back(std::move(bytes)); }
  void crash() override { ++crashes; }

  std::vector<protocol::upstream> said;
  std::vector<std::string> raw;
  int crashes = 0;
};

/// The connection and the dispatcher behind it.
class fake_dispatcher final : public transport {
 public:
  bool write(const link_message& message) override {
    if (blocked) {
      return false;
    }
    if (lost) {
      return true;
    }
    const auto arrived = link.receive(*message, {});
    if (!arrived) {
      raw.push_back(*message);
      return true;
    }
    if (!arrived->frame.empty()) {
      auto frame = protocol::decode_upstream(arrived->frame);
      workers.push_back(frame.value().worker);
      said.push_back(std::move(frame->body));
    }
    return true;
  }
  /// Lets the dispatcher's end of the link say what it has to say.
  void answer(session& to) {
    std::vector<link_message> messages;
    link.flush({}, [&](const link_message& m) {
      messages.push_back(m);
      return true;
    });
    for (const auto& m : messages) {
      if (!lost) {
        to.on_message(*m);
      }
    }
  }
  void give(session& to, const protocol::downstream& message, const worker_ref& worker) {
    EXPECT_TRUE(link.send(protocol::encode(worker, message, data_header_bytes)));
    answer(to);
  }

  std::vector<protocol::upstream> said;
  std::vector<worker_ref> workers;
  std::vector<std::string> raw;
  link_state link{link_options{.self = runtime_incarnation}};
  bool blocked = false; ///< the socket takes no more
  bool lost = false;    ///< there is no connection
};

template <class Body>
std::vector<Body> all(const std::vector<protocol::upstream>& said) {
  std::vector<Body> out;
  for (const auto& m : said) {
    if (const auto* body = std::get_if<Body>(&m)) {
      out.push_back(*body);
    }
  }
  return out;
}

inline attempt_ref attempt(const std::string& job, std::uint32_t number = 1) {
  return {job_id{job}, number};
}
inline protocol::assign assign(const std::string& job, std::string input,
                               std::uint32_t number = 1) {
  return {attempt(job, number), "m", shared_text{std::move(input)}};
}

} // namespace tayfa::engine::test
