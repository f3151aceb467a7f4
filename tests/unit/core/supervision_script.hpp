// A supervised group driven by hand, whose commands are read as text.
#pragma once

#include "runtime/core/supervision.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tayfa::supervision {

using std::chrono::seconds;

inline std::string text_of(const command& o) {
  struct {
    std::string operator()(const start_child& x) const {
      return "start " + std::to_string(x.index);
    }
    std::string operator()(const start_later& x) const {
      return "later " + std::to_string(x.index) + " " + std::to_string(x.after.count());
    }
    std::string operator()(const stop_child& x) const { return "stop " + std::to_string(x.index); }
    std::string operator()(const gave_up& x) const { return "gave_up " + std::to_string(x.index); }
    std::string operator()(const quarantined& x) const {
      return "quarantined " + std::to_string(x.index) + " " + std::to_string(x.time.count());
    }
    std::string operator()(const all_stopped&) const { return "all_stopped"; }
  } words;
  return std::visit(words, o);
}

/// A group of three permanent children, driven by hand. Backoff has no jitter here: 100, 200, 400 …
/// ms.
struct group_script {
  explicit group_script(strategy how, std::uint32_t intensity = 3,
                        std::vector<restart> kinds = {restart::permanent, restart::permanent,
                                                      restart::permanent},
                        milliseconds quarantine = milliseconds{0})
      : group_(make_policy(how, intensity, quarantine), make_children(kinds), random_) {}

  static policy make_policy(strategy how, std::uint32_t intensity, milliseconds quarantine) {
    policy p;
    p.quarantine_base = quarantine;
    p.quarantine_max = 8 * quarantine;
    p.how = how;
    p.intensity = intensity;
    p.jitter = 0;
    return p;
  }
  static std::vector<child_spec> make_children(const std::vector<restart>& kinds) {
    std::vector<child_spec> out;
    for (const auto kind : kinds) {
      out.push_back({"child" + std::to_string(out.size()), kind, milliseconds{500}});
    }
    return out;
  }

  std::string say(const commands& all) {
    std::string out;
    for (const auto& o : all) {
      out += (out.empty() ? "" : "; ") + text_of(o);
      if (const auto* later = std::get_if<start_later>(&o)) {
        timer = *later;
      }
      if (const auto* up = std::get_if<gave_up>(&o)) {
        why = up->why;
      }
    }
    return out;
  }
  std::string start() { return say(group_.start(now)); }
  std::string fails(std::size_t i) { return say(group_.ended(now, i, false)); }
  std::string ends(std::size_t i) { return say(group_.ended(now, i, true)); }
  std::string refreshes(std::size_t i) { return say(group_.refreshed(now, i)); }
  std::string is_excused(std::size_t i, bool worked = false) {
    return say(group_.excused(now, i, worked));
  }
  std::string stop() { return say(group_.stop(now)); }
  /// The latest start_later fires.
  std::string due() {
    now += timer.after;
    return say(group_.due(now, timer.index, timer.ticket));
  }
  std::string due(const start_later& t) { return say(group_.due(now, t.index, t.ticket)); }
  std::string states() const {
    static const char* const names[] = {"waiting", "running",  "backing_off", "stopping",
                                        "stopped", "given_up", "quarantined"};
    std::string out;
    for (std::size_t i = 0; i < group_.children().size(); ++i) {
      out += (i == 0 ? "" : " ") + std::string{names[static_cast<int>(group_.state(i))]};
    }
    return out;
  }

  seeded_random random_{1};
  group group_;
  moment now{seconds{1000}};
  start_later timer{};
  error why;
};

} // namespace tayfa::supervision
