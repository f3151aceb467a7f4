// Health: what /health and the gauges say, and whether the other actors still answer.
//
// Owns no decision about jobs or engines. It counts engines by state from their keepers' facts,
// refreshes the gauges, and asks the core actors every few seconds whether they are there; one that
// does not answer is reported to the supervisor, which replaces it.
#pragma once

#include "actors/common.hpp"

#include <map>
#include <set>
#include <string>

namespace tayfa {

class health : public health_actor::base {
 public:
  static constexpr std::chrono::milliseconds round{5'000};    ///< between two rounds of questions
  static constexpr std::chrono::milliseconds patience{4'000}; ///< for an answer, within a round

  health(caf::actor_config&, pod_context);

  const char* name() const override { return "health"; }
  behavior_type make_behavior() override;
  void on_exit() override { directory_ = actor_directory{}; }

 private:
  void engine(const engine_moved&);
  void beat(const engine_beat&);
  void set_gauges();
  void on_directory(const actor_directory&);
  void timed(const due_timer&);
  void tick();
  void judge();
  health_answer answer() const;
  template <class Actor>
  void ask(const Actor&, std::string name);

  enum topic : std::uint32_t { next_round, patience_over };

  struct engine_seen {
    std::uint64_t incarnation = 0;
    engine_state state = engine_state::NOT_STARTED;
    protocol::heartbeat last; ///< of this incarnation; all 0 before the first, and after its end
  };

  pod_context ctx_;
  actor_directory directory_;
  bool ticking_ = false;
  std::uint64_t round_ = 0;
  std::set<std::string> unanswered_; ///< of this round, who has been asked and has not answered
  std::map<slot_id, engine_seen> engines_;
};

} // namespace tayfa
