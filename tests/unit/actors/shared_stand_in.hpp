// Stands for a store that several heads share: the script answers.
#pragma once

#include "runtime/store/shared_store.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tayfa::testing {

class shared_stand_in final : public store::shared_store {
 public:
  struct sent_call {
    std::int64_t head = 0;
    std::string body;
    std::function<void(result<std::string>)> done;
  };

  void adopt(std::size_t, std::function<void(result<store::adopted_jobs>)> done) override {
    looks.push_back(std::move(done));
  }
  std::chrono::milliseconds adopt_pause() const override { return std::chrono::seconds{1}; }
  std::string name() const override { return "here"; }
  void find(const job_id& id, find_done done) override {
    ++found;
    const auto at = jobs.find(id.str());
    done(away ? result<std::optional<store::found_job>>{fail(errc::unavailable, "away")}
         : at == jobs.end() ? std::optional<store::found_job>{}
                            : std::optional{at->second});
  }
  void find(const store::job_key& key, find_done done) override {
    const auto at = keys.find(key.key);
    if (at == keys.end()) {
      done(std::optional<store::found_job>{});
    } else {
      find(job_id{at->second}, std::move(done));
    }
  }
  void others(std::function<void(result<std::vector<store::head_view>>)> done) override {
    done(heads);
  }
  void call(std::int64_t head, std::string body, std::chrono::milliseconds,
            std::function<void(result<std::string>)> done) override {
    calls.push_back({head, std::move(body), std::move(done)});
  }
  void serve(std::function<void(store::head_call)> to) override { server = std::move(to); }

  /// The oldest look for a dead head finds these.
  void answer_look(result<store::adopted_jobs> found_there) {
    const auto done = std::move(looks.front());
    looks.pop_front();
    done(std::move(found_there));
  }

  bool away = false;
  int found = 0; ///< how often a job was looked for
  std::deque<std::function<void(result<store::adopted_jobs>)>> looks;
  std::map<std::string, store::found_job> jobs;
  std::map<std::string, std::string> keys; ///< to ids
  std::vector<store::head_view> heads;
  std::deque<sent_call> calls;
  std::function<void(store::head_call)> server;
};

} // namespace tayfa::testing
