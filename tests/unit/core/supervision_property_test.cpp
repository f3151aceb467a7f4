// Random ends, timers and stops against a group whose owner only obeys its commands. Invariants:
// never two live instances of one child; only live children are asked to stop; start order;
// restarts bounded; after all_stopped nothing runs and nothing is commanded; and when everything
// pending has been answered, every permanent child is alive unless it, or its group, was given up.
#include "runtime/core/supervision.hpp"

#include "tests/support/property.hpp"

#include <algorithm>
#include <utility>

namespace tayfa::supervision {
namespace {

using tape = std::vector<std::uint32_t>;

policy make_policy(std::uint32_t bits) {
  policy p;
  p.how = static_cast<strategy>(bits % 3);
  p.intensity = bits / 3 % 6;
  p.period = milliseconds{1'000 * (1 + bits / 18 % 60)};
  p.healthy_after = milliseconds{500};
  p.quarantine_base = bits / 1'080 % 2 == 0 ? milliseconds{0} : p.period;
  return p;
}

std::vector<child_spec> make_children(std::uint32_t bits) {
  std::vector<child_spec> out(1 + bits % 5);
  for (auto& c : out) {
    bits = bits / 5 + 7919 * bits;
    c.name = "child";
    c.kind = static_cast<restart>(bits / 16 % 3);
  }
  return out;
}

class owner {
 public:
  owner(const policy& p, const std::vector<child_spec>& children)
      : policy_(p), random_(5), group_(p, children, random_), alive_(children.size()),
        asked_(children.size()), restarts_(children.size()), given_up_(children.size()) {
    obey(group_.start(now_));
  }

  /// Applies one event, chosen by a number of the tape.
  void step(std::uint32_t bits) {
    now_ += milliseconds{bits % 97};
    const auto what = bits / 97;
    switch (what % 8) {
    case 0:
    case 1:
    case 2: end_one(what / 8, static_cast<how>(what / 64 % 6)); break;
    case 3:
    case 4: fire(what / 8); break;
    case 5: now_ += milliseconds{what / 8 % 20'000}; break;
    case 6: // an unexpected end: of a child that is not alive, or does not exist
      if (const auto i = what / 8 % (alive_.size() + 1); i == alive_.size() || !alive_[i]) {
        obey(group_.ended(now_, i, what / 64 % 2 == 0));
      }
      break;
    case 7:
      if (what / 8 % 16 == 0) {
        stop();
      }
      break;
    }
    check_bounds();
  }

  /// Everything pending is answered, without new failures.
  void settle() {
    for (int rounds = 0; rounds < 1000 && pending(); ++rounds) {
      for (std::size_t i = 0; i < alive_.size(); ++i) {
        if (asked_[i]) {
          end(i, how::normal);
        }
      }
      if (!timers_.empty()) {
        now_ += milliseconds{20'000};
        fire(0);
      }
    }
    RC_ASSERT(!pending());
    check_settled();
  }

  void stop() {
    stop_called_ = true;
    obey(group_.stop(now_));
  }
  bool stopped() const { return stopped_; }

 private:
  enum class how : std::uint8_t { normal, failed, failed_too, failed_as_well, refreshed, excused };

  void end_one(std::size_t pick, how ending) {
    const auto live = std::count(alive_.begin(), alive_.end(), true);
    if (live == 0) {
      return;
    }
    auto skip = static_cast<std::ptrdiff_t>(pick) % live;
    for (std::size_t i = 0; i < alive_.size(); ++i) {
      if (alive_[i] && skip-- == 0) {
        end(i, ending);
        return;
      }
    }
  }
  void end(std::size_t i, how ending) {
    alive_[i] = asked_[i] = false;
    switch (ending) {
    case how::normal: obey(group_.ended(now_, i, true)); break;
    case how::failed:
    case how::failed_too:
    case how::failed_as_well: obey(group_.ended(now_, i, false)); break;
    case how::refreshed: obey(group_.refreshed(now_, i)); break;
    case how::excused:
      excuse_ = alone(); // its restart is not counted
      obey(group_.excused(now_, i, now_.time_since_epoch().count() % 2 == 0));
      excuse_ = false;
      break;
    }
  }
  void fire(std::size_t pick) {
    if (timers_.empty()) {
      return;
    }
    const auto at = timers_.begin() + static_cast<std::ptrdiff_t>(pick % timers_.size());
    const auto timer = *at;
    timers_.erase(at);
    obey(group_.due(now_, timer.index, timer.ticket));
    if (pick % 3 == 0) {
      obey(group_.due(now_, timer.index, timer.ticket)); // and once more, too late
    }
  }
  bool pending() const {
    return !timers_.empty() || std::count(asked_.begin(), asked_.end(), true) > 0;
  }

  void obey(const commands& all) {
    std::optional<std::size_t> last_started;
    for (const auto& o : all) {
      RC_ASSERT((!stopped_ || std::holds_alternative<all_stopped>(o)));
      if (const auto* s = std::get_if<start_child>(&o)) {
        RC_ASSERT(!alive_[s->index]);
        RC_ASSERT(!stop_called_);
        RC_ASSERT((!last_started || *last_started < s->index));
        last_started = s->index;
        check_nobody_after(s->index);
        alive_[s->index] = true;
      } else if (const auto* x = std::get_if<stop_child>(&o)) {
        RC_ASSERT((alive_[x->index] && !asked_[x->index]));
        RC_ASSERT(std::count(asked_.begin(), asked_.end(), true) == 0);
        check_is_last_to_stop(x->index);
        asked_[x->index] = true;
      } else if (const auto* later = std::get_if<start_later>(&o)) {
        RC_ASSERT(!stop_called_);
        RC_ASSERT(later->after.count() >= 0);
        timers_.push_back(*later);
        if (!excuse_ && !std::exchange(quarantined_, false)) {
          restarts_[alone() ? later->index : 0].push_back(now_);
        }
      } else if (const auto* alone_now = std::get_if<quarantined>(&o)) {
        RC_ASSERT(!stop_called_);
        RC_ASSERT((alone() && policy_.quarantine_base.count() > 0));
        RC_ASSERT(!alive_[alone_now->index]);
        RC_ASSERT(alone_now->time >= policy_.quarantine_base);
        quarantined_ = true; // the start_later that follows is not one of the counted restarts
      } else if (const auto* up = std::get_if<gave_up>(&o)) {
        RC_ASSERT((!alone() || policy_.quarantine_base.count() == 0));
        RC_ASSERT(!given_up_[up->index]);
        RC_ASSERT((alone() || std::count(alive_.begin(), alive_.end(), true) == 0));
        given_up_[up->index] = true;
      } else {
        RC_ASSERT(stop_called_);
        RC_ASSERT(std::count(alive_.begin(), alive_.end(), true) == 0);
        stopped_ = true;
      }
    }
    for (std::size_t i = 0; i < alive_.size(); ++i) {
      const auto s = group_.state(i);
      RC_ASSERT((alive_[i] == (s == child_state::running || s == child_state::stopping)));
    }
  }

  bool alone() const { return policy_.how == strategy::one_for_one; }
  /// A group restart begins only when all children after its first one are gone.
  void check_nobody_after(std::size_t index) {
    for (std::size_t i = index + 1; !alone() && i < alive_.size(); ++i) {
      RC_ASSERT(!alive_[i]);
    }
  }
  void check_is_last_to_stop(std::size_t index) {
    for (std::size_t i = index + 1; i < alive_.size(); ++i) {
      RC_ASSERT(!alive_[i]);
    }
  }
  void check_bounds() {
    // In a group, the command follows its decision after the stops: one more may fall into the
    // window.
    const std::size_t most = policy_.intensity + (alone() ? 0 : 1);
    for (const auto& at : restarts_) {
      for (std::size_t i = 0; i + most < at.size(); ++i) {
        RC_ASSERT(at[i + most] - at[i] >= policy_.period);
      }
    }
  }
  void check_settled() {
    const bool any_given_up = std::count(given_up_.begin(), given_up_.end(), true) > 0;
    for (std::size_t i = 0; i < alive_.size(); ++i) {
      if (group_.children()[i].kind == restart::permanent && !stop_called_) {
        RC_ASSERT((alive_[i] || given_up_[i] || (!alone() && any_given_up)));
      }
    }
  }

  policy policy_;
  seeded_random random_;
  group group_;
  moment now_{std::chrono::hours{1}};
  bool quarantined_ = false;
  std::vector<bool> alive_;
  std::vector<bool> asked_;
  std::vector<std::vector<moment>> restarts_;
  std::vector<bool> given_up_;
  std::vector<start_later> timers_;
  bool excuse_ = false;
  bool stop_called_ = false;
  bool stopped_ = false;
};

TEST(supervision_property, holds_for_random_ends_timers_and_stops) {
  EXPECT_TRUE(testing::property(3'000, [](std::uint32_t shape, std::uint32_t kinds) {
    const auto script = *rc::gen::scale(8.0, rc::gen::arbitrary<tape>());
    owner o{make_policy(shape), make_children(kinds)};
    for (const auto bits : script) {
      o.step(bits);
    }
    o.settle();
    o.stop();
    o.settle();
    RC_ASSERT(o.stopped());
  }));
}

} // namespace
} // namespace tayfa::supervision
