// The head's side of the pod link: which pods are connected, in which session each is, what its
// workers hold, and what the queue hears of them.
//
// Owner: the actor `pods`. Not thread safe, no clock, no sockets: moments, messages and the queue's
// commands are arguments; what must be done comes back as `effects`, in order; link messages go out
// through the `send` function. Everything that a pod says is untrusted: it can touch only attempts
// that its own (key, incarnation) holds, and every list is bounded.
//
// Invariants (audit() checks them; tests/unit/pods):
//   * a key has one connection, the one that was proven last; nothing of another one is heard;
//   * an attempt that the queue gave is later finished to the queue, or named to it in
//     reconcile_pod, or its worker left the queue;
//   * a result goes to the queue at most once, and `forget` to the pod only after settled();
//   * a suspect, draining, closed or unfit pod is announced with capacity 0;
//   * no command looks at more than one pod, and no message at more than one.
//
// A session begins with a hello, and ends when the pod is lost, revoked, too slow, or begins
// another one. A short cut of the connection does not end it.
#pragma once

#include "messages/pod_protocol.hpp"
#include "messages/workers.hpp"
#include "runtime/base/clock.hpp"
#include "runtime/pods/link_end.hpp"
#include "runtime/pods/registry_effects.hpp"

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace tayfa::pods {

using std::chrono::milliseconds;

struct registry_limits {
  milliseconds beat{2'000};
  std::uint32_t misses = 3;        ///< beats without a message: suspect
  milliseconds lost_after{60'000}; ///< silence after which its attempts run again
  std::uint32_t pods_max = 1'000;
  std::uint32_t hellos_per_second = 200;
  std::uint32_t refused_most = 100; ///< refused frames in `refused_within`: cut for `cut_for`
  milliseconds refused_within{10'000};
  milliseconds cut_for{60'000};
  std::uint32_t clones_most = 3; ///< sessions that replace living ones within `clones_within`
  milliseconds clones_within{60'000};
  milliseconds clones_hold{300'000};
  std::uint32_t unaccepted_most = 3; ///< in a row: nothing more for `unfit_for`
  milliseconds unfit_for{60'000};
  std::uint32_t log_rows_per_second = 50; ///< of one pod
  milliseconds refusal_grace{5'000}; ///< for a refusal to arrive before the connection is closed
  std::uint64_t cache_bytes = std::uint64_t{256} << 20;
};

struct head_identity {
  std::string id;
  std::uint64_t boot = 1; ///< counts the starts of this head, durably
  std::uint32_t versions_from = pod_protocol::version_min;
  std::uint32_t versions_to = pod_protocol::version_max;
};

/// An attempt as the queue gives it.
struct attempt_order {
  protocol::assign body;
  std::uint32_t timeout_ms = 0;
  std::string endpoint{};
};

/// Nodes of pods are numbered from here on.
inline constexpr std::uint32_t first_node = 2;

/// A pod's worker as the queue sees it.
worker_facts facts_of(const pod_protocol::slot_ready&, const std::string& pod,
                      const std::string& key, std::uint32_t number);

/// A pod, for people.
struct pod_line {
  std::string key, name, release, closed;
  node_id node;
  bool linked = false, suspect = false, draining = false;
  bool drained = false; ///< as the pod says
  std::uint64_t incarnation = 0, session = 0;
  std::uint32_t slots = 0, attempts = 0, running = 0;
  milliseconds silent{0};
  std::chrono::microseconds round_trip{0};   ///< as the pod measures it; 0 = unknown
  std::uint64_t bytes_in = 0, bytes_out = 0; ///< of link messages
  std::vector<std::string> models;
};

class pod_registry {
 public:
  using send_function = std::function<sent(connection_id, const link_message&)>;

  pod_registry(registry_limits, head_identity, send_function);
  ~pod_registry();
  pod_registry(const pod_registry&) = delete;
  pod_registry& operator=(const pod_registry&) = delete;

  // ---- connections -----------------------------------------------------------------------------
  effects on(moment now, const received&);
  effects on(moment now, const gone&);
  effects on(moment now, const writable&);

  // ---- the queue -------------------------------------------------------------------------------
  /// All members of a run, or one attempt.
  effects assigned(moment now, worker_ref, const std::vector<attempt_order>&);
  effects revoked(moment now, worker_ref, const attempt_ref&);
  effects change_model(moment now, worker_ref, const std::string& model);
  effects reconciled(moment now, node_id, std::uint64_t session,
                     const std::vector<claim_decision>&);
  /// The change by this attempt's result is durable, or there was none.
  effects settled(moment now, worker_ref, const attempt_ref&);
  /// A new queue: it knows no workers, and every pod says hello again.
  effects queue_restarted(moment now);

  // ---- operators -------------------------------------------------------------------------------
  /// The key may come (again).
  void trust(const std::string& key);
  /// Nothing that it says counts from now on, and its attempts run elsewhere.
  effects revoke(moment now, const std::string& key, const std::string& why);
  effects drain(moment now, const std::string& key, pod_protocol::drain_mode,
                milliseconds grace = std::chrono::seconds{30});
  effects undrain(moment now, const std::string& key);
  /// To one pod: know the head by this key and address; an empty key: make a new pair.
  effects rotate(moment now, const std::string& key, const pod_protocol::rotate&);
  effects joined(moment now, connection_id, const result<void>&);

  // ---- time ------------------------------------------------------------------------------------
  effects expire(moment now);
  std::optional<moment> next_deadline() const;

  // ---- for people ------------------------------------------------------------------------------
  std::vector<pod_line> lines(moment now) const; ///< by name and key
  struct counters {
    std::uint64_t refused_frames = 0; ///< that broke a rule
    std::uint64_t fenced = 0;         ///< results of attempts that the queue no longer counts on
    std::uint64_t sessions = 0, hellos_refused = 0, lost = 0, dropped_messages = 0;
  };
  const counters& count() const { return counters_; }
  std::size_t size() const { return pods_.size(); }
  std::vector<std::string> audit() const; ///< breaks of the invariants, in words

 private:
  enum class phase : std::uint8_t {
    away,     ///< no session
    open,     ///< waits for hello
    greeting, ///< waits for the rest of hello
    judging,  ///< waits for the queue's decision
    linked,
    refusing, ///< waits until the refusal has been read
  };
  struct slot {
    std::uint32_t number = 0;
    std::uint64_t pod_incarnation = 0; ///< of the worker, as the pod counts
    worker_ref ref;                    ///< as the queue knows it
    std::uint64_t life = 0;            ///< incarnation of the pod that announced it
    worker_facts facts;
    /// The worker has ended, and results of it still wait for a blob.
    std::unique_ptr<pod_protocol::slot_gone> end;
    /// The next worker in its place, which waits for that.
    std::unique_ptr<protocol::frame<pod_protocol::slot_ready>> next;
  };
  struct parked_message {
    pod_protocol::upstream body;
    std::size_t bytes = 0;
  };
  struct held {
    enum class state : std::uint8_t {
      pending, ///< waits for credit or for the session
      sent,
      accepted,
      reported, ///< its result is with the queue
      void_,    ///< the queue does not count on it; the pod's last word on it is awaited
    } at = state::pending;
    worker_ref ref;
    std::uint64_t life = 0;               ///< incarnation of the pod that it was given to
    std::unique_ptr<attempt_order> order; ///< until it is sent
    pod_protocol::blob_ref input;         ///< offered until it is accepted
    bool cancelled = false;               ///< to be said after the welcome
    std::vector<parked_message> parked;   ///< in order, until a blob has arrived
  };
  using held_map = std::unordered_map<attempt_ref, held, attempt_hash>;
  struct greeting {
    pod_protocol::hello hello;
    std::vector<std::pair<worker_ref, pod_protocol::slot_ready>> slots;
    std::vector<pod_protocol::inventory_entry> inventory;
    std::vector<claim> claims;
  };
  struct unaccepted {
    attempt_ref attempt;
    moment since;
  };
  struct replacement {
    moment at;
    std::uint64_t from = 0, to = 0; ///< incarnations
  };
  struct pod {
    std::string key, name, release, closed;
    node_id node;
    phase at = phase::away;
    bool suspect = false, draining = false;
    bool drained = false; ///< in this session
    connection_id connection = 0;
    std::uint64_t session = 0, incarnation = 0;
    std::unique_ptr<head_end> link;
    std::unique_ptr<greeting> hello;
    moment heard{}, due{}, refused_since{}, shut_until{}, unfit_until{}, refusal_until{};
    std::uint32_t refused = 0, unaccepted_in_row = 0, running = 0;
    std::string shut_why; ///< refused until shut_until
    pod_protocol::refusal shut_as = pod_protocol::refusal::misbehaved;
    std::uint64_t take_until = 0, assigns = 0;
    std::uint64_t bytes_in = 0, bytes_out = 0;
    std::vector<slot> slots; ///< by number
    held_map attempts;
    std::list<attempt_ref> pending;
    std::list<unaccepted> waits; ///< oldest first; may name attempts that were accepted meanwhile
    std::set<attempt_ref> parked;
    std::size_t parked_bytes = 0;
    std::vector<replacement> replaced;
    std::chrono::microseconds round_trip{0};
    moment rows_since{};
    std::uint32_t rows = 0; ///< of its log, in the second since then
    std::vector<std::string> models;
    std::optional<pod_protocol::drain> drain;
  };
  struct join_link;

  // connections and sessions (pod_registry.cpp)
  pod* meet(moment, const received&, const envelope&, effects&);
  pod* connect(moment, const received&, effects&);
  void begin_session(moment, pod&, std::uint64_t incarnation, effects&);
  bool is_cloned(moment, pod&, std::uint64_t incarnation, bool living);
  void take(moment, pod&, std::span<const char>, effects&);
  void refused_frame(moment, pod&, const error&, effects&);
  void refuse(moment, pod&, pod_protocol::refusal, const std::string& text, milliseconds retry,
              effects&);
  void disconnect(pod&, effects&);
  void end_session(pod&, effects&);
  void lose(pod&, const error& why, effects&);
  void drop(connection_id, effects&);
  void join(moment, const received&, effects&);
  void settle(moment, pod&, effects&);
  void note(noted::what, const pod&, std::string text, effects&);

  // hello (pod_registry_hello.cpp)
  void said(moment, pod&, const worker_ref&, pod_protocol::hello&, effects&);
  void greet(moment, pod&, const worker_ref&, pod_protocol::upstream&, effects&);
  void begin_reconciliation(moment, pod&, effects&);
  void adopt_slots(pod&, reconcile_pod&);
  bool name_absent(pod&, reconcile_pod&);
  void expect(pod&, const attempt_ref&, worker_ref holder);
  void judge(pod&, const claim&, const claim_decision&);
  void welcome(moment, pod&, const std::vector<claim_decision>&, effects&);
  bool admits_hello(moment);

  // a linked pod's messages (pod_registry_reports.cpp)
  void frame(moment, pod&, std::span<const char>, effects&);
  void said(moment, pod&, const worker_ref&, pod_protocol::slot_ready&, effects&);
  void said(moment, pod&, const worker_ref&, pod_protocol::slot_gone&, effects&);
  void said(moment, pod&, const worker_ref&, pod_protocol::beat&, effects&);
  void said(moment, pod&, const worker_ref&, pod_protocol::credit&, effects&);
  void said(moment, pod&, const worker_ref&, pod_protocol::accepted&, effects&);
  void said(moment, pod&, const worker_ref&, pod_protocol::returned&, effects&);
  void said(moment, pod&, const worker_ref&, protocol::log&, effects&);
  void said(moment, pod&, const worker_ref&, pod_protocol::drained&, effects&);
  void said(moment, pod&, const worker_ref&, pod_protocol::models&, effects&);
  void said(moment, pod&, const worker_ref&, pod_protocol::model_refused&, effects&);
  void said(moment, pod&, const worker_ref&, pod_protocol::key_made&, effects&);
  void said(moment, pod&, const worker_ref&, pod_protocol::blob_need&, effects&);
  void said(moment, pod&, const worker_ref&, pod_protocol::blob_have&, effects&);
  void said(moment, pod&, const worker_ref&, pod_protocol::chunk&, effects&);
  template <class Report>
  void said(moment, pod&, const worker_ref&, Report&, effects&);
  enum class content : std::uint8_t { here, missing, impossible };
  content fetch(pod&, pod_protocol::payload&, const shared_text& arrived);
  bool deliver(pod&, held_map::iterator, pod_protocol::upstream&, const pod_protocol::blob_ref& at,
               const shared_text& arrived, bool failed, effects&);
  void late_result(pod&, held_map::iterator, const pod_protocol::finished&, effects&);
  void park(pod&, held_map::iterator, pod_protocol::upstream);
  void unpark(moment, pod&, const pod_protocol::blob_ref&, const shared_text&, bool failed,
              effects&);
  void end_slot(pod&, slot&, effects&);
  slot& add_slot(pod&, const worker_ref& from);

  // the queue's commands (pod_registry_queue.cpp)
  void send_pending(moment, pod&);
  void send_order(pod&, const attempt_ref&, held&, std::uint32_t batch_size);
  void give_back(pod&, held_map::iterator, const std::string& why, effects&);
  void erase(pod&, held_map::iterator);
  void announce(pod&, slot&, effects&);
  void announce_all(pod&, effects&);
  bool is_open(const pod&) const;
  pod* find(node_id);
  pod* find(const std::string& key);
  slot* find_slot(pod&, std::uint32_t number);
  slot* find_slot(pod&, const worker_ref&);

  // time (pod_registry_time.cpp)
  moment due_of(const pod&) const;
  void schedule(pod&);
  void expire_one(moment, pod&, effects&);
  milliseconds silence() const { return limits_.beat * limits_.misses; }

  registry_limits limits_;
  head_identity self_;
  send_function send_;
  std::unordered_map<std::string, std::unique_ptr<pod>> pods_; ///< by key
  std::unordered_map<connection_id, pod*> by_connection_;
  std::vector<pod*> by_node_;                 ///< from first_node on
  std::unordered_set<connection_id> dropped_; ///< until they are gone
  std::unordered_set<std::string> revoked_;
  std::unordered_map<connection_id, std::unique_ptr<join_link>> joins_;
  std::set<std::pair<moment, std::uint32_t>> due_; ///< by node
  receive_budget budget_;
  blob_cache cache_;
  std::uint64_t sessions_ = 0;
  std::uint64_t incarnations_ = 0; ///< of workers, as the queue knows them
  moment hellos_since_{};
  std::uint32_t hellos_ = 0;         ///< in the second since then
  std::uint32_t hellos_waiting_ = 0; ///< refused in that second
  counters counters_;
};

} // namespace tayfa::pods
