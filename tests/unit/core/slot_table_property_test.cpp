// Random requests of operators, engines that live and die, and slots that stop late, against an
// owner that only carries out the actions. Invariants: a slot never has two engines; no slot is
// started without being asked for; counts and shares are those of the slots; and when everything
// pending is over, each slot has an engine exactly when it shall have one.
#include "runtime/core/slot_table.hpp"

#include "tests/support/property.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace tayfa {
namespace {

constexpr std::uint32_t most = 5;

class owner {
 public:
  explicit owner(std::uint32_t slots) {
    for (std::uint32_t i = 0; i < slots; ++i) {
      shall_run_.insert(i);
    }
    carry_out(table_.launch(slots));
    check();
  }

  void step(std::uint32_t bits) {
    const auto slot = bits / 8 % most;
    const auto more = bits / 64;
    switch (bits % 8) {
    case 0: drain(slot, more % 2 == 0); break;
    case 1: resize(more % (most + 1)); break;
    case 2: engine_moves(slot, static_cast<engine_state>(1 + more % 4)); break;
    case 3: dies(slot, more % 3 == 0); break;
    case 4: stops(slot); break;
    case 5: fires(); break;
    case 6: says_drained(slot, more % 4 == 0); break;
    case 7: reports_late(slot); break;
    }
    check();
  }

  /// Each engine comes up or ends as it was asked to, and every timer fires.
  void settle() {
    for (int rounds = 0; rounds < 6; ++rounds) {
      for (std::uint32_t slot = 0; slot < most; ++slot) {
        stops(slot);
        engine_moves(slot, engine_state::READY);
        says_drained(slot, false);
      }
      fires();
      check();
    }
    RC_ASSERT(asked_.empty());
    RC_ASSERT(timers_.empty());
  }

  void check_settled() {
    std::set<std::size_t> running;
    for (const auto& [slot, one] : alive_) {
      running.insert(slot);
    }
    RC_ASSERT(running == shall_run_);
    RC_ASSERT(table_.serving() == (table_.count() == 0 || !running.empty()));
    RC_ASSERT(shares_ == shown_running());
  }
  void stop_all() {
    ending_ = true;
    carry_out(table_.stop_all());
    settle();
    RC_ASSERT(alive_.empty());
    RC_ASSERT(table_.all_stopped());
  }

 private:
  struct engine {
    worker_ref worker;
    bool drains = false;
  };

  void drain(std::uint32_t slot, bool on) {
    const auto actions = table_.drain(slot_id{slot}, on);
    RC_ASSERT(actions.has_value() == (known_.contains(slot) && !removed_.contains(slot)));
    if (!actions) {
      return;
    }
    if (on) {
      shall_run_.erase(slot);
    } else {
      shall_run_.insert(slot);
    }
    carry_out(*actions);
  }
  void resize(std::uint32_t count) {
    for (std::uint32_t slot = 0; slot < most; ++slot) {
      if (slot >= count && known_.contains(slot)) {
        removed_.insert(slot);
        shall_run_.erase(slot);
      } else if (slot < count && (removed_.contains(slot) || !known_.contains(slot))) {
        removed_.erase(slot);
        shall_run_.insert(slot);
      }
    }
    carry_out(*table_.resize(count));
  }
  void engine_moves(std::size_t slot, engine_state to) {
    if (const auto it = alive_.find(slot); it != alive_.end()) {
      carry_out(table_.engine({it->second.worker, to, cause::warmed_up, {}}));
    }
  }
  /// Its keeper starts the next one, or is asked to stop.
  void dies(std::size_t slot, bool quarantine) {
    const auto it = alive_.find(slot);
    if (it == alive_.end()) {
      return;
    }
    const auto dead = it->second.worker;
    carry_out(table_.engine({dead, engine_state::SHUTDOWN, cause::crashed, {}}));
    carry_out(table_.worker_down(slot));
    if (asked_.contains(slot)) {
      stops(slot);
      return;
    }
    if (quarantine) {
      table_.quarantined(slot, false);
    }
    live(slot);
  }
  void stops(std::size_t slot) {
    if (asked_.erase(slot) > 0) {
      alive_.erase(slot);
      carry_out(table_.stopped(slot));
    }
  }
  void fires() {
    for (const auto slot : std::exchange(timers_, {})) {
      carry_out(table_.again(slot));
    }
  }
  /// `always`: a report that was sent before the slot was undrained.
  void says_drained(std::size_t slot, bool always) {
    if (const auto it = alive_.find(slot); it != alive_.end() && (it->second.drains || always)) {
      carry_out(table_.drained({it->second.worker}));
    }
  }
  void reports_late(std::size_t slot) {
    const auto it = alive_.find(slot);
    if (it == alive_.end() || it->second.worker.incarnation < 2) {
      return;
    }
    auto old = it->second.worker;
    --old.incarnation;
    RC_ASSERT(table_.engine({old, engine_state::READY, cause::warmed_up, {}}).empty());
    RC_ASSERT(table_.drained({old}).empty());
  }

