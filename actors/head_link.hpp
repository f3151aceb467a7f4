// The link of a pod to its head, in the place of the queue: the pod's workers offer themselves to
// it, and get from it the attempts that the head assigns. Every decision is in runtime/pods
// (pod_session); this actor turns messages into calls of it, and its effects into messages,
// operations of the disk and of the connection.
//
// It owns the session, and so the attempts that run here. A restarted actor is a new incarnation of
// the pod to the head: the workers stop what they have and offer themselves again (as after a
// restart of the queue), and results are read from the disk.
//
// States: OPENING (the disk is asked for results; workers' messages are postponed) -> LINKING. A
// silent head ends no work: what runs goes on, and its results are kept.
#pragma once

#include "actors/common.hpp"
#include "runtime/pods/pod_session.hpp"
#include "runtime/pods/result_port.hpp"

#include <map>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

namespace tayfa {

/// An event of one try to connect.
struct link_reported {
  std::uint64_t attempt = 0; ///< number of the try
  pods::connector_event what;
};

/// The end of something that the disk was asked.
struct results_replied {
  struct opened {
    result<std::vector<pods::kept_result>> found;
  };
  struct kept {
    attempt_ref attempt;
    result<void> how;
  };
  struct read {
    attempt_ref attempt;
    result<protocol::finished> found;
  };
  std::uint64_t life = 0; ///< of the actor that asked
  std::variant<opened, kept, read> what;
};

/// Terms of a pod that has a head.
struct link_terms {
  pods::session_limits limits;
  pods::pod_identity self; ///< its incarnation is that of the process
  std::vector<pods::head_address> heads;
  pods::key_pair keys;
};

class head_link : public head_link_actor::base {
 public:
  /// `life` counts the actors of this process.
  head_link(caf::actor_config&, pod_context, const link_terms&, std::uint64_t life);

  const char* name() const override { return "head_link"; }
  behavior_type make_behavior() override;
  void on_exit() override;

 private:
  auto common();
  behavior_type opening();
  behavior_type linking();

  void on(const results_replied&);
  void on(const results_replied::opened&);
  void on(const results_replied::kept&);
  void on(const results_replied::read&);
  void report_failure();
  void on(const link_reported&);
  void joined(const worker_ready&);
  void reported(const attempt_reported&);
  void gone(const worker_gone&);
  void drain();
  void hand_back();
  void timed(const due_timer&);
  void on_directory(const actor_directory&);

  void obey(pods::session_effects);
  void obey(pods::connect_head&);
  void obey(pods::disconnect_head&);
  void obey(assign_attempts&);
  void obey(revoke_attempt&);
  void obey(change_worker_model&);
  void obey(pods::keep_result&);
  void obey(pods::read_result&);
  void obey(pods::delete_result&);
  void obey(pods::remember_head&);
  void obey(pods::head_moved&);
  void obey(pods::make_key&);
  void obey(pods::pod_event&);
  template <class Message>
  void pass_on(Message&);
  std::function<void(results_replied)> to_me();
  void after();
  void notify_others(const pods::session_status&);

  moment now() const { return ctx_.outside.time.now(); }
  pods::head_connector& connector() const { return *ctx_.outside.connector; }
  pods::result_port& disk() const { return *ctx_.outside.results; }

  struct worker_handle {
    std::uint64_t incarnation = 0;
    attempt_executor handle;
  };
  worker_handle* find(const worker_ref&);

  pod_context ctx_;
  pods::key_pair keys_;
  std::string head_; ///< address, for people
  std::uint64_t life_;
  pods::pod_session session_;
  actor_directory directory_;
  std::map<worker_place, worker_handle> workers_;
  std::uint64_t tries_ = 0;
  bool is_draining_ = false;
  bool rests_ = false; ///< nothing runs, and the head has heard of every result
  bool drained_sent_ = false;
  std::optional<error> failed_; ///< results cannot be read: the pod ends
  std::optional<load_changed> load_;
  std::optional<bool> linked_;
  std::optional<moment> armed_for_;
  std::uint64_t ticket_ = 0;
};

} // namespace tayfa
