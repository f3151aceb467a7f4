// The posts that this pod makes to RunPod's platform: of each job its chunks and progress, then its
// result. Pure: time and answers are arguments, calls come back as effects.
//
// Owner: session. Results are durable in the queue and delivered again by it; chunks, progress and
// reports of jobs that the queue refused live only here.
//
// Invariants (tests/unit/runpod_worker):
//   * at most one post of a job is under way, and they leave in the order in which they came; none
//     follows the result;
//   * a post that failed leaves again after a growing pause and never sooner, whatever else comes;
//   * every result that the queue delivers is answered with exactly one result_posted, unless the
//     platform has stopped the job;
//   * what waits for one job is bounded.
#pragma once

#include "runtime/base/clock.hpp"
#include "runtime/runpod_worker/contract.hpp"
#include "runtime/runpod_worker/effects.hpp"

#include <deque>
#include <map>
#include <set>
#include <unordered_map>

namespace tayfa::runpod {

struct outbox_options {
  bool aggregate_stream = false; ///< the result of a streaming job contains its chunks
  bool refresh_worker = false;   ///< the pod ends after one job
};

class outbox {
 public:
  /// Tries of a chunk or of progress. Losing one costs a reader less than waiting forever for the
  /// result behind it.
  static constexpr std::uint32_t side_tries_max = 6;
  /// Tries of the report of a job that the queue refused; nothing durable is behind it.
  static constexpr std::uint32_t refusal_tries_max = 20;
  /// Limits of what waits for one job. Newer progress replaces the last one, a chunk beyond the
  /// limit is left out (an aggregated result contains it all the same).
  static constexpr std::size_t waiting_posts_max = 10'000;
  static constexpr std::size_t waiting_bytes_max = std::size_t{64} << 20;

  outbox(const settings& platform, outbox_options options)
      : platform_(platform), options_(options) {}

  void progress(const origin_progress&, effects&);
  void deliver(const deliver_result&, effects&);
  /// The queue did not take the job, so nothing about it is durable: the platform gets the error.
  void refuse(const std::string& origin, const error&, effects&);
  /// The answer to the post with this number.
  void posted(moment now, std::uint64_t number, const result<outgoing_answer>&, effects&);
  /// The queue has this job: a report that it refused it, when it was given before, is out of date.
  void accepted(const job_id&);
  /// Posts nothing more of this job.
  void drop(const job_id&);
  /// Posts whose pause is over.
  void expire(moment now, effects&);
  std::optional<moment> next_deadline() const;

  bool contains(const job_id& id) const { return numbers_.contains(id); }
  /// The platform's ids of the jobs whose end is being posted.
  std::vector<std::pair<job_id, std::string>> ended() const;

 private:
  enum class kind : std::uint8_t { piece, progress, last_piece, result, refusal };
  struct post {
    kind what = kind::piece;
    std::string body;
    std::uint32_t tries = 0;
    shared_text from{}; ///< of a large result: the text whose place in the budget this has
  };
  /// The posts of one job, oldest first; the front one may be under way.
  struct job_posts {
    job_id id;
    std::string origin;
    std::deque<post> waiting;
    bool under_way = false;
    std::optional<moment> retry_at;
    bool streamed = false;
    bool ended = false;     ///< its result is in `waiting`
    bool from_queue = true; ///< false: the queue never took the job
    std::size_t chunk_bytes = 0;
  };
  using entry = std::map<std::uint64_t, job_posts>::iterator;

  static bool is_end(const post& p) { return p.what == kind::result || p.what == kind::refusal; }
  entry of(const job_id&, const std::string& origin);
  void add_progress(job_posts&, const shared_text&);
  void add_chunk(job_posts&, const job_id&, const shared_text&, effects&);
  result<std::string> result_body(const deliver_result&, bool streamed) const;
  void send_next(entry, effects&);
  void again(moment now, entry, milliseconds pause);
  void end_posted(moment now, entry, const post_outcome&, effects&);
  void remove(entry);

  const settings& platform_;
  outbox_options options_;
  std::uint64_t last_ = 0;
  std::map<std::uint64_t, job_posts> jobs_;
  std::unordered_map<job_id, std::uint64_t> numbers_;
  std::set<std::pair<moment, std::uint64_t>> retries_;
};

} // namespace tayfa::runpod
