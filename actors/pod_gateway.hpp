// The gateway of the pods that are linked to this head: to the queue it executes every attempt of a
// pod's worker. Every decision is in runtime/pods (pod_registry); this actor turns messages into
// calls of it, and its effects into messages and operations of the listener.
//
// States: ALONE (until it has the directory) -> OPEN: the listener is open once it is known whom to
// let in, and closed again when the actor ends. The registry outlives the actor; a new actor begins
// with no connections, every pod says hello again, and what the last one had given out is void, as
// for a new queue.
//
// A result is forgotten by its pod only after the queue's commit (await_durable).
#pragma once

#include "actors/common.hpp"
#include "runtime/pods/pod_registry.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace tayfa {

struct listener_reported {
  pods::listener_event what;
};
struct trust_reported {
  using list = result<std::shared_ptr<const pods::admitted>>;
  struct joined {
    pods::connection_id connection = 0;
    std::string key, name;
    result<void> how;
  };
  struct listed {
    std::uint64_t number = 0; ///< of the request
    result<trust_list> found;
  };
  struct invited {
    std::uint64_t number = 0;
    result<join_text> made;
  };
  std::variant<list, joined, listed, invited> what;
};

/// Terms of a head.
struct head_terms {
  pods::registry_limits limits;
  pods::head_identity self;
  pods::listen_options listen;
};

/// Sends through the listener, which outlives it.
std::shared_ptr<pods::pod_registry> make_pod_registry(const head_terms&, pods::pod_listener&);

class pod_gateway : public pod_gateway_actor::base {
 public:
  pod_gateway(caf::actor_config&, pod_context, const head_terms&,
              std::shared_ptr<pods::pod_registry>);

  const char* name() const override { return "pod_gateway"; }
  behavior_type make_behavior() override;
  void on_exit() override;

 private:
  behavior_type alone();
  behavior_type open();

  void open_listener();
  void on(const trust_reported::list&);
  void on(const trust_reported::joined&);
  void on(const trust_reported::listed&);
  void on(const trust_reported::invited&);
  void on(const listener_reported&);
  void on(const pods::received&);
  void on(const pods::gone&);
  void on(const pods::writable&);
  void on(const pods::refused_peer&);
  void on(const pods::listener_failed&);
  void timed(const due_timer&);
  health_answer count() const;
  std::vector<pod_summary> summaries() const;
  pods_answer drain(const drain_pod&);
  caf::result<trust_answer> list();
  caf::result<trust_answer> change(change_trust);
  caf::result<join_text_answer> invite(make_join_text);

  void obey(pods::effects);
  void obey(worker_ready&);
  void obey(attempt_reported&);
  void obey(worker_gone&);
  void obey(model_refused&);
  void obey(pods::reconcile_pod&);
  void obey(pods::drop_connection&);
  void obey(pods::noted&);
  void obey(pods::pod_log&);
  void obey(pods::join_asked&);
  void obey(pods::key_announced&);
  void settle_results();
  void after();

  moment now() const { return ctx_.outside.time.now(); }
  pods::trust_port& trust() const { return *ctx_.outside.trust; }
  pods::pod_listener& listener() const { return *ctx_.outside.listener; }

  using results = std::vector<std::pair<worker_ref, attempt_ref>>;

  pod_context ctx_;
  head_terms terms_;
  std::shared_ptr<pods::pod_registry> registry_;
  actor_directory directory_;
  std::shared_ptr<const pods::admitted> let_in_; ///< null: not known yet, and nobody is let in
  results reported_;                             ///< to the queue, and not asked about
  results unsettled_;   ///< likewise, when the queue could not say that they are durable
  std::string listens_; ///< the bound endpoint
  std::map<std::uint64_t, caf::typed_response_promise<trust_answer>> lists_asked_;
  std::map<std::uint64_t, caf::typed_response_promise<join_text_answer>> texts_asked_;
  std::uint64_t requests_ = 0;
  std::uint64_t fenced_counted_ = 0;
  std::optional<moment> armed_for_;
  std::uint64_t ticket_ = 0;
};

} // namespace tayfa
