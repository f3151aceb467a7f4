// Calls about a job that are answered later: when it has ended, when there is a chunk more of its
// stream, or when the caller has waited long enough. Decides when each is to be looked at; knows
// neither clients nor jobs.
//
// Owner: the ingress. Not thread safe, no clock: time is an argument.
//
// Invariants (audit() checks them; tests/unit/core/held_calls_test.cpp):
//   * every call has exactly one moment at which it is due, never later than its end, until it has
//     come to its end: then it is to be answered, and is due no more, unless it waits for a
//     receipt;
//   * a call is in the index of exactly one job.
#pragma once

#include "messages/ids.hpp"
#include "messages/job.hpp"
#include "runtime/base/clock.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace tayfa {

/// The event that a held call waits for.
enum class held_for : std::uint8_t {
  end,   ///< of the job
  chunks ///< unread ones, or the job's end
};

class held_calls {
 public:
  using number = std::uint64_t;

  /// A call that waits for chunks is held at least so long, unless the job has ended: chunks that
  /// come close together travel together. A client that asks without a pause (RunPod's JavaScript
  /// and Go clients) asks ten times a second at most, however often its job says something.
  static constexpr milliseconds least_hold{100};

  /// Holds a call; it is due at the end of its wait.
  number hold(moment now, job_id job, held_for what, milliseconds wait);
  void release(number);
  /// The call is about another job from now on.
  void rename(number, job_id job);
  /// The call waits no longer than `rest` from now.
  void shorten(moment now, number, milliseconds rest);

  /// There is a chunk more. The calls that may be answered with it now; those that came a moment
  /// ago become due when they have been held for the least time.
  std::vector<number> streamed(moment now, const job_id&);
  /// There are chunks for this call. May it be answered with them now? If not, it becomes due when
  /// it may.
  bool may_answer(moment now, number);
  /// While an answer with chunks of a job is on its way, it is not known whether its reader has
  /// them. Another call for chunks of that job waits for the receipt, but not for long: a reader
  /// that goes on on another connection shall not see the same chunks again. The receipt comes a
  /// quarter of a second after the last byte at most; the rest is for slow connections and busy
  /// machines.
  static constexpr milliseconds receipt_patience{2'000};
  /// An answer with chunks of this job leaves.
  void sent(moment now, const job_id&);
  /// An answer with chunks of this job was received, or was not. When it was the last one under
  /// way, returns the calls that may have waited for it.
  std::vector<number> settled(const job_id&);
  /// Is an answer with chunks of the call's job on its way, and has it not had its time yet?
  bool receipt_is_missing(moment now, number) const;
  /// The call becomes due when that answer has had its time. One that is over gets a new end then.
  void wait_for_receipt(number);
  /// The caller found nothing for this call: it becomes due at its end.
  void wait_on(number);

  struct due_call {
    number call = 0;
    bool over = false; ///< it has waited long enough: it is answered with what there is
  };
  /// The calls that are due. Those that are not over are due again at their end.
  std::vector<due_call> due(moment now);
  std::optional<moment> next_due() const;

  bool holds(number call) const { return calls_.contains(call); }
  held_for what(number call) const { return calls_.at(call).what; }
  const job_id& job(number call) const { return calls_.at(call).job; }
  std::vector<number> of(const job_id&) const;
  std::vector<number> all() const;
  std::size_t size() const { return calls_.size(); }
  std::vector<std::string> audit() const; ///< breaks of the invariants, in words

 private:
  struct held {
    job_id job;
    held_for what = held_for::end;
    moment earliest; ///< it may be answered with chunks
    moment end;
    moment due;
    bool over = false;
  };
  void set_due(number, held&, moment);
  void leave_job(number, const job_id&);

  std::map<number, held> calls_;
  std::multimap<job_id, number> by_job_;
  std::set<std::pair<moment, number>> due_;
  struct under_way {
    std::uint32_t answers = 0;
    moment until; ///< the latest of them is waited for
  };
  std::map<job_id, under_way> sent_;
  number last_ = 0;
};

} // namespace tayfa
