// Deliveries of how jobs ended: webhooks are called in turns, results of a platform's jobs are
// posted to it. Which are being tried, and when the next try of each is.
//
// Owner: the job table, which keeps each job's delivery_state with the job and makes the effects.
// Pure: time is an argument.
//
// Invariants: a try that is under way is in out(); a webhook that waits for a place has exactly one
// in the queue of calls; a webhook is tried at most limits.tries times, where one that was not
// made does not count; a result is posted again after a pause that doubles, and for the last time
// just before its time is over.
#pragma once

#include "messages/job.hpp"
#include "runtime/base/clock.hpp"
#include "runtime/core/delivery/webhook_queue.hpp"
#include "runtime/core/job_effects.hpp"
#include "runtime/core/jobs/sorted_blocks.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tayfa {

/// The delivery of one job.
struct delivery_state {
  bool open = false;        ///< it is still to be made
  bool out = false;         ///< and is being tried now
  bool waits = false;       ///< and its webhook has no place for a call yet
  bool undelivered = false; ///< it is a result that its platform has not accepted
  std::uint8_t tries = 0;
  std::uint64_t call = 0; ///< the latest of its webhook
};

class deliveries {
 public:
  struct limits {
    std::uint32_t tries = 3; ///< of a webhook
    milliseconds pause{10'000};
    webhook_queue::bounds calls;
  };
  /// A result is delivered for so long even when the job's time to live ended with it.
  static constexpr milliseconds result_least{600'000};

  explicit deliveries(const limits& l) : limits_(l), webhooks_(l.calls) {}

  void open(delivery_state&);
  void close(std::uint64_t order, delivery_state&);
  /// A webhook is due: it waits for a place among the calls.
  void wait(std::uint64_t order, delivery_state&, const std::string& tenant, const std::string& url,
            std::size_t bytes);
  /// The webhook that may be called next: begin() with its call.
  std::optional<webhook_queue::turn> next(moment now) { return webhooks_.next(now); }
  /// A try begins; `call` of a webhook.
  void begin(std::uint64_t order, delivery_state&, std::uint64_t call = 0);

  /// A call is over; `of`: the delivery of the job that it was about, null when there is none any
  /// more. False when it is not that one's latest. It may be tried again at the moment.
  bool answered(moment now, std::uint64_t call, hook_answer, std::uint64_t order,
                delivery_state* of);
  moment next_call(moment now) const { return now + limits_.pause; }
  /// A post did not settle the delivery: when the next one is; nothing when there is no time left
  /// before `until`.
  std::optional<moment> next_post(moment now, std::uint64_t order, delivery_state&,
                                  milliseconds pause, moment until);
  /// The job is taken back: a call of its webhook never left.
  void unmade(const delivery_state&);
  /// Ends the try that is under way without a result.
  void give_up_try(std::uint64_t order, delivery_state& d) { set_out(order, d, false); }
  void forget_calls() { webhooks_.forget_calls(); }
  /// Forgotten jobs' tries are no concern any more.
  void erase(std::uint64_t order) { out_.erase(order); }

  /// How the last of the begun tries went is not known, so it may be made once more, but there are
  /// no more of them than allowed.
  std::uint8_t tries_known(bool of_platform, std::uint32_t begun) const;
  /// The jobs whose delivery is being tried now, by order.
  std::vector<std::uint64_t> out() const;
  bool is_out(std::uint64_t order) const { return out_.contains(order); }
  bool has_place(std::uint64_t order) const { return webhooks_.waits(order); }
  std::vector<std::string> audit() const { return webhooks_.audit(); }

 private:
  void set_out(std::uint64_t order, delivery_state&, bool);

  limits limits_;
  webhook_queue webhooks_;
  sorted_blocks<std::uint64_t> out_;
};

} // namespace tayfa
