// Random connections, losses and restarts: each frame arrives once and in order at the incarnation
// that it was sent to, or is reported as lost; memory stays within the windows.
#include "tests/unit/link/link_ends.hpp"

#include "runtime/base/random.hpp"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <set>

namespace tayfa::testing {
namespace {

using namespace std::chrono_literals;
using texts = std::vector<std::string>;

constexpr std::size_t largest = 40;

/// A side through all its incarnations.
struct side {
  std::string name;
  std::uint64_t incarnation = 0;
  link_options options;
  std::unique_ptr<link_end> end;
  texts accepted; ///< for the present incarnation of the peer, or for the first one
  std::size_t new_peers = 0;
  std::uint64_t numbers = 0;
};

/// Two sides and a wire that drops connections. Within a connection nothing is lost or reordered.
class lossy_wire {
 public:
  explicit lossy_wire(std::uint64_t seed) : random_(seed) {
    for (auto* one : {&a_, &b_}) {
      one->options.receives = {random_.next() % 4 == 0 ? 0 : 1 + random_.next() % 8,
                               random_.next() % 4 == 0 ? 0 : 1 + random_.next() % 90};
      one->options.acknowledge_at_once = random_.next() % 2 == 0;
      one->options.ack_frames = 1 + random_.next() % 6;
      one->options.ack_bytes = 1 + random_.next() % 200;
    }
    a_.name = "a";
    b_.name = "b";
    // Each knows the other's window beforehand, as a pod does from its head's settings.
    a_.options.sends = b_.options.receives;
    b_.options.sends = a_.options.receives;
    restart(a_);
    restart(b_);
  }

  void run(int steps) {
    for (int i = 0; i < steps; ++i) {
      step();
      bounded(a_, b_);
      bounded(b_, a_);
    }
    calm_down();
    whole(a_, b_);
    whole(b_, a_);
  }
  std::uint64_t lost_frames() const { return lost_; }
  std::uint64_t repeated_frames() const { return repeated_; }

 private:
  bool chance(unsigned in) { return random_.next() % in == 0; }
  side& any() { return chance(2) ? a_ : b_; }
  side& other(const side& one) { return &one == &a_ ? b_ : a_; }

  void step() {
    auto& one = any();
    switch (random_.next() % 16) {
    case 0: cut(); break;
    case 1: tick(std::chrono::milliseconds{random_.next() % 700}); break;
    case 2: one.end->blocked = !one.end->blocked; break;
    case 3:
      if (chance(12)) {
        restart(one);
        cut();
      }
      break;
    case 4:
    case 5:
      one.end->state.acknowledge(random_.next() % 60, one.end->now);
      one.end->flush();
      break;
    case 6:
    case 7:
    case 8:
    case 9:
    case 10: send(one); break;
    default: deliver(one);
    }
  }

  void tick(std::chrono::nanoseconds span) {
    for (auto* one : {&a_, &b_}) {
      one->end->now += span;
      one->end->flush();
    }
  }

  void send(side& one) {
    auto text = one.name + std::to_string(one.incarnation) + "." + std::to_string(++one.numbers);
    text += std::string(random_.next() % largest, '.');
    if (one.end->send(text)) {
      one.accepted.push_back(text);
    } else {
      EXPECT_FALSE(one.end->state.has_credit());
    }
  }

  /// The oldest message that `from` has on the wire.
  void deliver(side& from) {
    if (from.end->wire.empty()) {
      return;
    }
    const auto message = from.end->wire.front();
    from.end->wire.pop_front();
    auto& to = other(from);
    const auto taken = to.end->take(*message);
    ASSERT_TRUE(taken.has_value()) << taken.error().text;
    if (taken->new_peer) {
      // Only the last accepted frames may be lost: the others are known to have arrived.
      auto& lost = to.end->lost;
      lost_ += lost.size();
      ASSERT_LE(lost.size(), to.accepted.size());
      EXPECT_TRUE(std::equal(lost.rbegin(), lost.rend(), to.accepted.rbegin()));
      lost.clear();
      to.accepted.clear();
    }
  }

  /// The connection ends: a part of what is under way arrives nevertheless. The ends may notice.
  void cut() {
    for (auto* one : {&a_, &b_}) {
      for (auto arrive = random_.next() % (one->end->wire.size() + 1); arrive > 0; --arrive) {
        deliver(*one);
      }
    }
    a_.end->wire.clear();
    b_.end->wire.clear();
    if (chance(2)) {
      a_.end->connected(); // the one that connects
    }
    switch (random_.next() % 3) {
    case 0: b_.end->connected(); break;
    case 1: b_.end->state.disconnected(); break;
    case 2: break;
    }
  }

  void restart(side& one) {
    if (one.end) {
      repeated_ += one.end->state.counters().repeated;
    }
    const auto now = one.end ? one.end->now : moment{1h};
    one.options.self = ++one.incarnation;
    one.end = std::make_unique<link_end>(one.options);
    one.end->now = now;
    one.accepted.clear();
    if (&one == &a_) {
      one.end->connected();
    }
  }

  /// No more losses: everything arrives.
  void calm_down() {
    a_.end->blocked = b_.end->blocked = false;
    for (int i = 0; i < 12; ++i) {
      tick(1s);
      for (auto* one : {&a_, &b_}) {
        send(*one);
        one->end->flush();
      }
      while (!a_.end->wire.empty() || !b_.end->wire.empty()) {
        deliver(a_);
        deliver(b_);
        for (auto* one : {&a_, &b_}) {
          one->end->state.acknowledge(~std::uint64_t{0}, one->end->now);
          one->end->flush();
        }
      }
    }
  }

  static void bounded(const side& one, const side& peer) {
    const auto& window = peer.options.receives;
    if (window.frames != 0) {
      ASSERT_LE(one.end->state.kept(), window.frames);
    }
    if (window.bytes != 0) {
      ASSERT_LE(one.end->state.kept_bytes(), window.bytes + largest + 20);
    }
  }

  /// The present incarnation of `to` has exactly what the present one of `from` sent to it.
  static void whole(const side& from, const side& to) {
    texts arrived;
    const auto by = from.name + std::to_string(from.incarnation) + ".";
    std::copy_if(to.end->delivered.begin(), to.end->delivered.end(), std::back_inserter(arrived),
                 [&](const std::string& text) { return text.starts_with(by); });
    EXPECT_EQ(arrived, from.accepted);
    EXPECT_EQ(from.end->state.unsent(), 0U);
    const std::set<std::string> once{to.end->delivered.begin(), to.end->delivered.end()};
    EXPECT_EQ(once.size(), to.end->delivered.size());
  }

  seeded_random random_;
  side a_;
  side b_;
  std::uint64_t lost_ = 0;
  std::uint64_t repeated_ = 0;
};

TEST(link_property, each_frame_once_and_in_order_or_reported_as_lost) {
  const char* const wanted = std::getenv("TAYFA_LINK_SEEDS");
  const std::uint64_t seeds = wanted == nullptr ? 1'500 : std::strtoull(wanted, nullptr, 10);
  std::uint64_t lost = 0;
  for (std::uint64_t seed = 1; seed <= seeds && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    lossy_wire wire{seed};
    wire.run(400);
    lost += wire.lost_frames();
  }
  EXPECT_GT(lost, seeds / 10) << "the runs are worth something";
}

} // namespace
} // namespace tayfa::testing
