// Scenarios about slots: one that keeps failing, and operators who drain, add and remove them while
// jobs run.
#include "actors/sim/scenario_lists.hpp"

namespace tayfa::sim {

namespace {

using what = incident::what;
using namespace std::chrono_literals;

/// Three slots, and jobs for about twenty seconds.
scenario three_slots(std::string name, std::string text) {
  scenario s;
  s.name = std::move(name);
  s.text = std::move(text);
  s.slots = 3;
  s.work = workload_options{};
  s.work->jobs = 60;
  s.work->gap_max = 600ms;
  return s;
}

incident later(std::chrono::milliseconds after, what act, std::uint32_t slot) {
  return incident{"pod", "LAUNCHING", after, act, slot};
}

/// Slot 1 begins well, dies once, and after that no engine of it comes up again.
scenario slots_with_a_bad_one(std::string name, std::string text) {
  auto s = three_slots(std::move(name), std::move(text));
  s.incidents = {later(2s, what::kill_engine, 1)};
  s.behaviors[1].init_crash = true;
  for (std::uint64_t life = 2; life <= 200; ++life) {
    s.behaviors[1].incarnations.push_back(life);
  }
  s.faulty = true;
  return s;
}

void add_quarantines(std::vector<scenario>& list) {
  auto bad = slots_with_a_bad_one("slot_quarantined", "a slot that keeps dying; two others serve");
  bad.work->jobs = 300;
  bad.events = {"slot_quarantined"};
  list.push_back(bad);

  auto better =
      three_slots("slot_out_of_quarantine", "a slot that dies six times, and then is well");
  for (std::uint64_t life = 1; life <= 6; ++life) {
    better.behaviors[1].incarnations.push_back(life);
  }
  better.behaviors[1].init_crash = true;
  better.work->jobs = 300;
  better.knobs = [](config& c) { c.engine_quarantine_base = 5s; };
  better.events = {"slot_given_up", "slot_quarantined"};
  list.push_back(better);

  auto none = three_slots("every_slot_quarantined", "every engine dies when ready: exit 69");
  none.work.reset();
  for (std::uint32_t slot = 0; slot < none.slots; ++slot) {
    none.incidents.push_back(incident{"engine", "READY", 5ms, what::kill_engine, slot, true});
  }
  none.exit_code = 69;
  list.push_back(none);

  auto alone =
      slots_with_a_bad_one("drain_in_quarantine", "a slot in quarantine is drained and undrained");
  alone.incidents.push_back(later(30s, what::drain_slot, 1));
  alone.incidents.push_back(later(40s, what::undrain_slot, 1));
  alone.work->jobs = 200;
  alone.events = {"slot_quarantined", "slot_drained"};
  list.push_back(alone);
}

void add_drains(std::vector<scenario>& list) {
  auto drain =
      three_slots("drain_and_undrain", "one slot is drained and comes back, no job notices");
  drain.incidents = {later(3s, what::drain_slot, 1), later(12s, what::undrain_slot, 1)};
  drain.events = {"slot_drained"};
  list.push_back(drain);

  auto moody =
      three_slots("drain_moods", "drains and their opposites faster than an engine can follow");
  for (int i = 0; i < 12; ++i) {
    const auto slot = static_cast<std::uint32_t>(i % 3);
    moody.incidents.push_back(later(2s + i * 300ms, what::drain_slot, slot));
    moody.incidents.push_back(later(2s + i * 300ms + (i % 4) * 500ms, what::undrain_slot, slot));
  }
  list.push_back(moody);

  auto all = three_slots("drain_all", "every slot is drained: jobs wait until one is back");
  for (std::uint32_t slot = 0; slot < 3; ++slot) {
    all.incidents.push_back(later(2s, what::drain_slot, slot));
  }
  all.incidents.push_back(later(40s, what::undrain_slot, 2));
  all.events = {"slot_drained"};
  list.push_back(all);

  auto killed =
      three_slots("kill_while_draining", "the engine of a draining slot dies: it stays away");
  killed.incidents = {later(3s, what::drain_slot, 0), later(3'300ms, what::kill_engine, 0)};
  killed.events = {"slot_drained"};
  killed.faulty = true;
  list.push_back(killed);

  auto queue =
      three_slots("queue_dies_while_draining", "the queue is replaced while a slot drains");
  queue.incidents = {later(3s, what::drain_slot, 0), later(3'200ms, what::kill_queue, 0),
                     later(9s, what::undrain_slot, 0)};
  queue.faulty = true;
  list.push_back(queue);

  auto stop = three_slots("sigterm_while_draining", "SIGTERM while a slot drains");
  stop.incidents = {later(3s, what::drain_slot, 0), later(3'100ms, what::sigterm, 0)};
  stop.faulty = true;
  list.push_back(stop);
}

void add_resizes(std::vector<scenario>& list) {
  auto grow = three_slots("resize", "one slot becomes eight, then two, then five");
  grow.slots = 1;
  grow.work->jobs = 120;
  grow.work->gap_max = 200ms;
  grow.incidents = {later(2s, what::resize, 8), later(6s, what::resize, 2),
                    later(10s, what::resize, 5)};
  grow.events = {"slots_resized", "slot_removed"};
  list.push_back(grow);

  auto fast = three_slots("resize_moods", "resized faster than engines can follow");
  fast.work->jobs = 100;
  const std::uint32_t counts[] = {5, 1, 4, 2, 64, 3, 1, 6, 3};
  auto at = 2s;
  for (const auto count : counts) {
    fast.incidents.push_back(later(at, what::resize, count));
    at += 1s;
  }
  fast.behaviors[3].load_delay = 2s;
  fast.incidents.push_back(later(5'500ms, what::kill_engine, 2));
  fast.faulty = true;
  list.push_back(fast);

  auto none = three_slots("resize_to_none", "no slot for a while: jobs wait");
  none.incidents = {later(2s, what::resize, 0), later(30s, what::resize, 2)};
  none.events = {"slot_removed"};
  list.push_back(none);
}

/// Slots 0 and 1 run the model "net", slot 2 runs none: jobs ask for its engine by name.
scenario mixed(std::string name, std::string text) {
  auto s = three_slots(std::move(name), std::move(text));
  s.models = {"net"};
  s.model_kinds = {{"net", std::string{torchscript_model}}};
  s.work->models = {"net", "scripted"};
  s.knobs = [](config& c) { c.engine_slot_kinds = string_list{"0-1=torch"}; };
  return s;
}

void add_kinds(std::vector<scenario>& list) {
  list.push_back(mixed("mixed_kinds", "slots with engines of two kinds, and jobs for each"));

  auto absent = mixed("mixed_kinds_resized", "the only slot of a kind is removed for a while");
  absent.incidents = {later(2s, what::resize, 2), later(40s, what::resize, 3)};
  absent.events = {"slot_removed"};
  list.push_back(absent);

  auto drained = mixed("mixed_kinds_drained", "every slot that runs models drains, and comes back");
  drained.incidents = {later(2s, what::drain_slot, 0), later(2s, what::drain_slot, 1),
                       later(30s, what::undrain_slot, 1)};
  drained.events = {"slot_drained"};
  list.push_back(drained);

  auto faulty = mixed("mixed_kinds_die", "engines of both kinds die while jobs run");
  faulty.random_faults = true;
  faulty.faulty = true;
  list.push_back(faulty);
}

} // namespace

void add_slots(std::vector<scenario>& list) {
  add_kinds(list);
  add_quarantines(list);
  add_drains(list);
  add_resizes(list);
}

} // namespace tayfa::sim
