// The scenarios that ship: a normal life, the engine broken in each of its states, SIGTERM in each
// state of the pod, slow and impossible starts, dying actors, and random faults. Data only.
#include "actors/sim/scenario_lists.hpp"

namespace tayfa::sim {

namespace {

using what = incident::what;
using namespace std::chrono_literals;

workload_options jobs(std::uint32_t n) {
  workload_options w;
  w.jobs = n;
  return w;
}

scenario life(std::string name, std::string text) {
  scenario s;
  s.name = std::move(name);
  s.text = std::move(text);
  s.work = jobs(12);
  return s;
}

scenario broken_engine(std::string name, std::string text, engine::scripted_behavior behavior) {
  auto s = life(std::move(name), std::move(text));
  behavior.incarnations = {1, 2};
  s.behaviors[0] = behavior;
  s.faulty = true;
  return s;
}

scenario hit_engine(std::string state, what act, std::chrono::milliseconds after) {
  const std::string verb = act == what::freeze_engine   ? "freeze"
                           : act == what::babble_engine ? "babble"
                                                        : "kill";
  auto s = life(verb + "_engine_in_" + state, "an engine meets " + verb + " in " + state);
  s.slots = 2;
  s.behaviors[0].load_delay = 10s; // so that there is time to be found hung in LOADING_MODEL
  s.behaviors[0].init_delay = 100ms;
  s.incidents = {incident{"engine", std::move(state), after, act, 0}};
  s.faulty = true;
  return s;
}

scenario sigterm_in(std::string state, std::chrono::milliseconds after) {
  auto s = life("sigterm_in_" + state, "SIGTERM while the pod is " + state);
  s.behaviors[0].load_delay = 500ms;
  s.behaviors[0].init_delay = 200ms;
  s.incidents = {incident{"pod", std::move(state), after, what::sigterm, 0}};
  s.faulty = true;
  return s;
}

void add_normal(std::vector<scenario>& list) {
  list.push_back(life("normal_life", "CREATED to STOPPED with a few jobs of every harmless kind"));

  auto many = life("eight_slots", "a node with eight slots and a hundred jobs");
  many.slots = 8;
  many.work = jobs(100);
  many.work->gap_max = 60ms;
  list.push_back(many);
}

void add_broken_engines(std::vector<scenario>& list) {
  engine::scripted_behavior b;
  b.init_crash = true;
  list.push_back(
      broken_engine("engine_crash_in_INITIALIZING", "the first two engines die before hello", b));
  b = {};
  b.load_crash = true;
  b.load_delay = 200ms;
  list.push_back(broken_engine("engine_crash_in_LOADING_MODEL",
                               "the first two engines die while they load", b));
  for (const auto* state : {"INITIALIZING", "LOADING_MODEL", "READY", "PROCESSING"}) {
    list.push_back(hit_engine(state, what::kill_engine, 20ms));
    list.push_back(hit_engine(state, what::freeze_engine, 20ms));
    list.push_back(hit_engine(state, what::babble_engine, 20ms));
  }
  auto dying = life("kill_engine_in_SHUTDOWN", "SIGKILL to an engine that is shutting down");
  dying.incidents = {incident{"engine", "SHUTDOWN", 0ms, what::kill_engine, 0}};
  list.push_back(dying);

  b = {};
  b.no_heartbeat_after = 3s;
  auto silent = broken_engine("silent_engine", "an engine that stops beating is replaced", b);
  list.push_back(silent);
}

/// The link repeats every frame that the connection loses: no attempt is lost and no engine killed.
void add_lost_connections(std::vector<scenario>& list) {
  const auto patient = [](config& c) { c.engine_cancel_grace = 20s; };
  for (const auto* state : {"INITIALIZING", "LOADING_MODEL", "READY", "PROCESSING"}) {
    auto cut = life(std::string{"cut_link_in_"} + state,
                    std::string{"an engine's connection is lost and comes back in "} + state);
    cut.behaviors[0].load_delay = 200ms;
    cut.behaviors[0].init_delay = 100ms;
    cut.incidents = {incident{"engine", state, 20ms, what::cut_link, 0}};
    cut.unharmed = true;
    cut.knobs = patient;
    list.push_back(cut);
  }
  auto often = life("cut_link_often", "engines lose their connections again and again");
  often.slots = 2;
  often.work = jobs(40);
  often.incidents = {incident{"engine", "PROCESSING", 1ms, what::cut_link, 0, true},
                     incident{"job", "IN_PROGRESS", 30ms, what::cut_link, 1, true}};
  often.unharmed = true;
  often.knobs = patient;
  list.push_back(often);
}

void add_signals(std::vector<scenario>& list) {
  for (const auto* state : {"STARTING", "CONFIGURING", "LAUNCHING", "READY", "RUNNING"}) {
    list.push_back(sigterm_in(state, 0ms));
  }
  list.push_back(sigterm_in("RUNNING", 3s));
  list.back().name = "sigterm_late_in_RUNNING";
  auto twice = sigterm_in("RUNNING", 10ms);
  twice.name = "sigterm_twice";
  twice.text = "a second SIGTERM forces the end";
  twice.incidents.push_back(incident{"pod", "STOPPING", 1ms, what::sigterm, 0});
  list.push_back(twice);
}

void add_slow_and_hopeless_starts(std::vector<scenario>& list) {
  auto slow = life("slow_load", "a model that takes 90 s to load");
  slow.behaviors[0].load_delay = 90s;
  list.push_back(slow);
  auto endless = life("endless_load", "a model that never loads: the pod gives up");
  endless.work.reset();
  endless.behaviors[0].load_hang = true;
  endless.exit_code = 69;
  list.push_back(endless);
  auto refused = life("load_error", "a model that is refused: no retry, exit 65");
  refused.work.reset();
  refused.behaviors[0].load_error = "the script says so";
  refused.exit_code = 65;
  list.push_back(refused);
  auto hopeless = life("engine_never_starts", "every engine dies: the slot is given up, exit 69");
  hopeless.work.reset();
  hopeless.behaviors[0].init_crash = true;
  hopeless.exit_code = 69;
  list.push_back(hopeless);
  auto half = life("one_slot_never_starts", "one of two slots is given up, the other serves");
  half.slots = 2;
  half.behaviors[1].init_crash = true;
  list.push_back(half);
}

void add_stuck_machines(std::vector<scenario>& list) {
  auto missing = life("engine_missing", "the engine program cannot be started: exit 69");
  missing.work.reset();
  missing.engine_missing = true;
  missing.exit_code = 69;
  list.push_back(missing);
  auto stuck =
      life("spawner_stuck", "nothing is heard of any start: every slot is given up, exit 69");
  stuck.work.reset();
  stuck.spawner_stuck = true;
  stuck.exit_code = 69;
  list.push_back(stuck);
  auto interrupted = stuck;
  interrupted.name = "sigterm_before_spawned";
  interrupted.text = "SIGTERM while the engine's process does not exist yet";
  interrupted.incidents = {incident{"pod", "LAUNCHING", 5ms, what::sigterm, 0}};
  interrupted.exit_code = 0;
  list.push_back(interrupted);
}

void add_edges_of_life(std::vector<scenario>& list) {
  auto dying_idle =
      life("engine_dies_whenever_ready", "an engine that dies idle is given up: exit 69");
  dying_idle.work.reset();
  dying_idle.incidents = {incident{"engine", "READY", 20ms, what::kill_engine, 0, true}};
  dying_idle.exit_code = 69;
  list.push_back(dying_idle);
  for (const auto& [name, act] : {std::pair{"freeze_idle_engine", what::freeze_engine},
                                  std::pair{"babble_idle_engine", what::babble_engine}}) {
    auto idle = life(name, "an idle engine that hangs or lies is replaced");
    idle.work.reset();
    idle.incidents = {incident{"engine", "READY", 20ms, act, 0}};
    list.push_back(idle);
  }
  auto mortal =
      life("queue_dies_often", "the queue fails again and again: the pod gives up, exit 70");
  mortal.incidents = {incident{"job", "IN_PROGRESS", 1ms, what::kill_queue, 0, true}};
  mortal.work->mix = job_mix{0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  mortal.exit_code = 70;
  mortal.faulty = true;
  list.push_back(mortal);
  auto brief =
      life("short_lives", "jobs whose time to live ends before they do, queued and running");
  brief.work->mix = job_mix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  brief.work->jobs = 6;
  brief.work->gap_max = 1ms;
  list.push_back(brief);
  auto early = life("sigterm_in_CREATED", "SIGTERM before the pod was started");
  early.work.reset();
  early.incidents = {incident{"pod", "CREATED", 0ms, what::sigterm, 0}};
  list.push_back(early);
  auto no_port = life("port_silent", "the port is never bound: the state's budget ends it");
  no_port.work.reset();
  no_port.port_silent = true;
  no_port.exit_code = 69;
  list.push_back(no_port);
  auto no_port_term = no_port;
  no_port_term.name = "sigterm_in_STARTING_for_long";
  no_port_term.text = "SIGTERM while the port is not bound yet";
  no_port_term.incidents = {incident{"pod", "STARTING", 100ms, what::sigterm, 0}};
  no_port_term.exit_code = 0;
  list.push_back(no_port_term);
}

void add_unfit_machines(std::vector<scenario>& list) {
  auto unfit = life("unfit_machine", "the compatibility test says unfit: exit 69");
  unfit.work.reset();
  unfit.probe = sim_probe::mood::unfit;
  unfit.exit_code = 69;
  list.push_back(unfit);
  auto mute =
      life("probe_hangs", "the compatibility test never answers: the state's budget ends it");
  mute.work.reset();
  mute.probe = sim_probe::mood::silent;
  mute.exit_code = 69;
  list.push_back(mute);
  auto port = life("port_in_use", "the port is taken: exit 75");
  port.work.reset();
  port.port_in_use = true;
  port.exit_code = 75;
  list.push_back(port);
  auto model = life("broken_model", "the model file differs from its manifest: exit 65");
  model.work.reset();
  model.broken_model = true;
  model.exit_code = 65;
  list.push_back(model);
}

void add_bad_jobs_and_faults(std::vector<scenario>& list) {
  auto nasty = life("nasty_jobs", "jobs that crash, hang, lie and run out of memory");
  nasty.slots = 3;
  nasty.work = jobs(40);
  nasty.work->mix.crash = 2;
  nasty.work->mix.hang = 1;
  nasty.work->mix.garbage = 1;
  nasty.work->mix.oom = 2;
  nasty.work->mix.refresh = 2;
  nasty.work->gap_max = 4s;
  nasty.faulty = true;
  list.push_back(nasty);

  const std::pair<const char*, what> actors[] = {{"queue_dies", what::kill_queue},
                                                 {"ingress_dies", what::kill_ingress},
                                                 {"loader_dies", what::kill_loader}};
  for (const auto& [name, act] : actors) {
    auto s = life(name, "an actor of the core group dies while jobs run");
    s.slots = 2;
    s.work = jobs(30);
    s.incidents = {incident{"pod", "RUNNING", 700ms, act, 0}};
    s.faulty = true;
    list.push_back(s);
  }

  auto last_words = life("queue_dies_in_STOPPING", "the queue dies while the pod drains");
  last_words.incidents = {incident{"pod", "RUNNING", 700ms, what::sigterm, 0},
                          incident{"pod", "STOPPING", 0ms, what::kill_queue, 0}};
  last_words.work->mix = job_mix{0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  last_words.faulty = true;
  list.push_back(last_words);

  auto faults = life("random_faults", "kills, freezes and nasty jobs drawn from the seed");
  faults.slots = 4;
  faults.work = jobs(40);
  faults.work->mix.crash = 1;
  faults.work->mix.garbage = 1;
  faults.work->mix.oom = 1;
  faults.work->mix.refresh = 1;
  faults.work->gap_max = 3s;
  faults.random_faults = true;
  faults.faulty = true;
  list.push_back(faults);
}

std::vector<scenario> all() {
  std::vector<scenario> list;
  add_normal(list);
  add_broken_engines(list);
  add_lost_connections(list);
  add_signals(list);
  add_slow_and_hopeless_starts(list);
  add_stuck_machines(list);
  add_edges_of_life(list);
  add_unfit_machines(list);
  add_bad_jobs_and_faults(list);
  add_crashes(list);
  add_disk_faults(list);
  add_policies(list);
  add_models(list);
  add_slots(list);
  add_stops(list);
  add_pauses(list);
  add_held(list);
  add_platform(list);
  add_remote(list);
  add_openai(list);
  return list;
}

} // namespace

const std::vector<scenario>& scenarios() {
  static const std::vector<scenario> list = all();
  return list;
}

} // namespace tayfa::sim
