// The dispatcher's side of the worker protocol with one incarnation of one worker: which messages
// are in order, which attempts it holds, and whether it still sends.
//
// Pure: it sends nothing and has no clock. The owner (gpu_worker; a link to another pod) carries
// the messages, asks this class what each of them means, and arms the timers.
//
// Invariants: hello comes once and first, load_finished once and after load_model; a report counts
// only while its attempt is held, and finished ends it; an attempt is cancelled at most once.
#pragma once

#include "messages/error.hpp"
#include "messages/protocol.hpp"
#include "messages/worker.hpp"

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace tayfa {

struct session_limits {
  std::uint32_t capacity_most = 1;        ///< attempts that a worker of this kind may take
  std::uint32_t misses_most = 1;          ///< liveness checks in a row without a frame
  std::vector<std::string> model_kinds{}; ///< of the models that a worker of this kind runs
};

class worker_session {
 public:
  explicit worker_session(session_limits limits) : limits_(std::move(limits)) {}

  /// False: the worker violates the protocol.
  [[nodiscard]] bool on_hello(const protocol::hello&);
  enum class load_answer : std::uint8_t { unexpected, failed, loaded };
  load_answer on_load_finished(const protocol::load_finished&);

  /// The worker waits for a model; afterwards load_sent() has named it.
  bool wants_model() const { return said_hello_ && !load_sent_; }
  bool load_sent() const { return load_sent_; }
  void load_sent(const std::string& model);

  /// The attempt goes to the worker, which is to run it with its model.
  void assign(protocol::assign&);
  bool holds(const attempt_ref& attempt) const { return held_.contains(attempt); }
  void finished(const attempt_ref&);
  /// True if the attempt is held and no cancel has been sent.
  bool can_revoke(const attempt_ref&) const;
  /// A cancel has been sent, whose grace is the timer with this ticket.
  void revoked(const attempt_ref&, std::uint64_t ticket);
  /// True when this timer belongs to a cancelled attempt that has not ended.
  bool grace_is_over(std::uint64_t ticket) const;
  /// Nothing more is expected of the worker.
  void end();

  void heard() { heard_ = true; }
  /// To be called once per heartbeat interval. True when too many in a row were without a frame.
  ///
  /// Counted in checks, not in time: frames that wait to be read are read before the next check,
  /// however slowly this process runs.
  bool check_silence();

  bool idle() const { return held_.empty(); }
  const std::set<attempt_ref>& held() const { return held_; }
  const worker_facts& facts() const { return facts_; }
  const std::string& model() const { return model_; } ///< sent to be loaded; empty = none

 private:
  session_limits limits_;
  worker_facts facts_;
  bool said_hello_ = false;
  bool load_sent_ = false;
  bool loaded_ = false;
  bool batches_ = false; ///< its engine makes batches, whatever the model allows
  std::string model_;
  std::set<attempt_ref> held_;
  std::map<attempt_ref, std::uint64_t> revoked_; ///< attempt -> ticket of its grace
  bool heard_ = false;                           ///< since the last check
  std::uint32_t misses_ = 0;
};

} // namespace tayfa
