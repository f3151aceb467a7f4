// Shared by the engine tests: a manual clock, a recording link and a recording sink.
#pragma once

#include "runtime/engine/engine.hpp"

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

class fake_link final : public link {
 public:
  void send(std::string bytes) override {
    auto decoded = protocol::decode_upstream(bytes);
    if (decoded) {
      workers.push_back(decoded->worker);
      said.push_back(std::move(decoded->body));
    } else {
      raw.push_back(std::move(bytes));
    }
  }
  std::vector<protocol::upstream> said;
  std::vector<worker_ref> workers;
  std::vector<std::string> raw;
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
