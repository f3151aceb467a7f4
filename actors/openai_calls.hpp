// Calls of OpenAI's API, each from its job's submission to the last byte of its answer: the job is
// followed, and what it makes is the answer (runtime/api/openai*.hpp says in which form).
//
// Owner: the ingress, of which it is a part. A call has a job of its own, which is cancelled when
// the client leaves: no other client can ever read its output.
//
//   not streamed: submitted -> (job_ended) -> answered
//   streamed:     submitted -> reads chunks -> head and pages -> last page
//
// A stream's head leaves with its first page, or when nothing has come for a while (proxies cut
// quiet requests off, and comments need a head). Until then an error has its own status; afterwards
// it is an event. What always holds: a stream shows the chunks of one attempt, each once, in order;
// where that cannot be kept it ends with an error.
#pragma once

#include "actors/common.hpp"
#include "runtime/api/openai_events.hpp"
#include "runtime/http/page_stream.hpp"

#include <map>
#include <memory>
#include <optional>

namespace tayfa {

/// To a client whose request this part of the pod does not answer: it may try again.
inline error restarting(const std::string& part) {
  return {errc::unavailable, part + " is restarting"};
}
inline error queue_restarting() {
  return restarting("the queue");
}

/// From the reader of an answer, or its line.
struct reader_event {
  enum class what : std::uint8_t { wants_more, left };
  job_id job;
  what kind = what::left;
};

class openai_calls {
 public:
  /// How long a stream's head waits for the first chunk.
  static constexpr milliseconds head_wait{10'000};
  /// Topic of our timers, which the ingress receives.
  static constexpr std::uint32_t topic = 1;

  openai_calls(ingress_actor::base* self, pod_context ctx) : self_(self), ctx_(ctx) {}

  void begin(const api::openai&, const reply_ptr&);
  void ended(const job_ended&);
  void streamed(const job_id&);
  void on(const reader_event&);
  void timed(const due_timer&);
  void on_directory(const queue_actor&);
  /// The ingress ends: every call is answered with this, its job is cancelled, and no handle is
  /// kept.
  void stop(errc why);

 private:
  struct call {
    job_access who;
    bool streams = false;
    reply_ptr answer; ///< until it has begun
    std::shared_ptr<page_inlet> pages;
    api::openai_events events;
    std::uint32_t attempt = 0; ///< whose chunks are read
    std::uint64_t taken = 0;   ///< number of the last chunk that was taken; 0 = none was
    bool reading = false;      ///< the queue is asked
    bool changed = false;      ///< since it was asked
    bool wanted = true;        ///< the reader has taken what there was
    std::optional<moment> due; ///< of the head, or of another try
  };
  using entry = std::map<job_id, call>::iterator;

  // a stream
  void read(const job_id&);
  void take(const job_id&, const stream_answer&);
  std::optional<api::openai_fault> gap_in(const call&, const unread_chunks&) const;
  void take_chunks(entry, const unread_chunks&);
  void finish_stream(entry, const job_view&, std::string page);
  void put(entry, std::string page, byte_budget::place, bool last);
  void begin_answer(entry);

  // a whole answer
  void finish(const job_view&);
  void answer_with_chunks(const job_id&, const job_access&, const reply_ptr&);

  /// With the output of a job that COMPLETED, wherever it is kept.
  template <class Then>
  void with_output(const job_view&, const job_access&, Then);

  void fail_call(entry, const api::openai_fault&, bool cancels);
  void cancel(const job_id&, const job_access&);
  void wait_until(entry, milliseconds);
  void arm(moment);

  ingress_actor::base* self_;
  pod_context ctx_;
  queue_actor queue_;
  std::map<job_id, call> calls_;
  std::optional<moment> armed_for_;
  std::uint64_t ticket_ = 0;
};

} // namespace tayfa
