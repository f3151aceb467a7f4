// A second, naive job table: vectors, linear scans, every rule written out once more from the
// header's words.
//
// It says in the words of job_script.hpp which effects the real one must give;
// job_table_model_test.cpp compares.
#pragma once

#include "runtime/core/job_table.hpp"

#include <string>
#include <vector>

namespace tayfa::testing {

class job_model {
 public:
  explicit job_model(job_limits limits) : limits_(limits) {}

  struct job {
    std::string id;
    std::uint64_t order = 0;
    job_request request;
    bool watch = false;
    job_state state = job_state::IN_QUEUE;
    moment submitted, assigned, ended;
    std::optional<moment> began;
    std::uint32_t attempts = 0;
    worker_ref holder;
    std::uint32_t progress_seen = 0;
    std::uint32_t chunk_seen = 0;
    std::string output;
    std::vector<std::string> chunks;
    std::optional<errc> failure;
  };

  // Each answers with the expected orders in words (an error's name for a refusal, "stale" for a
  // stale report).
  std::string submit(moment now, const std::string& id, const job_request&, bool watch);
  std::string cancel(moment now, const std::string& id);
  std::string read_stream(moment now, const std::string& id);
  std::string joined(moment now, worker_ref, std::uint32_t capacity);
  std::string lost(moment now, slot_id);
  void draining(worker_ref);
  std::string started(moment now, worker_ref, const attempt_ref&);
  std::string progressed(worker_ref, const protocol::progress&);
  std::string streamed(worker_ref, const protocol::partial&);
  std::string finished(moment now, worker_ref, const protocol::finished&);
  void stop_taking() { stopping_ = true; }
  std::string hand_back();
  std::string expire(moment now);

  std::optional<moment> next_deadline() const;
  const std::vector<job>& jobs() const { return jobs_; }
  bool kept(moment now, const job& j) const { return !is_final(j.state) || now < due(j); }
  job_counts counts() const;

 private:
  struct worker {
    worker_ref ref;
    std::uint32_t capacity = 0;
    bool present = false;
    bool draining = false;
    std::uint64_t since = 0;
    std::vector<attempt_ref> holds;
  };

  job* find(const std::string& id);
  worker* holder_of(worker_ref);
  job* current(worker_ref, const attempt_ref&);
  moment due(const job&) const;
  moment ttl_end(const job& j) const;
  moment run_end(const job& j) const;
  void say(const std::string& words);
  void say_moved(const job&, cause);
  void end(moment now, job&, job_state, cause, std::optional<errc>);
  void requeue(job&);
  void lose(moment now, job&);
  void lose_all_of(moment now, worker&);
  void assign(moment now);
  worker* best_worker();
  job* head();
  std::string take();

  job_limits limits_;
  bool stopping_ = false;
  std::uint64_t orders_ = 0;
  std::uint64_t ticks_ = 0;
  job_counts counts_;
  std::vector<job> jobs_;
  std::vector<std::string> line_; ///< ids that wait, both classes mixed
  std::vector<worker> workers_;
  std::string words_;
};

} // namespace tayfa::testing
