// Calls about jobs of other heads, where several heads share the store: a client may ask any of
// them. Each call is tried at this head's own queue first; where the job is not there, the store
// says which head has it.
//
// Owner: the ingress, of which it is a part.
//   * what only reads is answered from the store: the owner is not asked, nor has it to live. A
//     call that waits for the job's end looks again and again.
//   * what changes the job, or takes chunks of its stream, is a call of the owner, for a bounded
//     time. A head that is dead or silent is errc::unavailable: the client may ask again, and finds
//     the head that has adopted the job.
//   * a job that is this head's own by the store, and not in the queue, is being adopted: the call
//     is tried here again.
// A call that came from another head is served here or refused, never passed on.
#pragma once

#include "actors/common.hpp"
#include "messages/head_calls.hpp"
#include "runtime/store/shared_store.hpp"

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace tayfa {

/// Something that concerns other heads has happened.
struct heads_event {
  /// The job of this call is not in the queue.
  struct missed {
    api::call call;
    reply_ptr answer;
    int tries = 0;
  };
  struct found {
    std::uint64_t ticket = 0;
    result<std::optional<store::found_job>> job;
  };
  struct fetched {
    std::uint64_t ticket = 0;
    result<shared_text> text;
  };
  struct answered {
    std::uint64_t ticket = 0;
    result<std::string> answer;
  };
  struct listed {
    std::uint64_t ticket = 0;
    result<std::vector<store::head_view>> heads;
  };
  std::variant<missed, found, fetched, answered, listed, store::head_call> what;
};

/// Header field of lists and counts where several heads share the store: they cover this head.
inline constexpr const char* head_field = "X-Tayfa-Head";

class other_heads {
 public:
  /// Topic of our timers, which the ingress receives.
  static constexpr std::uint32_t topic = 2;
  /// How long the owner of a job may take to answer.
  static constexpr milliseconds call_wait{5'000};
  /// Between two looks at a job whose end a client waits for.
  static constexpr milliseconds look_pause{500};
  /// Between tries of a call about a job that is being adopted here.
  static constexpr milliseconds adopt_pause{200};
  static constexpr int adopt_tries = 15;

  /// `serve` answers a call at this head alone.
  using server = std::function<void(const api::call&, const reply_ptr&)>;
  other_heads(ingress_actor::base* self, pod_context ctx, server serve)
      : self_(self), ctx_(ctx), shared_(ctx.outside.store.shared()), serve_(std::move(serve)) {}

  void on_directory(const queue_actor&);
  void stop();
  /// The reply for this head's own try: what is not here is looked for elsewhere, and lists say
  /// which head they cover.
  reply_ptr around(const api::call&, const reply_ptr&, int tries = 0);
  /// True: the submission has a key that another head may know, so that is looked at first; `go_on`
  /// submits it here.
  bool looks_first(const api::submit&, const reply_ptr&, std::function<void()> go_on);
  /// True: the same is asked of other heads; this one has cancelled so many jobs.
  bool purges(const job_access&, std::size_t here, const reply_ptr&);
  void on(const heads_event&);
  void timed(const due_timer&);

 private:
  struct open_call {
    api::call call;
    reply_ptr answer;
    int tries = 0;                 ///< while the job changes hands
    std::optional<moment> until{}; ///< the client waits no longer
    bool here = false;             ///< the next try is at this head's own queue
    store::head_view owner{};      ///< that is asked
    job_view view{};               ///< whose output is being fetched
    byte_budget::place place{};    ///< for that output
    std::function<void()> go_on{}; ///< of a submission with a key
    std::uint64_t purge = 0;       ///< the purge that this is a part of
  };
  struct open_purge {
    reply_ptr answer;
    job_access who;
    std::size_t removed = 0, left = 0;
    std::string silent{}; ///< heads that have not answered
  };
  using entry = std::map<std::uint64_t, open_call>::iterator;
  /// The receipts of answers to other heads, which come and go on any thread.
  struct receipt_register {
    std::mutex mutex;
    std::map<std::uint64_t, receipt> open;
    receipt take(std::uint64_t number);
  };

  void on(const heads_event::missed&);
  void on(const heads_event::found&);
  void on(const heads_event::fetched&);
  void on(const heads_event::answered&);
  void on(const heads_event::listed&);
  void on(const store::head_call&);
  std::uint64_t open(open_call);
  void look(std::uint64_t ticket);
  void look_later(std::uint64_t ticket, milliseconds pause);
  void take_found(entry, store::found_job);
  void take_known(entry, const store::head_view&, std::uint64_t print, const result<job_detail>&);
  void take_view(entry, job_view);
  void ask_owner(entry, const store::head_view&);
  void call_head(std::uint64_t ticket, std::int64_t head, const head_calls::call&, milliseconds);
  void finish(entry, api::response);
  void refuse(entry, const error&);
  void again(entry, const error& otherwise);
  void take_answer(entry, head_calls::answer);
  void purged_there(entry, const result<head_calls::answer>&);
  void serve_call(const store::head_call&, const head_calls::call&);
  void serve_purge(const store::head_call&, const job_access&);

  ingress_actor::base* self_;
  pod_context ctx_;
  store::shared_store* shared_; ///< null: there are no other heads
  server serve_;
  queue_actor queue_;
  bool serving_ = false;
  std::uint64_t tickets_ = 0;
  std::map<std::uint64_t, open_call> calls_;
  std::map<std::uint64_t, open_purge> purges_;
  std::shared_ptr<receipt_register> receipts_ = std::make_shared<receipt_register>();
};

} // namespace tayfa