  void live(std::size_t slot) {
    const auto life = table_.begin_life(slot);
    RC_ASSERT(life.worker.slot.value == slot);
    RC_ASSERT(life.worker.incarnation == ++lives_[slot]);
    alive_[slot] = engine{life.worker};
  }

  void carry_out(const slot_actions& actions) {
    for (const auto& action : actions) {
      if (const auto* start = std::get_if<start_slot>(&action)) {
        RC_ASSERT(!alive_.contains(start->slot));
        RC_ASSERT(shall_run_.contains(start->slot));
        RC_ASSERT(!ending_);
        known_.insert(start->slot);
        live(start->slot);
      } else if (const auto* again = std::get_if<start_slot_again>(&action)) {
        RC_ASSERT(!alive_.contains(again->slot));
        timers_.push_back(again->slot);
      } else if (const auto* stop = std::get_if<stop_slot>(&action)) {
        RC_ASSERT(ending_ || !shall_run_.contains(stop->slot));
        asked_.insert(stop->slot);
      } else if (const auto* drain = std::get_if<drain_engine>(&action)) {
        auto& one = alive_.at(drain->worker.slot.value);
        RC_ASSERT(one.worker == drain->worker);
        one.drains = drain->on;
      } else if (const auto* ended = std::get_if<slot_ended>(&action)) {
        RC_ASSERT(!alive_.contains(ended->slot));
        RC_ASSERT(ended->removed == removed_.contains(ended->slot));
      } else {
        shares_ = std::get<share_cpus>(action).slots;
      }
    }
  }

  std::uint32_t shown_running() const {
    std::uint32_t out = 0;
    for (const auto slot : known_) {
      out += !removed_.contains(slot) || alive_.contains(slot) ? 1 : 0;
    }
    return out;
  }
  void check() const {
    RC_ASSERT(table_.count() == known_.size() - removed_.size());
    RC_ASSERT(table_.summaries().size() == shown_running());
    for (const auto& shown : table_.summaries()) {
      RC_ASSERT(shown.draining != shall_run_.contains(shown.slot.value));
    }
  }

  slot_table table_{{"scripted"}};
  std::set<std::size_t> known_, removed_;
  std::set<std::size_t> shall_run_;     ///< as operators asked
  std::map<std::size_t, engine> alive_; ///< by slot
  std::set<std::size_t> asked_;         ///< to stop
  std::map<std::size_t, std::uint64_t> lives_;
  std::vector<std::size_t> timers_;
  std::uint32_t shares_ = 0;
  bool ending_ = false;
};

TEST(slot_table_property, holds_for_random_requests_and_lives_of_engines) {
  EXPECT_TRUE(testing::property(3'000, [](std::uint32_t slots) {
    const auto script = *rc::gen::scale(8.0, rc::gen::arbitrary<std::vector<std::uint32_t>>());
    owner o{slots / 2 % (most + 1)};
    for (const auto bits : script) {
      o.step(bits);
    }
    if (slots % 2 == 0) { // else the end comes in the middle of it
      o.settle();
      o.check_settled();
    }
    o.stop_all();
  }));
}

} // namespace
} // namespace tayfa
